/** native.ts — the typed face of native-shm; with file-system.ts the only door to the operating system.
 *
 *  The addon is required from the package folder, wherever this code runs from (src/ under the test runner, dist/ when
 *  bundled): the folder that holds native-shm/ is found by walking up. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type * as NativeShm from '../../native-shm/index.d.ts';

export type Native = typeof NativeShm;
export type { Fd, PeerInfo, ResolvedAddress, SegmentId, TcpOption } from '../../native-shm/index.d.ts';

function findPackageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'native-shm', 'index.cjs'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error('native-shm was not found beside this program');
    folder = parent;
  }
  return folder;
}

export const packageRoot: string = findPackageRoot();
export const native: Native = createRequire(import.meta.url)(join(packageRoot, 'native-shm', 'index.cjs')) as Native;

/** Linux signal numbers (x64 and arm64 agree). */
export const SIGNAL = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ILL: 4,
  TRAP: 5,
  ABRT: 6,
  BUS: 7,
  FPE: 8,
  KILL: 9,
  USR1: 10,
  SEGV: 11,
  USR2: 12,
  PIPE: 13,
  ALRM: 14,
  TERM: 15,
  CHLD: 17,
  CONT: 18,
  STOP: 19,
  TSTP: 20,
  TTIN: 21,
  TTOU: 22,
  URG: 23,
  PWR: 30,
  SYS: 31,
} as const satisfies Record<string, number>;

const SIGNAL_TEXT: Readonly<Record<number, string>> = {
  1: 'Hangup',
  2: 'Interrupt',
  3: 'Quit',
  4: 'Illegal instruction',
  5: 'Trace/breakpoint trap',
  6: 'Aborted',
  7: 'Bus error',
  8: 'Floating point exception',
  9: 'Killed',
  10: 'User defined signal 1',
  11: 'Segmentation fault',
  12: 'User defined signal 2',
  13: 'Broken pipe',
  14: 'Alarm clock',
  15: 'Terminated',
  30: 'Power failure',
  31: 'Bad system call',
};
/** strsignal(3). */
export const signalText = (signal: number): string => SIGNAL_TEXT[signal] ?? `Unknown signal ${signal}`;

/** "No such file or directory" for -errno or errno. */
export const osError = (errno: number): string => native.errorMessage(Math.abs(errno));
