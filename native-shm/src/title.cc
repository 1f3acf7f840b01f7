// title.cc — what `ps` shows for this process.
//
// The kernel shows the memory between arg_start and arg_end; when the last byte of that area is not zero it takes the
// area for a title that outgrew it and goes on into the environment's memory behind it, up to the first NUL or one page.
// So the environment is copied away once, and a title is written in place with zeroes behind it.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <mutex>

#include "state.h"

extern char** environ;

namespace native_shm {

namespace {

constexpr size_t kPage = 4096;

char* area;
/** bytes of title that fit, without the NUL behind them */
size_t room;
/** how far earlier titles (or the arguments) reach */
size_t used;
std::mutex title_mutex;

struct Area {
  uintptr_t arg_start;
  uintptr_t arg_end;
  uintptr_t env_start;
  uintptr_t env_end;
};

/** Fields 48 to 51 of /proc/self/stat; counted from behind the program's name, which may contain anything. */
bool ReadArea(Area* found) {
  char text[4096];
  int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t length = read(fd, text, sizeof text - 1);
  close(fd);
  if (length <= 0) return false;
  text[length] = '\0';
  char* at = strrchr(text, ')');
  if (at == nullptr) return false;
  at += 2;
  for (int field = 3; field < 48; field++) {
    at = strchr(at, ' ');
    if (at == nullptr) return false;
    at++;
  }
  return sscanf(at, "%lu %lu %lu %lu", &found->arg_start, &found->arg_end, &found->env_start, &found->env_end) == 4;
}

void MoveEnvironment() {
  size_t count = 0;
  while (environ[count] != nullptr) count++;
  char** moved = static_cast<char**>(calloc(count + 1, sizeof(char*)));
  if (moved == nullptr) return;
  for (size_t i = 0; i < count; i++) moved[i] = strdup(environ[i]);
  environ = moved;
}

void TitleInit(const Info& info) {
  std::lock_guard<std::mutex> guard(title_mutex);
  if (area == nullptr) {
    Area found;
    if (!ReadArea(&found) || found.arg_end <= found.arg_start) return Return(info, -ENOENT);
    // glibc's own messages print the program's name out of the arguments.
    program_invocation_name = strdup(program_invocation_name);
    program_invocation_short_name = strdup(program_invocation_short_name);
    MoveEnvironment();
    size_t arguments_size = found.arg_end - found.arg_start;
    bool adjacent = found.env_start == found.arg_end && found.env_end > found.env_start;
    size_t size = adjacent ? found.env_end - found.arg_start : arguments_size;
    // A title beyond the arguments is shown up to one page; one within them in full.
    size_t most = arguments_size > kPage ? arguments_size : kPage;
    room = (size < most ? size : most) - 1;
    used = room + 1;
    area = reinterpret_cast<char*>(found.arg_start);
    prctl(PR_SET_NAME, "postgres", 0, 0, 0);
  }
  ReturnNumber(info, static_cast<double>(room));
}

void SetTitle(const Info& info) {
  if (!info[0]->IsString()) return Arguments(info).TypeError(0, "a string");
  v8::String::Utf8Value title(info.GetIsolate(), info[0]);
  if (*title == nullptr || area == nullptr) return;
  std::lock_guard<std::mutex> guard(title_mutex);
  size_t length = strnlen(*title, room);
  memcpy(area, *title, length);
  if (length < used) memset(area + length, 0, used - length);
  used = length + 1;
}

}  // namespace

void AddTitle(Exports exports) {
  Method(exports, "titleInit", TitleInit);
  Method(exports, "setTitle", SetTitle);
}

}  // namespace native_shm
