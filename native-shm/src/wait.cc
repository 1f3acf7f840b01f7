// wait.cc — the one place where a process sleeps for several things at once: epoll, with an eventfd that this process's
// own signal handlers and threads write to wake it.
//
// A wake-up is level, not count: the eventfd stays readable until the wait drains it, so one that arrives between the
// caller's last look at its latch and the sleep is not lost.
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <mutex>

#include "state.h"

namespace native_shm {

namespace {

/** Outside of the 32-bit tokens that callers may give. */
constexpr uint64_t kWakeupToken = uint64_t{1} << 32;
constexpr int kMostEvents = 64;

std::atomic<int> wakeup_fd{-1};
std::once_flag process_once;

void NewWakeup() { wakeup_fd.store(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

void FirstLoading() {
  RememberRuntimeDescriptors();
  NewWakeup();
}

void Drain() {
  uint64_t count;
  // Fails only with EAGAIN, when another thread drained it first.
  ssize_t ignored = read(wakeup_fd.load(), &count, sizeof count);
  (void)ignored;
}

void EpollCreate(const Info& info) {
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) return ReturnResult(info, epoll);
  epoll_event event;
  event.events = EPOLLIN;
  event.data.u64 = kWakeupToken;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, wakeup_fd.load(), &event) < 0) {
    int error = errno;
    close(epoll);
    return Return(info, -error);
  }
  Return(info, epoll);
}

void Control(const Info& info, int operation) {
  Arguments arguments(info);
  int epoll = arguments.Int(0);
  int fd = arguments.Int(1);
  epoll_event event;
  event.events = 0;
  event.data.u64 = 0;
  if (operation != EPOLL_CTL_DEL) {
    event.events = arguments.Word(2);
    event.data.u64 = arguments.Word(3);
  }
  if (!arguments.ok()) return;
  ReturnResult(info, epoll_ctl(epoll, operation, fd, &event));
}

void EpollAdd(const Info& info) { Control(info, EPOLL_CTL_ADD); }
void EpollModify(const Info& info) { Control(info, EPOLL_CTL_MOD); }
void EpollDelete(const Info& info) { Control(info, EPOLL_CTL_DEL); }

void EpollWait(const Info& info) {
  Arguments arguments(info);
  int epoll = arguments.Int(0);
  double milliseconds = arguments.Number(1);
  size_t length = 0;
  int32_t* out = arguments.Words(2, 2, &length);
  if (!arguments.ok()) return;
  int timeout = milliseconds < 0 ? -1 : milliseconds >= 2147483647 ? 2147483647 : static_cast<int>(std::ceil(milliseconds));
  int most = length / 2 < kMostEvents ? static_cast<int>(length / 2) : kMostEvents;
  epoll_event events[kMostEvents];
  int count = epoll_wait(epoll, events, most, timeout);
  if (count < 0) {
    int error = errno;
    // The handler that interrupted us has usually written the eventfd as well; the caller is about to look at
    // everything, so a second return for the same signal would only cost it another round.
    if (error == EINTR) Drain();
    return Return(info, -error);
  }
  int pairs = 0;
  for (int i = 0; i < count; i++) {
    if (events[i].data.u64 == kWakeupToken) {
      Drain();
      continue;
    }
    out[pairs * 2] = static_cast<int32_t>(static_cast<uint32_t>(events[i].data.u64));
    out[pairs * 2 + 1] = static_cast<int32_t>(events[i].events);
    pairs++;
  }
  Return(info, pairs);
}

void WakeSelf(const Info& info) {
  (void)info;
  Wakeup();
}

}  // namespace

void PrepareProcess() { std::call_once(process_once, FirstLoading); }

int WakeupFd() { return wakeup_fd.load(); }

void Wakeup() {
  uint64_t one = 1;
  // Fails only with EAGAIN, when 2^64-2 wake-ups are pending already.
  ssize_t ignored = write(wakeup_fd.load(), &one, sizeof one);
  (void)ignored;
}

void AfterForkWakeup() {
  close(wakeup_fd.load());
  NewWakeup();
}

void AddWait(Exports exports) {
  Method(exports, "epollCreate", EpollCreate);
  Method(exports, "epollAdd", EpollAdd);
  Method(exports, "epollModify", EpollModify);
  Method(exports, "epollDelete", EpollDelete);
  Method(exports, "epollWait", EpollWait);
  Method(exports, "wakeSelf", WakeSelf);
}

}  // namespace native_shm
