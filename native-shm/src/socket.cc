// socket.cc — listening, accepting, connecting, moving bytes and descriptors. New sockets are close-on-exec.
#include <cstring>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "address.h"
#include "state.h"

namespace native_shm {

namespace {

constexpr size_t kMaxFdPayload = 64;

/** Closes a half-made socket; the answer is the error that broke it. */
int Abandon(int fd) {
  int error = errno;
  close(fd);
  return -error;
}

bool Enable(int fd, int level, int option) {
  int on = 1;
  return setsockopt(fd, level, option, &on, sizeof on) == 0;
}

int Listen(const sockaddr* address, socklen_t length, int backlog) {
  int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  if (address->sa_family != AF_UNIX && !Enable(fd, SOL_SOCKET, SO_REUSEADDR)) return Abandon(fd);
  // Otherwise the IPv6 wildcard would take the IPv4 port as well, and the IPv4 socket could not be bound.
  if (address->sa_family == AF_INET6 && !Enable(fd, IPPROTO_IPV6, IPV6_V6ONLY)) return Abandon(fd);
  if (bind(fd, address, length) < 0 || listen(fd, backlog) < 0) return Abandon(fd);
  return fd;
}

int Connect(const sockaddr* address, socklen_t length) {
  int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  if (connect(fd, address, length) < 0) return Abandon(fd);
  if (address->sa_family != AF_UNIX && !Enable(fd, IPPROTO_TCP, TCP_NODELAY)) return Abandon(fd);
  return fd;
}

void ListenTcp(const Info& info) {
  Arguments arguments(info);
  int family = arguments.Int(0);
  std::string text = arguments.Text(1);
  int port = arguments.Int(2);
  int backlog = arguments.Int(3);
  if (!arguments.ok()) return;
  sockaddr_storage address;
  socklen_t length;
  if (!ParseAddress(text, port, &address, &length)) return Return(info, -errno);
  if (address.ss_family != (family == 4 ? AF_INET : AF_INET6)) return Return(info, -EAFNOSUPPORT);
  Return(info, Listen(reinterpret_cast<sockaddr*>(&address), length, backlog));
}

void ListenUnix(const Info& info) {
  Arguments arguments(info);
  std::string path = arguments.Text(0);
  int backlog = arguments.Int(1);
  if (!arguments.ok()) return;
  sockaddr_un address;
  socklen_t length;
  if (!UnixAddress(path, &address, &length)) return Return(info, -errno);
  Return(info, Listen(reinterpret_cast<sockaddr*>(&address), length, backlog));
}

void ConnectTcp(const Info& info) {
  Arguments arguments(info);
  std::string text = arguments.Text(0);
  int port = arguments.Int(1);
  if (!arguments.ok()) return;
  sockaddr_storage address;
  socklen_t length;
  if (!ParseAddress(text, port, &address, &length)) return Return(info, -errno);
  Return(info, Connect(reinterpret_cast<sockaddr*>(&address), length));
}

void ConnectUnix(const Info& info) {
  Arguments arguments(info);
  std::string path = arguments.Text(0);
  if (!arguments.ok()) return;
  sockaddr_un address;
  socklen_t length;
  if (!UnixAddress(path, &address, &length)) return Return(info, -errno);
  Return(info, Connect(reinterpret_cast<sockaddr*>(&address), length));
}

void Accept(const Info& info) {
  Arguments arguments(info);
  int listener = arguments.Int(0);
  if (!arguments.ok()) return;
  sockaddr_storage address;
  socklen_t length = sizeof address;
  int fd = accept4(listener, reinterpret_cast<sockaddr*>(&address), &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return ReturnResult(info, fd);
  if (address.ss_family == AF_INET || address.ss_family == AF_INET6) {
    if (!Enable(fd, IPPROTO_TCP, TCP_NODELAY) || !Enable(fd, SOL_SOCKET, SO_KEEPALIVE)) return Return(info, Abandon(fd));
  }
  Return(info, fd);
}

/** The socket option of a name, or -1. */
int TcpOptionNumber(const std::string& name) {
  if (name == "keepidle") return TCP_KEEPIDLE;
  if (name == "keepintvl") return TCP_KEEPINTVL;
  if (name == "keepcnt") return TCP_KEEPCNT;
  if (name == "usertimeout") return TCP_USER_TIMEOUT;
  return -1;
}

constexpr const char* kTcpOptions = "'keepidle', 'keepintvl', 'keepcnt' or 'usertimeout'";

void SetTcpOption(const Info& info) {
  Arguments arguments(info);
  int fd = arguments.Int(0);
  int option = TcpOptionNumber(arguments.Text(1));
  int value = arguments.Int(2);
  if (option < 0) arguments.TypeError(1, kTcpOptions);
  if (!arguments.ok()) return;
  ReturnResult(info, setsockopt(fd, IPPROTO_TCP, option, &value, sizeof value));
}

void GetTcpOption(const Info& info) {
  Arguments arguments(info);
  int fd = arguments.Int(0);
  int option = TcpOptionNumber(arguments.Text(1));
  if (option < 0) arguments.TypeError(1, kTcpOptions);
  if (!arguments.ok()) return;
  int value = 0;
  socklen_t length = sizeof value;
  int result = getsockopt(fd, IPPROTO_TCP, option, &value, &length);
  ReturnResult(info, result < 0 ? result : value);
}

void Recv(const Info& info) {
  Arguments arguments(info);
  int fd = arguments.Int(0);
  Bytes into = arguments.Part(1);
  if (!arguments.ok()) return;
  ReturnResult(info, recv(fd, into.data, into.length, 0));
}

void Send(const Info& info) {
  Arguments arguments(info);
  int fd = arguments.Int(0);
  Bytes from = arguments.Part(1);
  if (!arguments.ok()) return;
  ReturnResult(info, send(fd, from.data, from.length, MSG_NOSIGNAL));
}

void PeerClosed(const Info& info) {
  Arguments arguments(info);
  int fd = arguments.Int(0);
  if (!arguments.ok()) return;
  pollfd poller = {fd, POLLRDHUP, 0};
  int result = poll(&poller, 1, 0);
  if (result <= 0) return ReturnResult(info, result);
  Return(info, (poller.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0 ? 1 : 0);
}

void Shutdown(const Info& info) {
  Arguments arguments(info);
  int fd = arguments.Int(0);
  std::string how = arguments.Text(1);
  if (!arguments.ok()) return;
  int direction = SHUT_RDWR;
  if (how == "read") {
    direction = SHUT_RD;
  } else if (how == "write") {
    direction = SHUT_WR;
  } else if (how != "both") {
    return arguments.TypeError(1, "'read', 'write' or 'both'");
  }
  ReturnResult(info, shutdown(fd, direction));
}

union DescriptorMessage {
  cmsghdr header;
  char space[CMSG_SPACE(sizeof(int))];
};

void SendFd(const Info& info) {
  Arguments arguments(info);
  int socket = arguments.Int(0);
  int fd = arguments.Int(1);
  Bytes payload = arguments.View(2);
  if (!arguments.ok()) return;
  // A stream socket carries a descriptor only along with at least one byte.
  if (payload.length < 1 || payload.length > kMaxFdPayload) return arguments.RangeError("the payload must have 1 to 64 bytes");
  DescriptorMessage control;
  memset(&control, 0, sizeof control);
  iovec part = {payload.data, payload.length};
  msghdr message;
  memset(&message, 0, sizeof message);
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.space;
  message.msg_controllen = sizeof control.space;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  ReturnResult(info, sendmsg(socket, &message, MSG_NOSIGNAL));
}

void RecvFd(const Info& info) {
  Arguments arguments(info);
  int socket = arguments.Int(0);
  Bytes payload = arguments.View(1);
  if (!arguments.ok()) return;
  DescriptorMessage control;
  memset(&control, 0, sizeof control);
  iovec part = {payload.data, payload.length};
  msghdr message;
  memset(&message, 0, sizeof message);
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.space;
  // Room for one descriptor exactly: the kernel closes what a peer sends beyond it, and padding would hold a second.
  message.msg_controllen = CMSG_LEN(sizeof(int));
  ssize_t length = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  if (length < 0) return ReturnPair(info, -errno, 0);
  if (length == 0) return ReturnPair(info, -EPIPE, 0);
  int fd = -ENOMSG;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
      header->cmsg_len >= CMSG_LEN(sizeof fd)) {
    memcpy(&fd, CMSG_DATA(header), sizeof fd);
  }
  ReturnPair(info, fd, static_cast<int>(length));
}

/** A datagram socket bound to a free port of `host` and connected to itself: only its own holders can write to it. */
int OpenLoopback(const char* host, int buffer) {
  sockaddr_storage address;
  socklen_t length;
  if (!ParseAddress(host, 0, &address, &length)) return -errno;
  int fd = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  sockaddr* target = reinterpret_cast<sockaddr*>(&address);
  if (bind(fd, target, length) < 0) return Abandon(fd);
  socklen_t bound = sizeof address;
  if (getsockname(fd, target, &bound) < 0 || connect(fd, target, bound) < 0) return Abandon(fd);
  int size = 0;
  socklen_t size_length = sizeof size;
  if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, &size_length) < 0) return Abandon(fd);
  if (size < buffer && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer) < 0) return Abandon(fd);
  return fd;
}

void UdpLoopback(const Info& info) {
  Arguments arguments(info);
  int buffer = arguments.Int(0);
  if (!arguments.ok()) return;
  int fd = OpenLoopback("127.0.0.1", buffer);
  if (fd < 0) fd = OpenLoopback("::1", buffer);
  Return(info, fd);
}

}  // namespace

void AddSocket(Exports exports) {
  Method(exports, "listenTcp", ListenTcp);
  Method(exports, "listenUnix", ListenUnix);
  Method(exports, "connectTcp", ConnectTcp);
  Method(exports, "connectUnix", ConnectUnix);
  Method(exports, "accept", Accept);
  Method(exports, "setTcpOption", SetTcpOption);
  Method(exports, "getTcpOption", GetTcpOption);
  Method(exports, "recv", Recv);
  Method(exports, "send", Send);
  Method(exports, "peerClosed", PeerClosed);
  Method(exports, "shutdown", Shutdown);
  Method(exports, "sendFd", SendFd);
  Method(exports, "recvFd", RecvFd);
  Method(exports, "udpLoopback", UdpLoopback);
  Method(exports, "udpSend", Send);
  Method(exports, "udpRecv", Recv);
}

}  // namespace native_shm
