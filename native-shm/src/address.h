// address.h — turning the texts of addresses into what the kernel takes.
#ifndef NATIVE_SHM_ADDRESS_H_
#define NATIVE_SHM_ADDRESS_H_

#include <sys/socket.h>
#include <sys/un.h>

#include <string>

namespace native_shm {

/** A numeric IPv4 or IPv6 address. False with errno EINVAL for any other text. */
bool ParseAddress(const std::string& text, int port, sockaddr_storage* address, socklen_t* length);
/** A socket file's path, or '@name' in the abstract namespace. False with errno ENAMETOOLONG. */
bool UnixAddress(const std::string& path, sockaddr_un* address, socklen_t* length);

}  // namespace native_shm

#endif  // NATIVE_SHM_ADDRESS_H_
