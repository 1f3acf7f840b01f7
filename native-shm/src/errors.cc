// errors.cc — error numbers and their texts.
#include <cstring>

#include "state.h"

namespace native_shm {

namespace {

struct Named {
  const char* name;
  int number;
};

constexpr Named kErrors[] = {
    {"EPERM", EPERM},           {"ENOENT", ENOENT},     {"ESRCH", ESRCH},   {"EINTR", EINTR},
    {"EIO", EIO},               {"EAGAIN", EAGAIN},     {"EWOULDBLOCK", EWOULDBLOCK}, {"ENOMEM", ENOMEM},
    {"EACCES", EACCES},         {"EEXIST", EEXIST},     {"ENOTDIR", ENOTDIR}, {"EINVAL", EINVAL},
    {"EMFILE", EMFILE},         {"ENOSPC", ENOSPC},     {"EPIPE", EPIPE},   {"EADDRINUSE", EADDRINUSE},
    {"ECONNRESET", ECONNRESET}, {"ETIMEDOUT", ETIMEDOUT}, {"ECHILD", ECHILD}, {"ECONNREFUSED", ECONNREFUSED},
};

void ErrorMessage(const Info& info) {
  Arguments arguments(info);
  int number = arguments.Int(0);
  if (!arguments.ok()) return;
  char buffer[256];
  const char* text = strerror_r(number < 0 ? -number : number, buffer, sizeof buffer);
  info.GetReturnValue().Set(TextValue(info.GetIsolate(), text));
}

}  // namespace

void AddErrors(Exports exports) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  v8::Local<v8::Context> context = isolate->GetCurrentContext();
  v8::Local<v8::Object> table = v8::Object::New(isolate);
  for (const Named& error : kErrors) {
    table->Set(context, TextValue(isolate, error.name), v8::Integer::New(isolate, error.number)).Check();
  }
  exports->Set(context, TextValue(isolate, "ERRNO"), table).Check();
  Method(exports, "errorMessage", ErrorMessage);
}

}  // namespace native_shm
