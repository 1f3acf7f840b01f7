/** rusage.ts — what a command took, for VERBOSE. Counterpart: src/backend/utils/misc/pg_rusage.c */
import { monotonicMs } from '#platform/clock.ts';

export interface Usage {
  readonly ms: number;
  readonly cpu: NodeJS.CpuUsage;
}
export const usageNow = (): Usage => ({ ms: monotonicMs(), cpu: process.cpuUsage() });
/** Hundredths are cut, not rounded. */
function seconds(ms: number): string {
  const whole = Math.floor(ms / 1000);
  return `${whole}.${String(Math.floor((ms - whole * 1000) / 10)).padStart(2, '0')} s`;
}
export function usageText(since: Usage): string {
  const cpu = process.cpuUsage(since.cpu);
  return `CPU: user: ${seconds(cpu.user / 1000)}, system: ${seconds(cpu.system / 1000)}, elapsed: ${seconds(monotonicMs() - since.ms)}`;
}
