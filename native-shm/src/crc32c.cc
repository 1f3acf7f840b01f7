// crc32c.cc — CRC-32C (Castagnoli polynomial, reflected 0x82F63B78), by the processor's own instruction where it has one
// and by tables of eight slices where not.
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "state.h"

namespace native_shm {

namespace {

constexpr uint32_t kPolynomial = 0x82F63B78u;

using Update = uint32_t (*)(uint32_t, const uint8_t*, size_t);

struct Tables {
  uint32_t slice[8][256];
};

/** slice[0] advances the CRC by one byte; slice[k] by that byte followed by k zero bytes. */
constexpr Tables MakeTables() {
  Tables tables{};
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) crc = (crc & 1) != 0 ? crc >> 1 ^ kPolynomial : crc >> 1;
    tables.slice[0][byte] = crc;
  }
  for (int k = 1; k < 8; k++) {
    for (uint32_t byte = 0; byte < 256; byte++) {
      uint32_t before = tables.slice[k - 1][byte];
      tables.slice[k][byte] = before >> 8 ^ tables.slice[0][before & 0xff];
    }
  }
  return tables;
}

constexpr Tables kTables = MakeTables();

uint32_t UpdateByTable(uint32_t crc, const uint8_t* bytes, size_t length) {
  const auto& t = kTables.slice;
  for (; length >= 8; bytes += 8, length -= 8) {
    uint64_t chunk;
    memcpy(&chunk, bytes, 8);
    chunk ^= crc;
    crc = t[7][chunk & 0xff] ^ t[6][chunk >> 8 & 0xff] ^ t[5][chunk >> 16 & 0xff] ^ t[4][chunk >> 24 & 0xff] ^
          t[3][chunk >> 32 & 0xff] ^ t[2][chunk >> 40 & 0xff] ^ t[1][chunk >> 48 & 0xff] ^ t[0][chunk >> 56];
  }
  for (; length > 0; bytes++, length--) crc = crc >> 8 ^ t[0][(crc ^ *bytes) & 0xff];
  return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) uint32_t UpdateByInstruction(uint32_t crc, const uint8_t* bytes, size_t length) {
  uint64_t wide = crc;
  for (; length >= 8; bytes += 8, length -= 8) {
    uint64_t chunk;
    memcpy(&chunk, bytes, 8);
    wide = _mm_crc32_u64(wide, chunk);
  }
  crc = static_cast<uint32_t>(wide);
  for (; length > 0; bytes++, length--) crc = _mm_crc32_u8(crc, *bytes);
  return crc;
}

bool HasInstruction() { return __builtin_cpu_supports("sse4.2"); }
#elif defined(__aarch64__)
// As assembler text, because compilers disagree on how one function may use an extension that the file may not.
uint32_t UpdateByInstruction(uint32_t crc, const uint8_t* bytes, size_t length) {
  for (; length >= 8; bytes += 8, length -= 8) {
    uint64_t chunk;
    memcpy(&chunk, bytes, 8);
    __asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(crc) : "r"(chunk));
  }
  for (; length > 0; bytes++, length--) {
    __asm__(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1" : "+r"(crc) : "r"(static_cast<uint32_t>(*bytes)));
  }
  return crc;
}

bool HasInstruction() { return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0; }
#else
constexpr Update UpdateByInstruction = UpdateByTable;
bool HasInstruction() { return false; }
#endif

const Update update = HasInstruction() ? UpdateByInstruction : UpdateByTable;

void Crc32c(const Info& info) {
  Arguments arguments(info);
  Bytes bytes = arguments.Part(0);
  uint32_t seed = arguments.Word(3);
  if (!arguments.ok()) return;
  info.GetReturnValue().Set(~update(~seed, bytes.data, bytes.length));
}

void Crc32cSegment(const Info& info) {
  Arguments arguments(info);
  size_t length = arguments.Size(2);
  const uint8_t* bytes = arguments.SegmentPart(0, length);
  uint32_t seed = arguments.Word(3);
  if (!arguments.ok()) return;
  info.GetReturnValue().Set(~update(~seed, bytes, length));
}

/** The table's answer, whatever the processor can: for the test that compares both. */
void Crc32cByTable(const Info& info) {
  Arguments arguments(info);
  Bytes bytes = arguments.Part(0);
  uint32_t seed = arguments.Word(3);
  if (!arguments.ok()) return;
  info.GetReturnValue().Set(~UpdateByTable(~seed, bytes.data, bytes.length));
}

}  // namespace

void AddCrc32c(Exports exports) {
  Method(exports, "crc32c", Crc32c);
  Method(exports, "crc32cSegment", Crc32cSegment);
  Method(exports, "crc32cByTable", Crc32cByTable);
}

}  // namespace native_shm
