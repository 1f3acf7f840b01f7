// state.h — what the files of the addon know of each other: the process-wide state that one owns and others ask for,
// and the function by which each adds its calls to the exports.
//
// All of it is static memory: threads of a process share it, a forked child starts with a copy and `AfterFork…` cleans it.
#ifndef NATIVE_SHM_STATE_H_
#define NATIVE_SHM_STATE_H_

#include <cstddef>
#include <cstdint>

#include "arguments.h"

namespace native_shm {

// mapping.cc
/** Address and size of a mapped segment, or nullptr. */
uint8_t* SegmentBase(int segment, size_t* size);

// runtime-descriptors.cc
/** Notes which descriptors Node holds; before the addon makes any. */
void RememberRuntimeDescriptors();
/** Adds those of them that are still open. */
void KeepRuntimeDescriptors(std::vector<int>* keep);
void AfterForkRuntimeDescriptors();

// wait.cc
/** First loading in this process: notes Node's descriptors and makes the wake-up eventfd. */
void PrepareProcess();
int WakeupFd();
/** Wakes this process's wait. Async-signal-safe. */
void Wakeup();
/** The child's wake-up must not be the parent's. */
void AfterForkWakeup();

// signals.cc
/** Forgets deliveries, the latch and the armed message; called in the child with all signals blocked. */
void AfterForkSignals();

void AddMapping(Exports exports);
void AddFutex(Exports exports);
void AddSignals(Exports exports);
void AddProcess(Exports exports);
void AddSpawn(Exports exports);
void AddTitle(Exports exports);
void AddWait(Exports exports);
void AddDescriptors(Exports exports);
void AddSocket(Exports exports);
void AddAddress(Exports exports);
void AddFileIo(Exports exports);
void AddCrc32c(Exports exports);
void AddErrors(Exports exports);

}  // namespace native_shm

#endif  // NATIVE_SHM_STATE_H_
