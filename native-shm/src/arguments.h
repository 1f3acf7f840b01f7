// arguments.h — how every function of the addon reads its arguments and answers.
//
// Calls are made per request, so reading is a chain of tag tests on V8 values and never a conversion that could run
// JavaScript. A failed reading throws once and leaves `ok()` false; later readings then return harmless values, so a
// function reads all its arguments first and asks once.
#ifndef NATIVE_SHM_ARGUMENTS_H_
#define NATIVE_SHM_ARGUMENTS_H_

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <node.h>

namespace native_shm {

using Info = v8::FunctionCallbackInfo<v8::Value>;
using Exports = v8::Local<v8::Object>;

/** Adds a function to the exports. */
void Method(Exports exports, const char* name, v8::FunctionCallback function);

struct Bytes {
  uint8_t* data;
  size_t length;
};

/** Memory behind a typed array, without a copy. Valid for the duration of the call: nothing in here runs JavaScript. */
Bytes BytesOf(v8::Local<v8::ArrayBufferView> view);

class Arguments {
 public:
  explicit Arguments(const Info& info) : info_(info) {}

  bool ok() const { return ok_; }

  /** An integer of the int32 range (descriptors, pids, signals, flags). */
  int Int(int index) {
    v8::Local<v8::Value> value = info_[index];
    if (value->IsInt32()) return value.As<v8::Int32>()->Value();
    return static_cast<int>(Integer(index, -2147483648.0, 2147483647.0));
  }

  /** A 32-bit word, written as a signed or as an unsigned number. */
  uint32_t Word(int index) {
    v8::Local<v8::Value> value = info_[index];
    if (value->IsInt32()) return static_cast<uint32_t>(value.As<v8::Int32>()->Value());
    if (value->IsUint32()) return value.As<v8::Uint32>()->Value();
    return static_cast<uint32_t>(static_cast<int64_t>(Integer(index, -2147483648.0, 4294967295.0)));
  }

  /** A non-negative integer up to 2^53 (sizes and byte offsets). */
  size_t Size(int index) {
    v8::Local<v8::Value> value = info_[index];
    if (value->IsUint32()) return value.As<v8::Uint32>()->Value();
    return static_cast<size_t>(Integer(index, 0, 9007199254740991.0));
  }

  double Number(int index);
  /** A boolean; undefined counts as false. */
  bool Bool(int index);
  /** A string without NUL, as UTF-8. */
  std::string Text(int index);
  std::vector<std::string> Texts(int index);
  std::vector<int> Ints(int index);
  bool IsNull(int index) const { return info_[index]->IsNullOrUndefined(); }

  /** The bytes of a Uint8Array (or any other view). */
  Bytes View(int index);
  /** Three arguments (bytes, offset, length): the part of the view they name. RangeError outside of it. */
  Bytes Part(int index);
  /** An Int32Array's elements, at least `minimum` of them. */
  int32_t* Words(int index, size_t minimum, size_t* length);

  /** Two arguments (segment, byteOffset): `length` bytes there. RangeError outside of the segment. */
  uint8_t* SegmentPart(int index, size_t length, size_t alignment = 1);
  uint8_t* SegmentAt(int segment, size_t offset, size_t length, size_t alignment);

  void TypeError(int index, const char* expectation);
  void RangeError(const char* message);

 private:
  double Integer(int index, double lowest, double highest);

  const Info& info_;
  bool ok_ = true;
};

inline void Return(const Info& info, int value) { info.GetReturnValue().Set(value); }
inline void ReturnNumber(const Info& info, double value) { info.GetReturnValue().Set(value); }

/** Answer of a system call: what it returned, or -errno. */
inline void ReturnResult(const Info& info, int64_t result) {
  if (result < 0) {
    Return(info, -errno);
  } else if (result <= 2147483647) {
    Return(info, static_cast<int>(result));
  } else {
    ReturnNumber(info, static_cast<double>(result));
  }
}

/** [first, second] */
void ReturnPair(const Info& info, int first, int second);
v8::Local<v8::String> TextValue(v8::Isolate* isolate, const char* text);

}  // namespace native_shm

#endif  // NATIVE_SHM_ARGUMENTS_H_
