/** memory-usage.ts — what pg_log_backend_memory_contexts writes: this process's heap as V8 sees it. */
import { myProcess } from '#runtime/my-process.ts';

export function memoryUsageText(): string {
  const { heapTotal, heapUsed, external, arrayBuffers } = process.memoryUsage();
  return `logging memory contexts of PID ${myProcess.pid}: V8 heap ${heapTotal} total, ${heapUsed} used; ${external} external, of which ${arrayBuffers} in array buffers`;
}
