/** control-image.ts — pg_control of any directory, for programs that run beside a server or without one.
 *  Counterpart: get_controlfile(), update_controlfile() of src/common/controldata_utils.c */
import { closeSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { Memory } from '#base/struct.ts';
import { ProgramError } from '#cli/program-error.ts';
import { reasonOf } from '#cli/system-error.ts';
import { native } from '#platform/native.ts';
import {
  CONTROL_CRC_OFFSET,
  CONTROL_FILE_PATH,
  CONTROL_FILE_SIZE,
  ControlFileLayout as L,
} from '#wal/control-file-layout.ts';

export interface ControlImage {
  readonly memory: Memory;
  readonly crcIsRight: boolean;
}

export function readControlImage(directory: string): ControlImage {
  const path = `${directory}/${CONTROL_FILE_PATH}`;
  const bytes = new Uint8Array(L.SIZE);
  let got: number;
  try {
    const fd = openSync(path, 'r');
    got = readSync(fd, bytes, 0, L.SIZE, 0);
    closeSync(fd);
  } catch (caught) {
    const verb = (caught as NodeJS.ErrnoException).syscall === 'open' ? 'open' : 'read';
    throw new ProgramError(
      `could not ${verb} file "${path}"${verb === 'open' ? ' for reading' : ''}: ${reasonOf(caught)}`,
    );
  }
  if (got !== L.SIZE) throw new ProgramError(`could not read file "${path}": read ${got} of ${L.SIZE}`);
  const memory = new Memory(new SharedArrayBuffer(CONTROL_FILE_SIZE));
  memory.u8.set(bytes);
  const crc = native.crc32c(memory.u8, 0, CONTROL_CRC_OFFSET, 0);
  return { memory, crcIsRight: crc === L.crc.get(memory, 0) };
}

/** Stamps it with the time and a new checksum, and writes it. */
export function writeControlImage(directory: string, { memory }: ControlImage, sync: boolean): void {
  const path = `${directory}/${CONTROL_FILE_PATH}`;
  L.time.set(memory, 0, Math.floor(Date.now() / 1000));
  L.crc.set(memory, 0, native.crc32c(memory.u8, 0, CONTROL_CRC_OFFSET, 0));
  try {
    const fd = openSync(path, 'r+');
    writeSync(fd, Uint8Array.from(memory.u8), 0, CONTROL_FILE_SIZE, 0);
    if (sync) fsyncSync(fd);
    closeSync(fd);
  } catch (caught) {
    throw new ProgramError(`could not write file "${path}": ${reasonOf(caught)}`);
  }
}
