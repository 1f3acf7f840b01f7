// file-io.cc — moving bytes between files and the segment without a copy through JavaScript, and telling the kernel
// when they must reach the disk.
#include <climits>

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "state.h"

namespace native_shm {

namespace {

/** (fd, segment, byteOffset, length, position) */
void Transfer(const Info& info, bool writing) {
  Arguments arguments(info);
  int fd = arguments.Int(0);
  size_t length = arguments.Size(3);
  uint8_t* memory = arguments.SegmentPart(1, length);
  off_t position = static_cast<off_t>(arguments.Size(4));
  if (!arguments.ok()) return;
  ReturnResult(info, writing ? pwrite(fd, memory, length, position) : pread(fd, memory, length, position));
}

void PreadSegment(const Info& info) { Transfer(info, false); }
void PwriteSegment(const Info& info) { Transfer(info, true); }

void PwritevSegment(const Info& info) {
  Arguments arguments(info);
  int fd = arguments.Int(0);
  int segment = arguments.Int(1);
  off_t position = static_cast<off_t>(arguments.Size(3));
  if (!info[2]->IsArray()) arguments.TypeError(2, "an array of [byteOffset, length]");
  if (!arguments.ok()) return;
  v8::Local<v8::Context> context = info.GetIsolate()->GetCurrentContext();
  v8::Local<v8::Array> list = info[2].As<v8::Array>();
  if (list->Length() > IOV_MAX) return arguments.RangeError("too many ranges");
  std::vector<iovec> parts(list->Length());
  for (uint32_t i = 0; i < list->Length(); i++) {
    v8::Local<v8::Value> pair;
    v8::Local<v8::Value> offset;
    v8::Local<v8::Value> length;
    if (!list->Get(context, i).ToLocal(&pair)) return;
    if (!pair->IsArray() || !pair.As<v8::Array>()->Get(context, 0).ToLocal(&offset) ||
        !pair.As<v8::Array>()->Get(context, 1).ToLocal(&length) || !offset->IsNumber() || !length->IsNumber()) {
      return arguments.TypeError(2, "an array of [byteOffset, length]");
    }
    double at = offset.As<v8::Number>()->Value();
    double size = length.As<v8::Number>()->Value();
    if (!(at >= 0 && at <= 9007199254740991.0 && size >= 0 && size <= 9007199254740991.0)) {
      return arguments.RangeError("offset and length reach outside of the segment");
    }
    parts[i].iov_base = arguments.SegmentAt(segment, static_cast<size_t>(at), static_cast<size_t>(size), 1);
    parts[i].iov_len = static_cast<size_t>(size);
    if (!arguments.ok()) return;
  }
  ReturnResult(info, pwritev(fd, parts.data(), static_cast<int>(parts.size()), position));
}

/** (path, flags, mode) */
void OpenFile(const Info& info) {
  Arguments arguments(info);
  std::string path = arguments.Text(0);
  int flags = arguments.Int(1);
  int mode = arguments.Int(2);
  if (!arguments.ok()) return;
  ReturnResult(info, open(path.c_str(), flags | O_CLOEXEC, static_cast<mode_t>(mode)));
}

void FileLength(const Info& info) {
  Arguments arguments(info);
  int fd = arguments.Int(0);
  if (!arguments.ok()) return;
  ReturnResult(info, lseek(fd, 0, SEEK_END));
}

void TruncateFile(const Info& info) {
  Arguments arguments(info);
  int fd = arguments.Int(0);
  off_t length = static_cast<off_t>(arguments.Size(1));
  if (!arguments.ok()) return;
  ReturnResult(info, ftruncate(fd, length));
}

void UnlinkFile(const Info& info) {
  Arguments arguments(info);
  std::string path = arguments.Text(0);
  if (!arguments.ok()) return;
  ReturnResult(info, unlink(path.c_str()));
}

void RenameFile(const Info& info) {
  Arguments arguments(info);
  std::string from = arguments.Text(0);
  std::string to = arguments.Text(1);
  if (!arguments.ok()) return;
  ReturnResult(info, rename(from.c_str(), to.c_str()));
}

void WriteBytes(const Info& info) {
  Arguments arguments(info);
  int fd = arguments.Int(0);
  Bytes from = arguments.Part(1);
  if (!arguments.ok()) return;
  ReturnResult(info, write(fd, from.data, from.length));
}

void ReadBytes(const Info& info) {
  Arguments arguments(info);
  int fd = arguments.Int(0);
  Bytes into = arguments.Part(1);
  if (!arguments.ok()) return;
  ReturnResult(info, read(fd, into.data, into.length));
}

void Fdatasync(const Info& info) {
  Arguments arguments(info);
  int fd = arguments.Int(0);
  if (!arguments.ok()) return;
  ReturnResult(info, fdatasync(fd));
}

void Fsync(const Info& info) {
  Arguments arguments(info);
  int fd = arguments.Int(0);
  if (!arguments.ok()) return;
  ReturnResult(info, fsync(fd));
}

struct FileRange {
  int fd;
  off_t offset;
  off_t length;
};

/** (fd, offset, length) */
FileRange ReadRange(Arguments& arguments) {
  int fd = arguments.Int(0);
  off_t offset = static_cast<off_t>(arguments.Size(1));
  off_t length = static_cast<off_t>(arguments.Size(2));
  return {fd, offset, length};
}

void SyncFileRange(const Info& info) {
  Arguments arguments(info);
  FileRange range = ReadRange(arguments);
  if (!arguments.ok()) return;
  ReturnResult(info, sync_file_range(range.fd, range.offset, range.length, SYNC_FILE_RANGE_WRITE));
}

void PosixFallocate(const Info& info) {
  Arguments arguments(info);
  FileRange range = ReadRange(arguments);
  if (!arguments.ok()) return;
  Return(info, -posix_fallocate(range.fd, range.offset, range.length));
}

void PosixFadviseWillNeed(const Info& info) {
  Arguments arguments(info);
  FileRange range = ReadRange(arguments);
  if (!arguments.ok()) return;
  Return(info, -posix_fadvise(range.fd, range.offset, range.length, POSIX_FADV_WILLNEED));
}

void PosixFadviseDontNeed(const Info& info) {
  Arguments arguments(info);
  FileRange range = ReadRange(arguments);
  if (!arguments.ok()) return;
  Return(info, -posix_fadvise(range.fd, range.offset, range.length, POSIX_FADV_DONTNEED));
}

}  // namespace

void AddFileIo(Exports exports) {
  Method(exports, "preadSegment", PreadSegment);
  Method(exports, "pwriteSegment", PwriteSegment);
  Method(exports, "pwritevSegment", PwritevSegment);
  Method(exports, "openFile", OpenFile);
  Method(exports, "fileLength", FileLength);
  Method(exports, "truncateFile", TruncateFile);
  Method(exports, "unlinkFile", UnlinkFile);
  Method(exports, "renameFile", RenameFile);
  Method(exports, "writeBytes", WriteBytes);
  Method(exports, "readBytes", ReadBytes);
  Method(exports, "fdatasync", Fdatasync);
  Method(exports, "fsync", Fsync);
  Method(exports, "syncFileRange", SyncFileRange);
  Method(exports, "posixFallocate", PosixFallocate);
  Method(exports, "posixFadviseWillNeed", PosixFadviseWillNeed);
  Method(exports, "posixFadviseDontNeed", PosixFadviseDontNeed);
}

}  // namespace native_shm
