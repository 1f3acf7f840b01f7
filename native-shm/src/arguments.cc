// arguments.cc — the slower half of argument reading: conversions, lists and errors.
#include "arguments.h"

#include <cmath>

#include "state.h"

namespace native_shm {

using v8::Array;
using v8::ArrayBufferView;
using v8::Context;
using v8::Function;
using v8::Isolate;
using v8::Local;
using v8::String;
using v8::Value;

void Method(Exports exports, const char* name, v8::FunctionCallback function) {
  Isolate* isolate = Isolate::GetCurrent();
  Local<Context> context = isolate->GetCurrentContext();
  Local<Function> value = Function::New(context, function, Local<Value>(), 0, v8::ConstructorBehavior::kThrow).ToLocalChecked();
  Local<String> key = TextValue(isolate, name);
  value->SetName(key);
  exports->Set(context, key, value).Check();
}

Local<String> TextValue(Isolate* isolate, const char* text) {
  return String::NewFromUtf8(isolate, text).ToLocalChecked();
}

Bytes BytesOf(Local<ArrayBufferView> view) {
  // Buffer() of a view over a SharedArrayBuffer is the shared buffer under the unshared type; Data() is right for both.
  uint8_t* base = static_cast<uint8_t*>(view->Buffer()->Data());
  return {base + view->ByteOffset(), view->ByteLength()};
}

void Arguments::TypeError(int index, const char* expectation) {
  if (!ok_) return;
  ok_ = false;
  Isolate* isolate = info_.GetIsolate();
  std::string message = "argument " + std::to_string(index + 1) + " must be " + expectation;
  isolate->ThrowException(v8::Exception::TypeError(TextValue(isolate, message.c_str())));
}

void Arguments::RangeError(const char* message) {
  if (!ok_) return;
  ok_ = false;
  Isolate* isolate = info_.GetIsolate();
  isolate->ThrowException(v8::Exception::RangeError(TextValue(isolate, message)));
}

double Arguments::Integer(int index, double lowest, double highest) {
  Local<Value> value = info_[index];
  if (value->IsNumber()) {
    double number = value.As<v8::Number>()->Value();
    if (number >= lowest && number <= highest && std::trunc(number) == number) return number;
  }
  TypeError(index, lowest < 0 ? "a 32-bit integer" : "a non-negative integer");
  return 0;
}

double Arguments::Number(int index) {
  Local<Value> value = info_[index];
  if (value->IsNumber()) {
    double number = value.As<v8::Number>()->Value();
    if (!std::isnan(number)) return number;
  }
  TypeError(index, "a number");
  return 0;
}

bool Arguments::Bool(int index) {
  Local<Value> value = info_[index];
  if (value->IsTrue()) return true;
  if (!value->IsFalse() && !value->IsUndefined()) TypeError(index, "a boolean");
  return false;
}

static bool ReadText(Isolate* isolate, Local<Value> value, std::string* text) {
  if (!value->IsString()) return false;
  String::Utf8Value utf8(isolate, value);
  if (*utf8 == nullptr) return false;
  text->assign(*utf8, static_cast<size_t>(utf8.length()));
  return text->find('\0') == std::string::npos;
}

std::string Arguments::Text(int index) {
  std::string text;
  if (!ReadText(info_.GetIsolate(), info_[index], &text)) TypeError(index, "a string without NUL");
  return text;
}

std::vector<std::string> Arguments::Texts(int index) {
  std::vector<std::string> texts;
  if (!info_[index]->IsArray()) {
    TypeError(index, "an array of strings");
    return texts;
  }
  Isolate* isolate = info_.GetIsolate();
  Local<Context> context = isolate->GetCurrentContext();
  Local<Array> array = info_[index].As<Array>();
  texts.resize(array->Length());
  for (uint32_t i = 0; i < array->Length(); i++) {
    Local<Value> element;
    if (!array->Get(context, i).ToLocal(&element) || !ReadText(isolate, element, &texts[i])) {
      TypeError(index, "an array of strings without NUL");
      return texts;
    }
  }
  return texts;
}

std::vector<int> Arguments::Ints(int index) {
  std::vector<int> numbers;
  if (!info_[index]->IsArray()) {
    TypeError(index, "an array of integers");
    return numbers;
  }
  Local<Context> context = info_.GetIsolate()->GetCurrentContext();
  Local<Array> array = info_[index].As<Array>();
  numbers.reserve(array->Length());
  for (uint32_t i = 0; i < array->Length(); i++) {
    Local<Value> element;
    if (!array->Get(context, i).ToLocal(&element) || !element->IsInt32()) {
      TypeError(index, "an array of integers");
      return numbers;
    }
    numbers.push_back(element.As<v8::Int32>()->Value());
  }
  return numbers;
}

Bytes Arguments::View(int index) {
  Local<Value> value = info_[index];
  if (!value->IsArrayBufferView()) {
    TypeError(index, "a Uint8Array");
    return {nullptr, 0};
  }
  return BytesOf(value.As<ArrayBufferView>());
}

Bytes Arguments::Part(int index) {
  Bytes view = View(index);
  size_t offset = Size(index + 1);
  size_t length = Size(index + 2);
  if (!ok_) return {nullptr, 0};
  if (offset > view.length || length > view.length - offset) {
    RangeError("offset and length reach outside of the bytes");
    return {nullptr, 0};
  }
  return {view.data + offset, length};
}

int32_t* Arguments::Words(int index, size_t minimum, size_t* length) {
  Local<Value> value = info_[index];
  if (!value->IsInt32Array()) {
    TypeError(index, "an Int32Array");
    return nullptr;
  }
  Bytes bytes = BytesOf(value.As<ArrayBufferView>());
  *length = bytes.length / sizeof(int32_t);
  if (*length < minimum) {
    RangeError("the Int32Array is too short");
    return nullptr;
  }
  return reinterpret_cast<int32_t*>(bytes.data);
}

uint8_t* Arguments::SegmentPart(int index, size_t length, size_t alignment) {
  int segment = Int(index);
  size_t offset = Size(index + 1);
  return SegmentAt(segment, offset, length, alignment);
}

uint8_t* Arguments::SegmentAt(int segment, size_t offset, size_t length, size_t alignment) {
  if (!ok_) return nullptr;
  size_t size = 0;
  uint8_t* base = SegmentBase(segment, &size);
  if (base == nullptr) {
    RangeError("no such segment");
    return nullptr;
  }
  if (offset > size || length > size - offset) {
    RangeError("offset and length reach outside of the segment");
    return nullptr;
  }
  if (offset % alignment != 0) {
    RangeError("the byte offset is not aligned");
    return nullptr;
  }
  return base + offset;
}

void ReturnPair(const Info& info, int first, int second) {
  Isolate* isolate = info.GetIsolate();
  Local<Value> pair[] = {v8::Integer::New(isolate, first), v8::Integer::New(isolate, second)};
  info.GetReturnValue().Set(Array::New(isolate, pair, 2));
}

}  // namespace native_shm
