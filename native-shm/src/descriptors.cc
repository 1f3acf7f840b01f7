// descriptors.cc — making, copying, marking and closing descriptors. All new ones are close-on-exec.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "state.h"

namespace native_shm {

namespace {

void CloseFd(const Info& info) {
  Arguments arguments(info);
  int fd = arguments.Int(0);
  if (!arguments.ok()) return;
  // Linux has closed the descriptor even when it reports EINTR.
  int result = close(fd);
  ReturnResult(info, result < 0 && errno == EINTR ? 0 : result);
}

int CloseRange(unsigned first, unsigned last) {
  if (first > last) return 0;
  if (syscall(SYS_close_range, first, last, 0) == 0) return 0;
  if (errno != ENOSYS) return -1;
  long limit = sysconf(_SC_OPEN_MAX);
  for (unsigned fd = first; fd <= last && static_cast<long>(fd) < limit; fd++) close(static_cast<int>(fd));
  return 0;
}

void CloseFrom(const Info& info) {
  Arguments arguments(info);
  int from = arguments.Int(0);
  std::vector<int> keep = arguments.Ints(1);
  if (!arguments.ok()) return;
  if (from < 0) return Return(info, -EINVAL);
  keep.push_back(WakeupFd());
  KeepRuntimeDescriptors(&keep);
  std::sort(keep.begin(), keep.end());
  unsigned next = static_cast<unsigned>(from);
  for (int kept : keep) {
    if (kept < 0 || static_cast<unsigned>(kept) < next) continue;
    unsigned gap = static_cast<unsigned>(kept);
    if (gap > next && CloseRange(next, gap - 1) < 0) return Return(info, -errno);
    next = gap + 1;
  }
  ReturnResult(info, CloseRange(next, ~0u));
}

void Dup2(const Info& info) {
  Arguments arguments(info);
  int from = arguments.Int(0);
  int to = arguments.Int(1);
  if (!arguments.ok()) return;
  // Standard descriptors are meant for the programs we start; all others are ours.
  if (from == to) return ReturnResult(info, fcntl(from, F_GETFD) < 0 ? -1 : to);
  ReturnResult(info, dup3(from, to, to > 2 ? O_CLOEXEC : 0));
}

void Pipe(const Info& info) {
  Arguments arguments(info);
  bool nonblocking = arguments.Bool(0);
  if (!arguments.ok()) return;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | (nonblocking ? O_NONBLOCK : 0)) < 0) return Return(info, -errno);
  ReturnPair(info, ends[0], ends[1]);
}

void SocketPair(const Info& info) {
  Arguments arguments(info);
  std::string type = arguments.Text(0);
  if (!arguments.ok()) return;
  if (type != "stream" && type != "seqpacket") return arguments.TypeError(0, "'stream' or 'seqpacket'");
  int ends[2];
  int kind = type == "stream" ? SOCK_STREAM : SOCK_SEQPACKET;
  if (socketpair(AF_UNIX, kind | SOCK_CLOEXEC, 0, ends) < 0) return Return(info, -errno);
  ReturnPair(info, ends[0], ends[1]);
}

/** Sets or clears one bit of the flags that `get` reads and `set` writes. */
int Change(int fd, int get, int set, int bit, bool on) {
  int flags = fcntl(fd, get);
  if (flags < 0) return -1;
  int wanted = on ? flags | bit : flags & ~bit;
  return wanted == flags ? 0 : fcntl(fd, set, wanted);
}

void SetNonblocking(const Info& info) {
  Arguments arguments(info);
  int fd = arguments.Int(0);
  bool on = arguments.Bool(1);
  if (!arguments.ok()) return;
  ReturnResult(info, Change(fd, F_GETFL, F_SETFL, O_NONBLOCK, on));
}

void SetCloseOnExec(const Info& info) {
  Arguments arguments(info);
  int fd = arguments.Int(0);
  bool on = arguments.Bool(1);
  if (!arguments.ok()) return;
  ReturnResult(info, Change(fd, F_GETFD, F_SETFD, FD_CLOEXEC, on));
}

void Flock(const Info& info) {
  Arguments arguments(info);
  int fd = arguments.Int(0);
  std::string mode = arguments.Text(1);
  if (!arguments.ok()) return;
  int operation = LOCK_UN;
  if (mode == "exclusive") {
    operation = LOCK_EX | LOCK_NB;
  } else if (mode == "shared") {
    operation = LOCK_SH | LOCK_NB;
  } else if (mode != "unlock") {
    return arguments.TypeError(1, "'exclusive', 'shared' or 'unlock'");
  }
  ReturnResult(info, flock(fd, operation));
}

void OpenReadOnly(const Info& info) {
  Arguments arguments(info);
  std::string path = arguments.Text(0);
  if (!arguments.ok()) return;
  ReturnResult(info, open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

}  // namespace

void AddDescriptors(Exports exports) {
  Method(exports, "closeFd", CloseFd);
  Method(exports, "closeFrom", CloseFrom);
  Method(exports, "dup2", Dup2);
  Method(exports, "pipe", Pipe);
  Method(exports, "socketPair", SocketPair);
  Method(exports, "setNonblocking", SetNonblocking);
  Method(exports, "setCloseOnExec", SetCloseOnExec);
  Method(exports, "flock", Flock);
  Method(exports, "openReadOnly", OpenReadOnly);
}

}  // namespace native_shm
