// address.cc — names and addresses: resolving, naming peers and users.
#include <cstring>

#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "address.h"
#include "state.h"

namespace native_shm {

using v8::Array;
using v8::Context;
using v8::Isolate;
using v8::Local;
using v8::Object;
using v8::Value;

bool ParseAddress(const std::string& text, int port, sockaddr_storage* address, socklen_t* length) {
  addrinfo hints;
  memset(&hints, 0, sizeof hints);
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(text.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) {
    errno = EINVAL;
    return false;
  }
  memcpy(address, found->ai_addr, found->ai_addrlen);
  *length = found->ai_addrlen;
  freeaddrinfo(found);
  return true;
}

bool UnixAddress(const std::string& path, sockaddr_un* address, socklen_t* length) {
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  if (path.size() >= sizeof address->sun_path) {
    errno = ENAMETOOLONG;
    return false;
  }
  memcpy(address->sun_path, path.data(), path.size());
  // '@' opens a name in the abstract namespace: no file, gone with its last descriptor.
  bool abstract = !path.empty() && path[0] == '@';
  if (abstract) address->sun_path[0] = '\0';
  *length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (abstract ? 0 : 1));
  return true;
}

namespace {

void Put(Isolate* isolate, Local<Object> object, const char* key, Local<Value> value) {
  object->Set(isolate->GetCurrentContext(), TextValue(isolate, key), value).Check();
}

void ResolveHost(const Info& info) {
  Arguments arguments(info);
  bool any = arguments.IsNull(0);
  std::string host;
  if (!any) host = arguments.Text(0);
  bool passive = arguments.Bool(1);
  if (!arguments.ok()) return;
  addrinfo hints;
  memset(&hints, 0, sizeof hints);
  hints.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0);
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  int code = getaddrinfo(any ? nullptr : host.c_str(), "0", &hints, &found);
  if (code != 0) return Return(info, code);
  Isolate* isolate = info.GetIsolate();
  Local<Context> context = isolate->GetCurrentContext();
  Local<Array> list = Array::New(isolate);
  uint32_t count = 0;
  for (addrinfo* at = found; at != nullptr; at = at->ai_next) {
    char text[NI_MAXHOST];
    if (at->ai_family != AF_INET && at->ai_family != AF_INET6) continue;
    if (getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0) continue;
    Local<Object> entry = Object::New(isolate);
    Put(isolate, entry, "family", v8::Integer::New(isolate, at->ai_family == AF_INET ? 4 : 6));
    Put(isolate, entry, "address", TextValue(isolate, text));
    list->Set(context, count++, entry).Check();
  }
  freeaddrinfo(found);
  info.GetReturnValue().Set(list);
}

void GaiMessage(const Info& info) {
  Arguments arguments(info);
  int code = arguments.Int(0);
  if (!arguments.ok()) return;
  info.GetReturnValue().Set(TextValue(info.GetIsolate(), gai_strerror(code)));
}

void ReverseName(const Info& info) {
  Arguments arguments(info);
  std::string text = arguments.Text(0);
  if (!arguments.ok()) return;
  sockaddr_storage address;
  socklen_t length;
  char name[NI_MAXHOST];
  if (!ParseAddress(text, 0, &address, &length) ||
      getnameinfo(reinterpret_cast<sockaddr*>(&address), length, name, sizeof name, nullptr, 0, NI_NAMEREQD) != 0) {
    return info.GetReturnValue().SetNull();
  }
  info.GetReturnValue().Set(TextValue(info.GetIsolate(), name));
}

/** {family, address, port} of a socket's address. */
void ReturnAddress(const Info& info, const sockaddr_storage& address, socklen_t length) {
  Isolate* isolate = info.GetIsolate();
  char text[NI_MAXHOST] = "";
  int port = 0;
  Local<Value> family;
  if (address.ss_family == AF_UNIX) {
    const sockaddr_un* local = reinterpret_cast<const sockaddr_un*>(&address);
    family = TextValue(isolate, "unix");
    if (length > offsetof(sockaddr_un, sun_path)) {
      size_t size = length - offsetof(sockaddr_un, sun_path);
      memcpy(text, local->sun_path, size);
      text[size] = '\0';
      if (text[0] == '\0' && size > 1) text[0] = '@';
    }
  } else {
    family = v8::Integer::New(isolate, address.ss_family == AF_INET ? 4 : 6);
    getnameinfo(reinterpret_cast<const sockaddr*>(&address), length, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
    port = ntohs(address.ss_family == AF_INET ? reinterpret_cast<const sockaddr_in*>(&address)->sin_port
                                              : reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port);
  }
  Local<Object> result = Object::New(isolate);
  Put(isolate, result, "family", family);
  Put(isolate, result, "address", TextValue(isolate, text));
  Put(isolate, result, "port", v8::Integer::New(isolate, port));
  info.GetReturnValue().Set(result);
}

void NameOf(const Info& info, int (*ask)(int, sockaddr*, socklen_t*)) {
  Arguments arguments(info);
  int fd = arguments.Int(0);
  if (!arguments.ok()) return;
  sockaddr_storage address;
  memset(&address, 0, sizeof address);
  socklen_t length = sizeof address;
  if (ask(fd, reinterpret_cast<sockaddr*>(&address), &length) < 0) return Return(info, -errno);
  ReturnAddress(info, address, length);
}

int AskPeer(int fd, sockaddr* address, socklen_t* length) { return getpeername(fd, address, length); }
int AskSelf(int fd, sockaddr* address, socklen_t* length) { return getsockname(fd, address, length); }
void PeerName(const Info& info) { NameOf(info, AskPeer); }
void SockName(const Info& info) { NameOf(info, AskSelf); }

void PeerCredentials(const Info& info) {
  Arguments arguments(info);
  int fd = arguments.Int(0);
  if (!arguments.ok()) return;
  ucred peer;
  socklen_t length = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0) return Return(info, -errno);
  Isolate* isolate = info.GetIsolate();
  Local<Value> values[] = {v8::Integer::NewFromUnsigned(isolate, peer.uid), v8::Integer::NewFromUnsigned(isolate, peer.gid),
                           v8::Integer::New(isolate, peer.pid)};
  info.GetReturnValue().Set(Array::New(isolate, values, 3));
}

void UserName(const Info& info) {
  Arguments arguments(info);
  uint32_t uid = arguments.Word(0);
  if (!arguments.ok()) return;
  passwd entry;
  passwd* found = nullptr;
  std::vector<char> buffer(1024);
  while (getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == ERANGE) buffer.resize(buffer.size() * 2);
  if (found == nullptr) return info.GetReturnValue().SetNull();
  info.GetReturnValue().Set(TextValue(info.GetIsolate(), found->pw_name));
}

}  // namespace

void AddAddress(Exports exports) {
  Method(exports, "resolveHost", ResolveHost);
  Method(exports, "gaiMessage", GaiMessage);
  Method(exports, "reverseName", ReverseName);
  Method(exports, "peerName", PeerName);
  Method(exports, "sockName", SockName);
  Method(exports, "peerCredentials", PeerCredentials);
  Method(exports, "userName", UserName);
}

}  // namespace native_shm
