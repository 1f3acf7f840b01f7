// futex.cc — sleeping on a word of a segment and waking its sleepers, across processes.
//
// The futexes are shared ones (keyed by the file page, not by the address space): a private futex of the same word would
// never meet the waker of another process.
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmath>
#include <ctime>

#include "state.h"

namespace native_shm {

namespace {

/** Longer waits are for ever: more would overflow what the kernel accepts. */
constexpr double kLongestMs = 1e12;

void FutexWait(const Info& info) {
  Arguments arguments(info);
  uint8_t* word = arguments.SegmentPart(0, sizeof(uint32_t), sizeof(uint32_t));
  uint32_t expected = arguments.Word(2);
  double milliseconds = arguments.Number(3);
  if (!arguments.ok()) return;
  timespec timeout;
  bool for_ever = milliseconds < 0 || milliseconds > kLongestMs;
  if (!for_ever) {
    double seconds = std::floor(milliseconds / 1000);
    timeout.tv_sec = static_cast<time_t>(seconds);
    timeout.tv_nsec = static_cast<long>((milliseconds - seconds * 1000) * 1e6);
  }
  ReturnResult(info, syscall(SYS_futex, word, FUTEX_WAIT, expected, for_ever ? nullptr : &timeout, nullptr, 0));
}

void FutexWake(const Info& info) {
  Arguments arguments(info);
  uint8_t* word = arguments.SegmentPart(0, sizeof(uint32_t), sizeof(uint32_t));
  int count = arguments.Int(2);
  if (!arguments.ok()) return;
  ReturnResult(info, syscall(SYS_futex, word, FUTEX_WAKE, count, nullptr, nullptr, 0));
}

}  // namespace

void AddFutex(Exports exports) {
  Method(exports, "futexWait", FutexWait);
  Method(exports, "futexWake", FutexWake);
}

}  // namespace native_shm
