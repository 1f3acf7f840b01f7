// mapping.cc — shared segments: anonymous memory files, mapped and shown to JavaScript as a SharedArrayBuffer.
//
// A segment's number indexes a process-wide table, so that a number made by one thread is good in all of them. V8's
// backing store is kept in the table: every SharedArrayBuffer of the segment, in any thread, is made over that one store.
// `unmapShared` cannot take the address range away while buffers may still point to it; it puts private zero pages in
// its place, and the store's deleter gives the range back when V8 has collected the last buffer.
//
// A segment may have a private tail behind the file: anonymous copy-on-write memory in the same buffer, so that one
// offset addresses both what all processes share and what only this one sees.
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <mutex>

#include "state.h"

namespace native_shm {

using v8::BackingStore;
using v8::Isolate;
using v8::Local;
using v8::SharedArrayBuffer;

namespace {

constexpr int kMaxSegments = 4096;

struct Segment {
  /** Written last when a segment appears and first when it goes; readers take no lock. */
  std::atomic<uint8_t*> base;
  /** Of the buffer: the shared part and the private tail. */
  size_t size;
  /** Of the file. */
  size_t shared;
  /** `shared`, rounded up to the page size of the file; where the tail begins. */
  size_t mapped;
  /** Length of the private tail, 0 for none. */
  size_t tail;
  std::shared_ptr<BackingStore>* store;
};

Segment segments[kMaxSegments];
std::mutex segments_mutex;

size_t RoundUp(size_t size, size_t page) { return (size + page - 1) / page * page; }

/** Page size of the file behind a descriptor: that of hugetlbfs, or the ordinary one. */
size_t PageSizeOf(int fd) {
  struct statfs fs;
  if (fstatfs(fd, &fs) == 0 && fs.f_type == HUGETLBFS_MAGIC) return static_cast<size_t>(fs.f_bsize);
  return static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

/** A mapping beyond the end of its file kills the process at the first touch; refuse it here. */
bool Covers(int fd, size_t size) {
  struct stat status;
  if (fstat(fd, &status) < 0) return false;
  if (S_ISREG(status.st_mode) && static_cast<uint64_t>(status.st_size) < size) {
    errno = EINVAL;
    return false;
  }
  return true;
}

void ReleaseRange(void* data, size_t length, void* mapped) {
  (void)length;
  munmap(data, reinterpret_cast<size_t>(mapped));
}

void CreateSegment(const Info& info) {
  Arguments arguments(info);
  std::string name = arguments.Text(0);
  size_t size = arguments.Size(1);
  bool huge = arguments.Bool(2);
  if (!arguments.ok()) return;
  int fd = memfd_create(name.c_str(), MFD_CLOEXEC | (huge ? MFD_HUGETLB : 0));
  if (fd < 0) return ReturnResult(info, fd);
  if (ftruncate(fd, static_cast<off_t>(huge ? RoundUp(size, PageSizeOf(fd)) : size)) < 0) {
    int error = errno;
    close(fd);
    return Return(info, -error);
  }
  Return(info, fd);
}

/** Puts fresh zeroed pages, nobody else's, at an address. They need no room before they are touched. */
void* MapAnonymous(void* at, size_t length, int flags) {
  return mmap(at, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
}

Local<v8::Object> Mapped(Isolate* isolate, int segment, Local<v8::Value> buffer) {
  Local<v8::Context> context = isolate->GetCurrentContext();
  Local<v8::Object> result = v8::Object::New(isolate);
  result->Set(context, TextValue(isolate, "segment"), v8::Integer::New(isolate, segment)).Check();
  result->Set(context, TextValue(isolate, "buffer"), buffer).Check();
  double tail = segment < 0 ? 0 : static_cast<double>(segments[segment].mapped);
  result->Set(context, TextValue(isolate, "privateStart"), v8::Number::New(isolate, tail)).Check();
  return result;
}

/** The file, and behind it a private tail in one stretch of addresses. */
void* MapFileAndTail(int fd, size_t mapped, size_t tail) {
  if (tail == 0) return mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  // Huge pages want an address that is a multiple of theirs: reserve that much more and give back what is left over.
  size_t page = PageSizeOf(fd);
  size_t wanted = mapped + tail;
  void* reserved = MapAnonymous(nullptr, wanted + page, 0);
  if (reserved == MAP_FAILED) return MAP_FAILED;
  uint8_t* start = static_cast<uint8_t*>(reserved);
  uint8_t* base = reinterpret_cast<uint8_t*>(RoundUp(reinterpret_cast<size_t>(start), page));
  if (base > start) munmap(start, static_cast<size_t>(base - start));
  size_t behind = page - static_cast<size_t>(base - start);
  if (behind > 0) munmap(base + wanted, behind);
  if (mmap(base, mapped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED) return base;
  int error = errno;
  munmap(base, wanted);
  errno = error;
  return MAP_FAILED;
}

/** Maps the descriptor and enters it into the table. The segment's number or -errno. */
int Map(int fd, size_t size, size_t tail) {
  size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  if (size == 0 || tail % page != 0) return -EINVAL;
  if (!Covers(fd, size)) return -errno;
  std::lock_guard<std::mutex> guard(segments_mutex);
  int number = 0;
  while (number < kMaxSegments && segments[number].base.load() != nullptr) number++;
  if (number == kMaxSegments) return -ENOMEM;
  size_t mapped = RoundUp(size, PageSizeOf(fd));
  void* base = MapFileAndTail(fd, mapped, tail);
  if (base == MAP_FAILED) return -errno;
  Segment& segment = segments[number];
  segment.size = tail == 0 ? size : mapped + tail;
  segment.shared = size;
  segment.mapped = mapped;
  segment.tail = tail;
  segment.store = new std::shared_ptr<BackingStore>(SharedArrayBuffer::NewBackingStore(
      base, segment.size, ReleaseRange, reinterpret_cast<void*>(mapped + tail)));
  segment.base.store(static_cast<uint8_t*>(base));
  return number;
}

void MapShared(const Info& info) {
  Arguments arguments(info);
  int fd = arguments.Int(0);
  size_t size = arguments.Size(1);
  size_t tail = arguments.IsNull(2) ? 0 : arguments.Size(2);
  if (!arguments.ok()) return;
  Isolate* isolate = info.GetIsolate();
  int number = Map(fd, size, tail);
  Local<v8::Value> buffer = v8::Undefined(isolate);
  if (number >= 0) buffer = SharedArrayBuffer::New(isolate, *segments[number].store);
  info.GetReturnValue().Set(Mapped(isolate, number, buffer));
}

void RemapShared(const Info& info) {
  Arguments arguments(info);
  uint8_t* base = arguments.SegmentAt(arguments.Int(0), 0, 0, 1);
  int fd = arguments.Int(1);
  if (!arguments.ok()) return;
  const Segment& segment = segments[arguments.Int(0)];
  if (!Covers(fd, segment.shared)) return Return(info, -errno);
  if (RoundUp(segment.shared, PageSizeOf(fd)) != segment.mapped) return Return(info, -EINVAL);
  void* again = mmap(base, segment.mapped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
  ReturnResult(info, again == MAP_FAILED ? -1 : 0);
}

/** (segment, offset, length): whole pages of the private tail become fresh zeroed ones. */
void MapPrivate(const Info& info) {
  Arguments arguments(info);
  int number = arguments.Int(0);
  size_t offset = arguments.Size(1);
  size_t length = arguments.Size(2);
  uint8_t* at = arguments.SegmentAt(number, offset, length, 1);
  if (!arguments.ok()) return;
  const Segment& segment = segments[number];
  size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  if (segment.tail == 0 || offset < segment.mapped || length == 0 || offset % page != 0 || length % page != 0) {
    return Return(info, -EINVAL);
  }
  ReturnResult(info, MapAnonymous(at, length, MAP_FIXED) == MAP_FAILED ? -1 : 0);
}

void SegmentBuffer(const Info& info) {
  Arguments arguments(info);
  int number = arguments.Int(0);
  arguments.SegmentAt(number, 0, 0, 1);
  if (!arguments.ok()) return;
  std::shared_ptr<BackingStore> store;
  {
    std::lock_guard<std::mutex> guard(segments_mutex);
    if (segments[number].store != nullptr) store = *segments[number].store;
  }
  if (store == nullptr) return arguments.RangeError("no such segment");
  info.GetReturnValue().Set(SharedArrayBuffer::New(info.GetIsolate(), store));
}

void UnmapShared(const Info& info) {
  Arguments arguments(info);
  int number = arguments.Int(0);
  arguments.SegmentAt(number, 0, 0, 1);
  if (!arguments.ok()) return;
  std::shared_ptr<BackingStore>* store = nullptr;
  {
    std::lock_guard<std::mutex> guard(segments_mutex);
    Segment& segment = segments[number];
    uint8_t* base = segment.base.load();
    if (base == nullptr) return Return(info, -EINVAL);
    void* blank = MapAnonymous(base, segment.mapped + segment.tail, MAP_FIXED);
    if (blank == MAP_FAILED) return Return(info, -errno);
    segment.base.store(nullptr);
    store = segment.store;
    segment.store = nullptr;
  }
  delete store;
  Return(info, 0);
}

void PunchHole(const Info& info) {
  Arguments arguments(info);
  int fd = arguments.Int(0);
  size_t offset = arguments.Size(1);
  size_t length = arguments.Size(2);
  if (!arguments.ok()) return;
  ReturnResult(info, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                               static_cast<off_t>(length)));
}

}  // namespace

uint8_t* SegmentBase(int segment, size_t* size) {
  if (segment < 0 || segment >= kMaxSegments) return nullptr;
  uint8_t* base = segments[segment].base.load(std::memory_order_acquire);
  *size = segments[segment].size;
  return base;
}

void AddMapping(Exports exports) {
  Method(exports, "createSegment", CreateSegment);
  Method(exports, "mapShared", MapShared);
  Method(exports, "remapShared", RemapShared);
  Method(exports, "mapPrivate", MapPrivate);
  Method(exports, "segmentBuffer", SegmentBuffer);
  Method(exports, "unmapShared", UnmapShared);
  Method(exports, "punchHole", PunchHole);
}

}  // namespace native_shm
