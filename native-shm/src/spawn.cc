// spawn.cc — starting another program: in a new process or in place of this one.
//
// The child of spawnProcess shares this process's memory until its execve (CLONE_VM | CLONE_VFORK), which costs nothing
// however large the parent is, and lets it report a failed execve through a plain variable. It therefore runs on its own
// stack, allocates nothing, and has every handler reset before it unblocks a signal: a handler of ours would run on the
// parent's memory.
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "state.h"

extern char** environ;

namespace native_shm {

namespace {

constexpr size_t kStack = 256 * 1024;

/** Everything the child needs, laid out before it exists. */
struct Launch {
  const char* path;
  char** argv;
  char** env;
  const char* cwd;
  size_t count;
  const int* from;
  const int* to;
  /** room for the sources, moved above every target */
  int* high;
  /** the targets, ascending */
  const int* kept;
  int error;
};

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(&text[0]);
  pointers.push_back(nullptr);
  return pointers;
}

void CloseBetween(unsigned first, unsigned last) {
  if (first > last) return;
  if (syscall(SYS_close_range, first, last, 0) == 0) return;
  // Kernels before 5.9: one by one, as far as descriptors can reach.
  long limit = sysconf(_SC_OPEN_MAX);
  for (unsigned fd = first; fd <= last && static_cast<long>(fd) < limit; fd++) close(static_cast<int>(fd));
}

/** Every source is first duplicated above all targets, so that no placing overwrites a source still needed. */
bool PlaceDescriptors(const Launch* launch) {
  int base = launch->count == 0 ? 0 : launch->kept[launch->count - 1] + 1;
  for (size_t i = 0; i < launch->count; i++) {
    launch->high[i] = fcntl(launch->from[i], F_DUPFD_CLOEXEC, base);
    if (launch->high[i] < 0) return false;
  }
  for (size_t i = 0; i < launch->count; i++) {
    if (dup2(launch->high[i], launch->to[i]) < 0) return false;
  }
  unsigned next = 0;
  for (size_t i = 0; i < launch->count; i++) {
    unsigned kept = static_cast<unsigned>(launch->kept[i]);
    if (kept > next) CloseBetween(next, kept - 1);
    next = kept + 1;
  }
  CloseBetween(next, ~0u);
  return true;
}

void ResetSignals() {
  struct sigaction usual;
  memset(&usual, 0, sizeof usual);
  usual.sa_handler = SIG_DFL;
  // glibc refuses the two numbers it keeps for its threads; execve resets their handlers.
  for (int signal = 1; signal < _NSIG; signal++) sigaction(signal, &usual, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

int Child(void* argument) {
  Launch* launch = static_cast<Launch*>(argument);
  ResetSignals();
  if (PlaceDescriptors(launch) && (launch->cwd == nullptr || chdir(launch->cwd) == 0)) {
    execve(launch->path, launch->argv, launch->env);
  }
  launch->error = errno;
  _exit(127);
}

/** The child's pid, or -errno of clone or of anything the child did before its execve succeeded. */
int Start(Launch* launch) {
  void* stack = mmap(nullptr, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (stack == MAP_FAILED) return -errno;
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int pid = clone(Child, static_cast<char*>(stack) + kStack, CLONE_VM | CLONE_VFORK | SIGCHLD, launch);
  int result = pid < 0 ? -errno : pid;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  munmap(stack, kStack);
  if (pid > 0 && launch->error != 0) {
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    result = -launch->error;
  }
  return result;
}

/** [[from, to], …] */
bool ReadPairs(const Info& info, int index, std::vector<int>* from, std::vector<int>* to) {
  if (!info[index]->IsArray()) return false;
  v8::Local<v8::Context> context = info.GetIsolate()->GetCurrentContext();
  v8::Local<v8::Array> list = info[index].As<v8::Array>();
  for (uint32_t i = 0; i < list->Length(); i++) {
    v8::Local<v8::Value> pair;
    v8::Local<v8::Value> first;
    v8::Local<v8::Value> second;
    if (!list->Get(context, i).ToLocal(&pair) || !pair->IsArray()) return false;
    if (!pair.As<v8::Array>()->Get(context, 0).ToLocal(&first) || !first->IsInt32()) return false;
    if (!pair.As<v8::Array>()->Get(context, 1).ToLocal(&second) || !second->IsInt32()) return false;
    from->push_back(first.As<v8::Int32>()->Value());
    to->push_back(second.As<v8::Int32>()->Value());
    if (to->back() < 0) return false;
  }
  return true;
}

void SpawnProcess(const Info& info) {
  Arguments arguments(info);
  std::string path = arguments.Text(0);
  std::vector<std::string> argv = arguments.Texts(1);
  std::vector<std::string> env = arguments.Texts(2);
  std::vector<int> from;
  std::vector<int> to;
  if (!ReadPairs(info, 3, &from, &to)) arguments.TypeError(3, "an array of [descriptor, descriptor]");
  bool moves = !arguments.IsNull(4);
  std::string cwd;
  if (moves) cwd = arguments.Text(4);
  if (!arguments.ok()) return;
  std::vector<char*> argv_pointers = Pointers(argv);
  std::vector<char*> env_pointers = Pointers(env);
  std::vector<int> high(from.size());
  std::vector<int> kept = to;
  std::sort(kept.begin(), kept.end());
  Launch launch = {path.c_str(), argv_pointers.data(), env_pointers.data(), moves ? cwd.c_str() : nullptr, from.size(),
                   from.data(),  to.data(),            high.data(),         kept.data(),                     0};
  Return(info, Start(&launch));
}

void Exec(const Info& info) {
  Arguments arguments(info);
  std::string path = arguments.Text(0);
  std::vector<std::string> argv = arguments.Texts(1);
  std::vector<std::string> env = arguments.Texts(2);
  if (!arguments.ok()) return;
  // Node ignores SIGPIPE for itself; a disposition to ignore would be inherited by the new program.
  struct sigaction usual;
  struct sigaction before;
  memset(&usual, 0, sizeof usual);
  usual.sa_handler = SIG_DFL;
  sigaction(SIGPIPE, &usual, &before);
  // It also marks whatever it was started with close-on-exec, the standard descriptors included.
  int flags[3];
  for (int fd = 0; fd < 3; fd++) {
    flags[fd] = fcntl(fd, F_GETFD);
    if (flags[fd] >= 0) fcntl(fd, F_SETFD, flags[fd] & ~FD_CLOEXEC);
  }
  execve(path.c_str(), Pointers(argv).data(), Pointers(env).data());
  int error = errno;
  for (int fd = 0; fd < 3; fd++) {
    if (flags[fd] >= 0) fcntl(fd, F_SETFD, flags[fd]);
  }
  sigaction(SIGPIPE, &before, nullptr);
  Return(info, -error);
}

}  // namespace

void AddSpawn(Exports exports) {
  Method(exports, "spawnProcess", SpawnProcess);
  Method(exports, "exec", Exec);
}

}  // namespace native_shm
