// addon.cc — registration. Loadable in the main thread and in worker_threads: every context gets its own functions over
// the same process-wide state.
#include "state.h"

// Node's macro casts the function below to a type with one parameter more.
#pragma GCC diagnostic ignored "-Wcast-function-type"

NODE_MODULE_INIT() {
  (void)module;
  (void)context;
  native_shm::PrepareProcess();
  native_shm::AddMapping(exports);
  native_shm::AddFutex(exports);
  native_shm::AddSignals(exports);
  native_shm::AddProcess(exports);
  native_shm::AddSpawn(exports);
  native_shm::AddTitle(exports);
  native_shm::AddWait(exports);
  native_shm::AddDescriptors(exports);
  native_shm::AddSocket(exports);
  native_shm::AddAddress(exports);
  native_shm::AddFileIo(exports);
  native_shm::AddCrc32c(exports);
  native_shm::AddErrors(exports);
}
