// signals.cc — C handlers that turn signals into words of memory.
//
// JavaScript cannot run in a handler, and Node's own signals need the event loop. So a handler counts the signal in a
// word, raises the “interrupt pending” flag, sets the latch and wakes the wait; JavaScript looks at the words where it
// chooses to. Handlers are installed without SA_RESTART: a signal must end a sleep with EINTR. They run with all
// signals blocked, so none interrupts another.
//
// Only the main thread handles signals. Node has threads that block none, and the kernel may give a signal to any of
// them, most of all when the main thread blocks it; such a thread passes the signal on to the main thread, where it stays
// pending as long as it is blocked and ends a sleep when it is not, and takes no signal ever after.
//
// QUICKDIE is C from end to end: a process in an endless JavaScript loop, or one whose heap is broken, still sends its
// last message and dies.
#include <csignal>
#include <cstring>

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>
#include <cmath>

#include "state.h"

namespace native_shm {

namespace {

constexpr int kWords = 64;
constexpr int kMaxMessages = 8;
constexpr size_t kMaxMessage = 1024;

enum Action { kDefault = 0, kIgnore = 1, kWord = 2, kWake = 3, kQuickdie = 4, kExit1 = 5, kExit2 = 6, kActions = 7 };

static_assert(std::atomic<int32_t>::is_always_lock_free, "words are written from signal handlers");

/** A page of its own, so that V8 may treat the words as any other buffer. */
alignas(4096) std::atomic<int32_t> words[4096 / sizeof(int32_t)];

std::atomic<std::atomic<int32_t>*> latch_is_set;
std::atomic<std::atomic<int32_t>*> latch_maybe_sleeping;

std::atomic<int> quickdie_fd{-1};
std::atomic<std::atomic<int32_t>*> quickdie_reason;
int quickdie_count;
size_t quickdie_lengths[kMaxMessages];
uint8_t quickdie_messages[kMaxMessages][kMaxMessage];

constexpr uint64_t Bit(int signal) { return uint64_t{1} << (signal - 1); }

/** All but those that a thread raises by its own fault, or that V8's profiler sends to it. */
constexpr uint64_t kElsewhere =
    ~(Bit(SIGSEGV) | Bit(SIGBUS) | Bit(SIGFPE) | Bit(SIGILL) | Bit(SIGTRAP) | Bit(SIGSYS) | Bit(SIGPROF));

/** On a thread other than the main one: hands the signal over and blocks all further ones here. */
bool PassedOn(int signal, void* context) {
  pid_t pid = getpid();
  if (syscall(SYS_gettid) == pid) return false;
  int saved = errno;
  // The mask that the return from this handler restores. The kernel's is 8 bytes; sigset_t is longer and would not fit.
  uint64_t mask;
  sigset_t* restored = &static_cast<ucontext_t*>(context)->uc_sigmask;
  memcpy(&mask, restored, sizeof mask);
  mask |= kElsewhere;
  memcpy(restored, &mask, sizeof mask);
  syscall(SYS_tgkill, pid, pid, signal);
  errno = saved;
  return true;
}

void OnWord(int signal, siginfo_t*, void* context) {
  if (PassedOn(signal, context)) return;
  int saved = errno;
  if (signal > 0 && signal < kWords) words[signal].fetch_add(1);
  words[0].store(1);
  std::atomic<int32_t>* is_set = latch_is_set.load();
  std::atomic<int32_t>* maybe_sleeping = latch_maybe_sleeping.load();
  if (is_set != nullptr) is_set->store(1);
  // The sleeper announces itself before it looks at the latch for the last time; both are sequentially consistent, so
  // either it sees the latch or we see it sleeping.
  if (is_set == nullptr || maybe_sleeping == nullptr || maybe_sleeping->load() != 0) Wakeup();
  errno = saved;
}

void OnWake(int signal, siginfo_t*, void* context) {
  if (PassedOn(signal, context)) return;
  int saved = errno;
  Wakeup();
  errno = saved;
}

void OnQuickdie(int signal, siginfo_t*, void* context) {
  if (PassedOn(signal, context)) return;
  int fd = quickdie_fd.load();
  if (fd >= 0 && quickdie_count > 0) {
    std::atomic<int32_t>* reason = quickdie_reason.load();
    int which = reason == nullptr ? 0 : reason->load();
    if (which < 0 || which >= quickdie_count) which = 0;
    send(fd, quickdie_messages[which], quickdie_lengths[which], MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  _exit(2);
}

void OnExit1(int signal, siginfo_t*, void* context) {
  if (PassedOn(signal, context)) return;
  _exit(1);
}

void OnExit2(int signal, siginfo_t*, void* context) {
  if (PassedOn(signal, context)) return;
  _exit(2);
}

std::atomic<int32_t>* AtomicAt(uint8_t* address) { return reinterpret_cast<std::atomic<int32_t>*>(address); }

void SignalWords(const Info& info) {
  // Never freed: the words are static. One store serves every thread of the process.
  static std::shared_ptr<v8::BackingStore>* store = new std::shared_ptr<v8::BackingStore>(
      v8::SharedArrayBuffer::NewBackingStore(words, kWords * sizeof(int32_t), v8::BackingStore::EmptyDeleter, nullptr));
  info.GetReturnValue().Set(v8::SharedArrayBuffer::New(info.GetIsolate(), *store));
}

void SignalAction(const Info& info) {
  static void (*const handlers[kActions])(int, siginfo_t*, void*) = {nullptr,    nullptr, OnWord, OnWake,
                                                                     OnQuickdie, OnExit1, OnExit2};
  Arguments arguments(info);
  int signal = arguments.Int(0);
  int action = arguments.Int(1);
  if (!arguments.ok()) return;
  if (action < 0 || action >= kActions) return arguments.RangeError("unknown signal action");
  struct sigaction wanted;
  memset(&wanted, 0, sizeof wanted);
  if (handlers[action] == nullptr) {
    wanted.sa_handler = action == kDefault ? SIG_DFL : SIG_IGN;
  } else {
    wanted.sa_sigaction = handlers[action];
    wanted.sa_flags = SA_SIGINFO;
  }
  sigfillset(&wanted.sa_mask);
  if (signal == SIGCHLD) wanted.sa_flags |= SA_NOCLDSTOP;
  ReturnResult(info, sigaction(signal, &wanted, nullptr));
}

void SignalLatch(const Info& info) {
  Arguments arguments(info);
  int segment = arguments.Int(0);
  uint8_t* is_set = nullptr;
  uint8_t* maybe_sleeping = nullptr;
  if (segment != -1) {
    is_set = arguments.SegmentAt(segment, arguments.Size(1), sizeof(int32_t), sizeof(int32_t));
    maybe_sleeping = arguments.SegmentAt(segment, arguments.Size(2), sizeof(int32_t), sizeof(int32_t));
  }
  if (!arguments.ok()) return;
  // Between the two stores a handler must not pair the old latch with the new sleeper: without a latch it always wakes.
  latch_is_set.store(nullptr);
  latch_maybe_sleeping.store(AtomicAt(maybe_sleeping));
  latch_is_set.store(AtomicAt(is_set));
}

void SignalMask(const Info& info) {
  Arguments arguments(info);
  std::string how = arguments.Text(0);
  std::vector<int> signals = arguments.Ints(1);
  if (!arguments.ok()) return;
  int operation = how == "block" ? SIG_BLOCK : how == "unblock" ? SIG_UNBLOCK : SIG_SETMASK;
  if (operation == SIG_SETMASK && how != "set") return arguments.TypeError(0, "'block', 'unblock' or 'set'");
  sigset_t set;
  sigemptyset(&set);
  for (int signal : signals) {
    if (sigaddset(&set, signal) < 0) return Return(info, -errno);
  }
  Return(info, -pthread_sigmask(operation, &set, nullptr));
}

void Kill(const Info& info) {
  Arguments arguments(info);
  int pid = arguments.Int(0);
  int signal = arguments.Int(1);
  if (!arguments.ok()) return;
  ReturnResult(info, kill(pid, signal));
}

void SetAlarm(const Info& info) {
  Arguments arguments(info);
  double milliseconds = arguments.Number(0);
  if (!arguments.ok()) return;
  if (milliseconds < 0 || milliseconds > 1e12) return Return(info, -EINVAL);
  double microseconds = std::ceil(milliseconds * 1000);
  itimerval timer;
  memset(&timer, 0, sizeof timer);
  timer.it_value.tv_sec = static_cast<time_t>(microseconds / 1e6);
  timer.it_value.tv_usec = static_cast<suseconds_t>(microseconds - static_cast<double>(timer.it_value.tv_sec) * 1e6);
  ReturnResult(info, setitimer(ITIMER_REAL, &timer, nullptr));
}

void QuickdieArm(const Info& info) {
  Arguments arguments(info);
  int fd = arguments.Int(0);
  if (arguments.ok() && fd < 0) {
    quickdie_fd.store(-1);
    return;
  }
  int segment = arguments.Int(1);
  uint8_t* reason = nullptr;
  if (segment != -1) reason = arguments.SegmentAt(segment, arguments.Size(2), sizeof(int32_t), sizeof(int32_t));
  if (!info[3]->IsArray()) arguments.TypeError(3, "an array of Uint8Array");
  if (!arguments.ok()) return;
  v8::Local<v8::Array> list = info[3].As<v8::Array>();
  if (list->Length() > kMaxMessages) return arguments.RangeError("at most 8 messages can be armed");
  v8::Local<v8::Context> context = info.GetIsolate()->GetCurrentContext();
  Bytes messages[kMaxMessages];
  for (uint32_t i = 0; i < list->Length(); i++) {
    v8::Local<v8::Value> message;
    if (!list->Get(context, i).ToLocal(&message)) return;
    if (!message->IsArrayBufferView()) return arguments.TypeError(3, "an array of Uint8Array");
    messages[i] = BytesOf(message.As<v8::ArrayBufferView>());
    if (messages[i].length > kMaxMessage) return arguments.RangeError("a message is longer than 1024 bytes");
  }
  // Disarmed while the messages change: a signal in between dies silently rather than with half a message.
  quickdie_fd.store(-1);
  quickdie_reason.store(reason == nullptr ? nullptr : AtomicAt(reason));
  quickdie_count = static_cast<int>(list->Length());
  for (int i = 0; i < quickdie_count; i++) {
    memcpy(quickdie_messages[i], messages[i].data, messages[i].length);
    quickdie_lengths[i] = messages[i].length;
  }
  quickdie_fd.store(fd);
}

}  // namespace

void AfterForkSignals() {
  for (int i = 0; i < kWords; i++) words[i].store(0);
  latch_is_set.store(nullptr);
  latch_maybe_sleeping.store(nullptr);
  quickdie_fd.store(-1);
  itimerval none;
  memset(&none, 0, sizeof none);
  setitimer(ITIMER_REAL, &none, nullptr);
}

void AddSignals(Exports exports) {
  Method(exports, "signalWords", SignalWords);
  Method(exports, "signalAction", SignalAction);
  Method(exports, "signalLatch", SignalLatch);
  Method(exports, "signalMask", SignalMask);
  Method(exports, "kill", Kill);
  Method(exports, "setAlarm", SetAlarm);
  Method(exports, "quickdieArm", QuickdieArm);
}

}  // namespace native_shm
