// process.cc — fork, wait, exit, limits and clocks.
//
// fork() copies a live V8. Node marks V8's memory MADV_DONTFORK, so a bare fork leaves the child without its heap; the
// marks are taken back just before: over all addresses at once, or where the kernel refuses that, over one private
// mapping of /proc/self/maps after the other. From the first look at that file until the fork nothing may allocate (the
// list would change under the reader), so it is parsed by hand from a static buffer. Threads do not survive a fork: the caller must have none that matters.
#include <csignal>
#include <cstdlib>

#include <fcntl.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <ctime>

#include "state.h"

namespace native_shm {

namespace {

char maps_buffer[65536];

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

const char* ParseHex(const char* text, uintptr_t* value) {
  *value = 0;
  for (int digit; (digit = HexDigit(*text)) >= 0; text++) *value = *value << 4 | static_cast<uintptr_t>(digit);
  return text;
}

/** One line of /proc/self/maps, "start-end rwxp …": a private mapping shall be copied by fork. */
void AllowFork(const char* line) {
  uintptr_t start;
  uintptr_t end;
  const char* rest = ParseHex(line, &start);
  if (*rest != '-') return;
  rest = ParseHex(rest + 1, &end);
  if (rest[0] != ' ' || rest[4] != 'p') return;
  // EINVAL: the kernel's own pages (vvar, vsyscall) and device memory, which cannot be marked either way.
  madvise(reinterpret_cast<void*>(start), end - start, MADV_DOFORK);
}

/** Marks mapping by mapping. 0 or -errno. */
int AllowForkOneByOne() {
  int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  size_t filled = 0;
  for (;;) {
    ssize_t got = read(fd, maps_buffer + filled, sizeof maps_buffer - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      int result = got < 0 ? -errno : 0;
      close(fd);
      return result;
    }
    filled += static_cast<size_t>(got);
    size_t line = 0;
    for (size_t i = 0; i < filled; i++) {
      if (maps_buffer[i] != '\n') continue;
      AllowFork(maps_buffer + line);
      line = i + 1;
    }
    // An unfinished line moves to the front. Lines are far shorter than the buffer: a path is at most 4 KiB.
    for (size_t i = line; i < filled; i++) maps_buffer[i - line] = maps_buffer[i];
    filled -= line;
  }
}

/** The kernel's own pages ([vvar] and its kin), as addresses; both 0 if they are not known. They cannot be marked, and end
 *  a marking that meets them. */
struct KernelPages {
  uintptr_t start;
  uintptr_t end;
};

KernelPages FindKernelPages() {
  KernelPages pages = {0, 0};
  int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return pages;
  size_t filled = 0;
  for (;;) {
    ssize_t got = read(fd, maps_buffer + filled, sizeof maps_buffer - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    filled += static_cast<size_t>(got);
    size_t line = 0;
    for (size_t i = 0; i < filled; i++) {
      if (maps_buffer[i] != '\n') continue;
      maps_buffer[i] = 0;
      if (strstr(maps_buffer + line, "[vvar") != nullptr) {
        uintptr_t start;
        const char* rest = ParseHex(maps_buffer + line, &start);
        if (pages.start == 0) pages.start = start;
        ParseHex(rest + 1, &pages.end);
      }
      line = i + 1;
    }
    for (size_t i = line; i < filled; i++) maps_buffer[i - line] = maps_buffer[i];
    filled -= line;
  }
  close(fd);
  return pages;
}

constexpr uintptr_t kFirstAddress = 0x10000;
constexpr uintptr_t kLastAddress = uintptr_t{1} << 55;
KernelPages kernel_pages;

/** Marks all mappings of a range: the kernel walks its own list, skips the holes (ENOMEM tells of them, afterwards) and
 *  does nothing where the mark is right already. */
bool AllowForkBetween(uintptr_t start, uintptr_t end) {
  return madvise(reinterpret_cast<void*>(start), end - start, MADV_DOFORK) == 0 || errno == ENOMEM;
}

/** 0 or -errno. Two calls, around the kernel's pages: those lie beside the stack or amid the libraries. */
int AllowForkEverywhere() {
  if (kernel_pages.start == 0) kernel_pages = FindKernelPages();
  if (kernel_pages.start > kFirstAddress && AllowForkBetween(kFirstAddress, kernel_pages.start) &&
      AllowForkBetween(kernel_pages.end, kLastAddress)) {
    return 0;
  }
  return AllowForkOneByOne();
}

void Fork(const Info& info) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = AllowForkEverywhere();
  pid_t pid = -1;
  if (error == 0) {
    pid = fork();
    if (pid < 0) error = -errno;
  }
  if (pid == 0) {
    AfterForkRuntimeDescriptors();
    AfterForkWakeup();
    AfterForkSignals();
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  Return(info, error < 0 ? error : pid);
}

void WaitPid(const Info& info) {
  Arguments arguments(info);
  int pid = arguments.Int(0);
  bool block = arguments.Bool(1);
  size_t length = 0;
  int32_t* out = arguments.Words(2, 2, &length);
  if (!arguments.ok()) return;
  int status = 0;
  pid_t reaped = waitpid(pid, &status, block ? 0 : WNOHANG);
  if (reaped <= 0) return ReturnResult(info, reaped);
  out[0] = reaped;
  out[1] = status;
  Return(info, 1);
}

void GetPid(const Info& info) { Return(info, getpid()); }
void GetPpid(const Info& info) { Return(info, getppid()); }
void SetSid(const Info& info) { ReturnResult(info, setsid()); }
void EffectiveUid(const Info& info) { ReturnNumber(info, geteuid()); }

void ExitNow(const Info& info) {
  Arguments arguments(info);
  int code = arguments.Int(0);
  if (!arguments.ok()) return;
  _exit(code);
}

void AbortNow(const Info& info) {
  (void)info;
  signal(SIGABRT, SIG_DFL);
  abort();
}

void ParentDeathSignal(const Info& info) {
  Arguments arguments(info);
  int signal = arguments.Int(0);
  if (!arguments.ok()) return;
  ReturnResult(info, prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0));
}

void RaiseFileLimit(const Info& info) {
  Arguments arguments(info);
  size_t wanted = arguments.Size(0);
  if (!arguments.ok()) return;
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return Return(info, -errno);
  if (limit.rlim_cur < wanted) {
    rlimit raised = limit;
    raised.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  ReturnNumber(info, static_cast<double>(limit.rlim_cur));
}

void UnlimitCore(const Info& info) {
  rlimit limit;
  if (getrlimit(RLIMIT_CORE, &limit) < 0) return Return(info, -errno);
  limit.rlim_cur = limit.rlim_max;
  ReturnResult(info, setrlimit(RLIMIT_CORE, &limit));
}

void TrimHeap(const Info& info) {
  (void)info;
  malloc_trim(0);
}

void MonotonicNs(const Info& info) {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  ReturnNumber(info, static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec));
}

void RealtimeUs(const Info& info) {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  ReturnNumber(info, static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec / 1000));
}

void RandomFill(const Info& info) {
  Arguments arguments(info);
  Bytes out = arguments.View(0);
  if (!arguments.ok()) return;
  for (size_t filled = 0; filled < out.length;) {
    ssize_t got = getrandom(out.data + filled, out.length - filled, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Return(info, -errno);
    filled += static_cast<size_t>(got);
  }
  Return(info, 0);
}

}  // namespace

void AddProcess(Exports exports) {
  Method(exports, "fork", Fork);
  Method(exports, "waitpid", WaitPid);
  Method(exports, "getpid", GetPid);
  Method(exports, "getppid", GetPpid);
  Method(exports, "setsid", SetSid);
  Method(exports, "effectiveUid", EffectiveUid);
  Method(exports, "exitNow", ExitNow);
  Method(exports, "abortNow", AbortNow);
  Method(exports, "parentDeathSignal", ParentDeathSignal);
  Method(exports, "raiseFileLimit", RaiseFileLimit);
  Method(exports, "unlimitCore", UnlimitCore);
  Method(exports, "monotonicNs", MonotonicNs);
  Method(exports, "trimHeap", TrimHeap);
  Method(exports, "realtimeUs", RealtimeUs);
  Method(exports, "randomFill", RandomFill);
}

}  // namespace native_shm
