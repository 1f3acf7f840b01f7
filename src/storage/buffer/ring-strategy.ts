/** ring-strategy.ts — small rings of buffers for bulk work. */
import type { Buffer } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
const later = (): never =>
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'the buffer manager is being built' });
export type StrategyKind = 'bulkread' | 'bulkwrite' | 'vacuum';
export interface AccessStrategy {
  readonly kind: StrategyKind;
  readonly buffers: Int32Array;
  current: number;
  currentWasInRing: boolean;
}
/** null while the pool is so small that a ring would not help (never with our sizes), as 'normal'. */
export function getAccessStrategy(_kind: StrategyKind): AccessStrategy {
  return later();
}
export function freeAccessStrategy(_strategy: AccessStrategy | null): void {}
export type StrategyBuffer = Buffer;
