// runtime-descriptors.cc — the descriptors that Node itself holds, and why they must outlive every clean-up.
//
// V8 posts tasks (after a garbage collection, for one) even where no event loop will ever run them, and libuv announces
// each by writing eight bytes to the loop's eventfd — to its number. A process that closed that number and got it back
// for a data file or a client would have those bytes written there. So the descriptors which Node holds when the addon is
// loaded are remembered, `closeFrom` passes over them, and a forked child puts eventfds of its own in their place, lest
// it wake its parent.
//
// Recognised are the kernel's anonymous files (event loop, eventfds, io_uring) and pipes with both ends in this process;
// a pipe that was inherited shows one end only.
#include <cstdlib>
#include <cstring>

#include <dirent.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "state.h"

namespace native_shm {

namespace {

constexpr const char* kEventFd = "anon_inode:[eventfd]";
constexpr const char* kAnonymous[] = {kEventFd, "anon_inode:[eventpoll]", "anon_inode:[io_uring]"};

struct Held {
  int fd;
  std::string link;
};

std::vector<Held>* held;

/** What a descriptor refers to; empty when it is closed. */
std::string LinkOf(int fd) {
  char link[256];
  std::string path = "/proc/self/fd/" + std::to_string(fd);
  ssize_t length = readlink(path.c_str(), link, sizeof link);
  return length < 0 ? std::string() : std::string(link, static_cast<size_t>(length));
}

std::vector<Held> AllDescriptors() {
  std::vector<Held> all;
  DIR* folder = opendir("/proc/self/fd");
  if (folder == nullptr) return all;
  while (dirent* entry = readdir(folder)) {
    int fd = atoi(entry->d_name);
    if (entry->d_name[0] != '.' && fd > 2 && fd != dirfd(folder)) all.push_back({fd, LinkOf(fd)});
  }
  closedir(folder);
  return all;
}

bool IsAnonymous(const std::string& link) {
  for (const char* name : kAnonymous) {
    if (link == name) return true;
  }
  return false;
}

bool IsWholePipe(const std::string& link, const std::vector<Held>& all) {
  if (link.compare(0, 5, "pipe:") != 0) return false;
  int ends = 0;
  for (const Held& other : all) ends += other.link == link;
  return ends > 1;
}

}  // namespace

void RememberRuntimeDescriptors() {
  held = new std::vector<Held>();
  std::vector<Held> all = AllDescriptors();
  for (const Held& one : all) {
    if (IsAnonymous(one.link) || IsWholePipe(one.link, all)) held->push_back(one);
  }
}

void KeepRuntimeDescriptors(std::vector<int>* keep) {
  for (const Held& one : *held) {
    if (LinkOf(one.fd) == one.link) keep->push_back(one.fd);
  }
}

void AfterForkRuntimeDescriptors() {
  std::vector<Held> now;
  for (const Held& one : *held) now.push_back({one.fd, LinkOf(one.fd)});
  for (size_t i = 0; i < now.size(); i++) {
    // libuv's own fork handler has just made its lock pipe anew, under the same numbers.
    if (IsWholePipe(now[i].link, now)) (*held)[i].link = now[i].link;
    if (now[i].link != kEventFd || (*held)[i].link != kEventFd) continue;
    int fresh = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fresh < 0) continue;
    dup3(fresh, now[i].fd, O_CLOEXEC);
    close(fresh);
  }
}

}  // namespace native_shm
