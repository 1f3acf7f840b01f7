/** launch-encoding.ts — the launch record and the settings as bytes, for a spawned child.
 *
 *  One frame: JSON-free, length-prefixed fields in a fixed order; then the GUC values that differ from their defaults.
 *  Descriptors travel by inheritance at fixed numbers; the record only says which of them are there. */
import { native } from '#platform/native.ts';
import { serializeGuc } from '#runtime/guc/guc-serialize.ts';
import type { Admission, LaunchRecord } from '#runtime/launch-record.ts';
import { serverFacts } from '#runtime/server-facts.ts';

/** Where a spawned child finds its inherited descriptors. */
export const CHILD_FDS = {
  record: 30,
  segment: 31,
  deathPipe: 32,
  interlock: 33,
  socket: 34,
  statsSocket: 35,
  logPipeRead: 36,
  logPipeWrite: 37,
  spareChannel: 38,
} as const;

const ADMISSIONS: readonly Admission[] = ['ok', 'startup', 'shutdown', 'recovery', 'notConsistent', 'tooMany'];

export interface SpawnedLaunch {
  readonly record: LaunchRecord;
  readonly configLoadTime: number;
  readonly guc: Uint8Array;
}

export function encodeLaunch(record: LaunchRecord): Uint8Array {
  const numbers = new Float64Array([
    record.childSlot,
    record.cancelKey,
    record.socket >= 0 ? 1 : 0,
    ADMISSIONS.indexOf(record.admission),
    record.workerSlot,
    record.postmasterPid,
    record.postmasterStartTime,
    record.segmentSize,
    record.statsSocket >= 0 ? 1 : 0,
    record.logPipeRead >= 0 ? 1 : 0,
    record.logPipeWrite >= 0 ? 1 : 0,
    record.spareChannel >= 0 ? 1 : 0,
    serverFacts.configLoadTime,
    record.readyIndex,
  ]);
  const parts = [
    Buffer.from(numbers.buffer),
    lengthPrefixed(Buffer.from(record.kind)),
    lengthPrefixed(Buffer.from(record.dataDirectory)),
    lengthPrefixed(Buffer.from(serializeGuc())),
  ];
  return Buffer.concat(parts);
}
const NUMBER_COUNT = 14;

function lengthPrefixed(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** Reads the record that this process inherited. */
export function readSpawnedLaunch(): SpawnedLaunch {
  const chunks: Buffer[] = [];
  for (;;) {
    const chunk = Buffer.alloc(65_536);
    const count = native.readBytes(CHILD_FDS.record, chunk, 0, chunk.length);
    if (count < 0) throw new Error(`could not read the launch record: ${native.errorMessage(-count)}`);
    if (count === 0) break;
    chunks.push(chunk.subarray(0, count));
  }
  native.closeFd(CHILD_FDS.record);
  const all = Buffer.concat(chunks);
  const n = (i: number): number => all.readDoubleLE(8 * i);
  let at = 8 * NUMBER_COUNT;
  const next = (): Buffer => {
    const length = all.readUInt32LE(at);
    const bytes = all.subarray(at + 4, at + 4 + length);
    at += 4 + length;
    return bytes;
  };
  const kind = next().toString('utf8');
  const dataDirectory = next().toString('utf8');
  const there = (flag: number, fd: number): number => (n(flag) === 1 ? fd : -1);
  for (const fd of Object.values(CHILD_FDS)) native.setCloseOnExec(fd, true);
  return {
    record: {
      kind,
      childSlot: n(0),
      cancelKey: n(1),
      socket: there(2, CHILD_FDS.socket),
      admission: ADMISSIONS[n(3)] ?? 'ok',
      workerSlot: n(4),
      postmasterPid: n(5),
      postmasterStartTime: n(6),
      dataDirectory,
      deathPipe: CHILD_FDS.deathPipe,
      segmentFd: CHILD_FDS.segment,
      segmentSize: n(7),
      interlockFd: CHILD_FDS.interlock,
      logPipeRead: there(9, CHILD_FDS.logPipeRead),
      logPipeWrite: there(10, CHILD_FDS.logPipeWrite),
      statsSocket: there(8, CHILD_FDS.statsSocket),
      spareChannel: there(11, CHILD_FDS.spareChannel),
      readyIndex: n(13),
      isForked: false,
    },
    configLoadTime: n(12),
    guc: next(),
  };
}
