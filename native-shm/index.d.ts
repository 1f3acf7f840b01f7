/**
 * native-shm — shared memory, futexes, processes, signals and sockets for synchronous Node programs on Linux.
 *
 * Addresses, not meanings: calls take integers, buffers and the number of a mapped segment. Every call is synchronous.
 * Unless a function says otherwise it returns a non-negative number, or `-errno`; nothing throws but wrong argument
 * types (TypeError). Byte offsets are checked against the segment's size (RangeError).
 */

/** Number of a segment mapped by this process, as `mapShared` returned it. Valid in every worker_thread of the process. */
export type SegmentId = number;
/** File descriptor. */
export type Fd = number;

// ── mapping ────────────────────────────────────────────────────────────────────────────────────────────────────────
/** Anonymous memory file of `size` bytes (memfd, close-on-exec). Returns its descriptor. */
export function createSegment(name: string, size: number, hugePages?: boolean): Fd;
/** Maps a descriptor MAP_SHARED. `-errno` in `segment` on failure. The mapping lives until `unmapShared` or process end.
 *  With `privateTail` (a multiple of the page size) the buffer goes on behind the file, from `privateStart` (the file's
 *  size rounded up to its pages) to its end, with zeroed anonymous memory of this process alone: no page of it exists
 *  before it is touched, a forked child inherits it copy-on-write, `remapShared` leaves it as it is. */
export function mapShared(
  fd: Fd,
  size: number,
  privateTail?: number,
): { segment: SegmentId; buffer: SharedArrayBuffer; privateStart: number };
/** Gives whole pages of the private tail back to the system; they read as zero afterwards. `-EINVAL` for a range that is
 *  not made of pages or not in the tail. */
export function mapPrivate(segment: SegmentId, byteOffset: number, length: number): number;
/** Replaces the memory behind an existing mapping, at the same address, by another descriptor of the same size: every
 *  SharedArrayBuffer over it now shows the new file. */
export function remapShared(segment: SegmentId, fd: Fd): number;
/** The buffer of a segment that another thread of this process mapped. */
export function segmentBuffer(segment: SegmentId): SharedArrayBuffer;
export function unmapShared(segment: SegmentId): number;
/** Returns the pages of a range to the system; they read as zero afterwards (fallocate PUNCH_HOLE). */
export function punchHole(fd: Fd, offset: number, length: number): number;

// ── futex (shared, works across processes) ─────────────────────────────────────────────────────────────────────────
/** Sleeps while the 32-bit word at `byteOffset` equals `expected`. 0 woken, -EAGAIN value differed, -EINTR a signal,
 *  -ETIMEDOUT. `timeoutMs` < 0 waits for ever; fractions count. */
export function futexWait(segment: SegmentId, byteOffset: number, expected: number, timeoutMs: number): number;
/** Wakes up to `count` sleepers; returns how many. */
export function futexWake(segment: SegmentId, byteOffset: number, count: number): number;

// ── signals ────────────────────────────────────────────────────────────────────────────────────────────────────────
/** This process's signal words, 64 × int32, process-private memory: word[s] counts deliveries of signal s since it was
 *  last exchanged to 0; word[0] is set to 1 by every 'word' handler (the “interrupt pending” flag). Read with Atomics. */
export function signalWords(): SharedArrayBuffer;
export const SIG_ACTION: {
  /** SIG_DFL */ readonly DEFAULT: 0;
  /** SIG_IGN */ readonly IGNORE: 1;
  /** count in word[s], set word[0], set the latch of `signalLatch` and wake this process's wait */ readonly WORD: 2;
  /** only wake this process's wait (for SIGURG) */ readonly WAKE: 3;
  /** send the armed message, then _exit(2), all in C */ readonly QUICKDIE: 4;
  /** _exit(1) at once, in C */ readonly EXIT1: 5;
  /** _exit(2) at once, in C, without a message */ readonly EXIT2: 6;
};
/** Installs a C handler (sigaction without SA_RESTART). It runs on the main thread, whichever the kernel chose. */
export function signalAction(signal: number, action: number): number;
/** The latch that 'word' handlers set: the word at isSet becomes 1 and, if the word at maybeSleeping is not 0, the wait
 *  is woken. segment -1 forgets it (then handlers always wake the wait). */
export function signalLatch(segment: SegmentId, isSetOffset: number, maybeSleepingOffset: number): void;
/** Blocks / unblocks signals given as a list, for the calling thread. `[]` with 'set' unblocks all. */
export function signalMask(how: 'block' | 'unblock' | 'set', signals: readonly number[]): number;
export function kill(pid: number, signal: number): number;
/** ITIMER_REAL: one SIGALRM after `milliseconds` (fractions count); 0 disarms. */
export function setAlarm(milliseconds: number): number;
/** Arms SIGQUIT's handler: it sends messages[word at reasonOffset] (or messages[0] when out of range) to `fd`
 *  with MSG_DONTWAIT and ends the process with _exit(2). fd -1 disarms (silent _exit(2)). At most 8 messages of 1 KiB. */
export function quickdieArm(fd: Fd, segment: SegmentId, reasonOffset: number, messages: readonly Uint8Array[]): void;

// ── processes ──────────────────────────────────────────────────────────────────────────────────────────────────────
/** Undoes V8's MADV_DONTFORK and forks. Returns the child's pid, 0 in the child, -errno. In the child: a fresh wake-up
 *  eventfd, zeroed signal words, pending alarms cleared. All signals are blocked across the call and the mask restored. */
export function fork(): number;
/** vfork + execve. `fds[i]` = [descriptor here, descriptor there]; all others are closed on exec. All signals are
 *  unblocked and default in the child. Returns the pid or -errno (exec failure included). */
export function spawnProcess(
  path: string,
  argv: readonly string[],
  env: readonly string[],
  fds: readonly (readonly [Fd, Fd])[],
  cwd?: string,
): number;
/** execve in place, with descriptors 0 to 2 open and SIGPIPE as usual (Node changes both); returns only on failure. */
export function exec(path: string, argv: readonly string[], env: readonly string[]): number;
/** waitpid(pid, WNOHANG unless `block`): writes [pid, status word] into `out`; 1 reaped, 0 none, -errno. */
export function waitpid(pid: number, block: boolean, out: Int32Array): number;
export function getpid(): number;
export function getppid(): number;
export function setsid(): number;
/** _exit(code): no exit handlers, no flushing. */
export function exitNow(code: number): never;
/** abort(): dies by SIGABRT with its default action. */
export function abortNow(): never;
/** Kernel sends `signal` to this process when its parent dies; 0 for none. */
export function parentDeathSignal(signal: number): number;
/** Claims the argv+environ area for titles (environ is copied away first). Returns the bytes available. */
export function titleInit(): number;
/** What `ps` shows. Cut to the room that titleInit found. */
export function setTitle(title: string): void;
/** Raises the soft RLIMIT_NOFILE to `wanted` or the hard limit; returns the limit now in force. */
export function raiseFileLimit(wanted: number): number;
/** Sets RLIMIT_CORE's soft limit to the hard limit. */
export function unlimitCore(): number;
/** Gives memory that malloc keeps for later back to the system (malloc_trim): what is not mapped need not be copied by fork. */
export function trimHeap(): void;
/** Monotonic clock, nanoseconds, as Number. */
export function monotonicNs(): number;
/** Wall clock, microseconds since the Unix epoch, as Number (exact until 2255). */
export function realtimeUs(): number;
/** getrandom(2) into `out`. */
export function randomFill(out: Uint8Array): number;

// ── waiting (epoll) ────────────────────────────────────────────────────────────────────────────────────────────────
/** Epoll set that already contains this process's wake-up eventfd. Belongs to this process: make it after fork. */
export function epollCreate(): Fd;
export const EPOLL: { readonly IN: 1; readonly OUT: 4; readonly ERR: 8; readonly HUP: 16; readonly RDHUP: 8192 };
/** `token` (uint32) comes back with the event. */
export function epollAdd(epoll: Fd, fd: Fd, events: number, token: number): number;
export function epollModify(epoll: Fd, fd: Fd, events: number, token: number): number;
export function epollDelete(epoll: Fd, fd: Fd): number;
/** Sleeps until an event, a wake-up or the timeout (ms, -1 for ever). Writes [token, events] pairs into `out`; wake-ups
 *  are drained and not reported. Returns the number of pairs (0 for wake-up or timeout), -EINTR for a signal. */
export function epollWait(epoll: Fd, timeoutMs: number, out: Int32Array): number;
/** Wakes this process's own wait (writes the eventfd). */
export function wakeSelf(): void;

// ── descriptors ────────────────────────────────────────────────────────────────────────────────────────────────────
export function closeFd(fd: Fd): number;
/** Closes every descriptor ≥ `from` that is not in `keep`, the wake-up, or one that Node itself held when the addon was
 *  loaded (libuv writes to those numbers for ever). */
export function closeFrom(from: Fd, keep: readonly Fd[]): number;
export function dup2(from: Fd, to: Fd): number;
/** [read end, write end], close-on-exec; non-blocking ends if asked. */
export function pipe(nonblocking: boolean): readonly [Fd, Fd] | number;
/** AF_UNIX stream or seqpacket pair. */
export function socketPair(type: 'stream' | 'seqpacket'): readonly [Fd, Fd] | number;
export function setNonblocking(fd: Fd, on: boolean): number;
export function setCloseOnExec(fd: Fd, on: boolean): number;
/** flock(2) LOCK_EX|LOCK_NB (or LOCK_SH): 0, or -EWOULDBLOCK. Held by the open file description, so by every child that
 *  inherited it. */
export function flock(fd: Fd, mode: 'exclusive' | 'shared' | 'unlock'): number;
/** Opens a directory or file read-only, close-on-exec (for flock on a directory, fsync of a directory). */
export function openReadOnly(path: string): Fd;

// ── sockets ────────────────────────────────────────────────────────────────────────────────────────────────────────
export interface ResolvedAddress {
  readonly family: 4 | 6;
  readonly address: string;
}
/** getaddrinfo for a stream socket; `host` null with passive gives the wildcard addresses. A negative number is a
 *  getaddrinfo error code; `gaiMessage` explains it. */
export function resolveHost(host: string | null, passive: boolean): readonly ResolvedAddress[] | number;
export function gaiMessage(code: number): string;
/** getnameinfo; null when the name cannot be found. */
export function reverseName(address: string): string | null;
/** Non-blocking, close-on-exec listening socket (SO_REUSEADDR, IPV6_V6ONLY). */
export function listenTcp(family: 4 | 6, address: string, port: number, backlog: number): Fd;
export function listenUnix(path: string, backlog: number): Fd;
/** accept4: non-blocking, close-on-exec descriptor; TCP sockets get TCP_NODELAY and SO_KEEPALIVE. -EAGAIN if none. */
export function accept(listen: Fd): Fd;
export interface PeerInfo {
  readonly family: 'unix' | 4 | 6;
  readonly address: string;
  readonly port: number;
}
export function peerName(fd: Fd): PeerInfo | number;
export function sockName(fd: Fd): PeerInfo | number;
/** SO_PEERCRED of a Unix-domain socket: [uid, gid, pid]. */
export function peerCredentials(fd: Fd): readonly [number, number, number] | number;
/** Name of a user id, or null (getpwuid_r). */
export function userName(uid: number): string | null;
export function effectiveUid(): number;
export type TcpOption = 'keepidle' | 'keepintvl' | 'keepcnt' | 'usertimeout';
/** Seconds for keepidle/keepintvl, count, milliseconds for usertimeout. */
export function setTcpOption(fd: Fd, option: TcpOption, value: number): number;
export function getTcpOption(fd: Fd, option: TcpOption): number;
/** Bytes read, 0 at end of stream, -EAGAIN. */
export function recv(fd: Fd, into: Uint8Array, offset: number, length: number): number;
/** MSG_NOSIGNAL. Bytes sent, -EAGAIN. */
export function send(fd: Fd, from: Uint8Array, offset: number, length: number): number;
/** poll(2) for POLLRDHUP|POLLIN|POLLHUP|POLLERR with no wait: 1 if the peer is gone, else 0. */
export function peerClosed(fd: Fd): number;
export function shutdown(fd: Fd, how: 'read' | 'write' | 'both'): number;
export function connectTcp(address: string, port: number): Fd;
export function connectUnix(path: string): Fd;
/** SCM_RIGHTS with up to 64 bytes of payload. */
export function sendFd(socket: Fd, fd: Fd, payload: Uint8Array): number;
/** Receives a descriptor and its payload: [fd, payload length]; fd -EAGAIN, -EPIPE at end of stream. */
export function recvFd(socket: Fd, payload: Uint8Array): readonly [Fd, number];
/** UDP socket on a loopback address, connected to itself, non-blocking; receive buffer of at least `bufferBytes`. */
export function udpLoopback(bufferBytes: number): Fd;
export function udpSend(fd: Fd, from: Uint8Array, offset: number, length: number): number;
export function udpRecv(fd: Fd, into: Uint8Array, offset: number, length: number): number;

// ── files ──────────────────────────────────────────────────────────────────────────────────────────────────────────
/** pread / pwrite between a file and the segment, without a copy through JavaScript. Bytes moved, or -errno. */
export function preadSegment(fd: Fd, segment: SegmentId, byteOffset: number, length: number, position: number): number;
export function pwriteSegment(fd: Fd, segment: SegmentId, byteOffset: number, length: number, position: number): number;
/** pwritev of several [byteOffset, length] ranges of the segment at `position`. */
export function pwritevSegment(
  fd: Fd,
  segment: SegmentId,
  ranges: readonly (readonly [number, number])[],
  position: number,
): number;
/** open(2) with O_CLOEXEC added: the descriptor, or `-errno`. Flags are the numbers of `fs.constants`. */
export function openFile(path: string, flags: number, mode: number): Fd;
/** lseek to the end: the file's size. */
export function fileLength(fd: Fd): number;
/** ftruncate. */
export function truncateFile(fd: Fd, length: number): number;
export function unlinkFile(path: string): number;
export function renameFile(from: string, to: string): number;
/** Plain write(2) of private bytes: one system call, so a chunk ≤ PIPE_BUF into a pipe is atomic. */
export function writeBytes(fd: Fd, from: Uint8Array, offset: number, length: number): number;
export function readBytes(fd: Fd, into: Uint8Array, offset: number, length: number): number;
export function fdatasync(fd: Fd): number;
export function fsync(fd: Fd): number;
/** sync_file_range(SYNC_FILE_RANGE_WRITE). */
export function syncFileRange(fd: Fd, offset: number, length: number): number;
export function posixFallocate(fd: Fd, offset: number, length: number): number;
export function posixFadviseWillNeed(fd: Fd, offset: number, length: number): number;
export function posixFadviseDontNeed(fd: Fd, offset: number, length: number): number;

// ── checksums ──────────────────────────────────────────────────────────────────────────────────────────────────────
/** CRC-32C of bytes, continuing from `seed` (start with 0). Pre- and post-inversion included: crc32c('123456789') is
 *  0xE3069283. */
export function crc32c(bytes: Uint8Array, offset: number, length: number, seed: number): number;
export function crc32cSegment(segment: SegmentId, byteOffset: number, length: number, seed: number): number;

// ── errors ─────────────────────────────────────────────────────────────────────────────────────────────────────────
/** strerror: `-errno` or errno → "No such file or directory". */
export function errorMessage(errno: number): string;
export const ERRNO: Readonly<
  Record<
    | 'EPERM'
    | 'ENOENT'
    | 'ESRCH'
    | 'EINTR'
    | 'EIO'
    | 'EAGAIN'
    | 'EWOULDBLOCK'
    | 'ENOMEM'
    | 'EACCES'
    | 'EEXIST'
    | 'ENOTDIR'
    | 'EINVAL'
    | 'EMFILE'
    | 'ENOSPC'
    | 'EPIPE'
    | 'EADDRINUSE'
    | 'ECONNRESET'
    | 'ETIMEDOUT'
    | 'ECHILD'
    | 'ECONNREFUSED',
    number
  >
>;
