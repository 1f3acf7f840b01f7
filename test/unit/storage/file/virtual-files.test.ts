import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { mapLocalMemory, mem } from '#shm/memory.ts';
import { privateReserve } from '#shm/private-memory.ts';
import { ResourceOwner, setCurrentResourceOwner } from '#runtime/resource-owner.ts';
import { settings } from '#runtime/guc/guc.ts';
import {
  closeTransientFile,
  durableRename,
  durableUnlink,
  fileClose,
  fileOpen,
  filePath,
  fileRead,
  fileSize,
  fileSync,
  fileTruncate,
  fileWrite,
  limitDescriptors,
  markTemporary,
  O,
  openTransientFile,
  temporaryFilesSize,
} from '#storage/file/virtual-files.ts';
import { enterTempFolder } from '../../../support/in-temp-folder.ts';

let leave: () => void;
let at = 0;
beforeAll(() => {
  leave = enterTempFolder();
  mapLocalMemory(8 << 20);
  at = privateReserve(8192);
});
afterAll(() => leave());

const text = (s: string): number => Buffer.from(mem.u8.buffer).write(s, at);
const shown = (length: number): string => Buffer.from(mem.u8.buffer, at, length).toString();

test('more files than descriptors: each keeps its contents and position-independent state', () => {
  limitDescriptors(4);
  const files = Array.from({ length: 12 }, (_, i) => fileOpen(`f${i}`, O.RDWR | O.CREAT | O.TRUNC));
  for (const [i, file] of files.entries())
    expect(fileWrite(file, at, text(`file number ${i}`), 0, 0)).toBe(`file number ${i}`.length);
  for (const i of [3, 11, 0, 7, 3, 5]) {
    expect(fileRead(files[i]!, at, 100, 5, 0)).toBe(`file number ${i}`.length - 5);
    expect(shown(`number ${i}`.length)).toBe(`number ${i}`);
    expect(filePath(files[i]!)).toBe(`f${i}`);
  }
  expect(fileSize(files[4]!)).toBe(13);
  expect(fileTruncate(files[4]!, 4, 0)).toBe(0);
  expect(fileSize(files[4]!)).toBe(4);
  expect(fileSync(files[4]!, 0)).toBe(0);
  for (const file of files) fileClose(file);
  expect(readFileSync('f4', 'utf8')).toBe('file');
  limitDescriptors(900);
});

test('failures are answered as -errno', () => {
  expect(fileOpen('none', O.RDWR)).toBe(-2);
  expect(fileOpen('f1', O.RDWR | O.CREAT | O.EXCL)).toBe(-17);
  expect(openTransientFile('none/deeper', O.RDONLY)).toBe(-2);
});

test('an error closes transient and temporary files of its resource owner', () => {
  const owner = new ResourceOwner(null, 'test');
  setCurrentResourceOwner(owner);
  const fd = openTransientFile('f2', O.RDONLY);
  closeTransientFile(fd);
  openTransientFile('f2', O.RDONLY);
  const temporary = fileOpen('temporary', O.RDWR | O.CREAT);
  markTemporary(temporary, true, owner);
  fileWrite(temporary, at, 1000, 0, 0);
  expect(temporaryFilesSize()).toBe(1000);
  owner.releasePhase('afterLocks', false, true);
  setCurrentResourceOwner(null);
  expect(existsSync('temporary')).toBe(false);
  expect(temporaryFilesSize()).toBe(0);
  owner.delete();
});

test('temp_file_limit counts the bytes of all temporary files', () => {
  const file = fileOpen('limited', O.RDWR | O.CREAT);
  markTemporary(file, true, null);
  const before = settings.temp_file_limit;
  (settings as { temp_file_limit: number }).temp_file_limit = 8;
  expect(fileWrite(file, at, 8192, 0, 0)).toBe(8192);
  expect(fileWrite(file, at, 8192, 0, 0)).toBe(8192);
  expect(() => fileWrite(file, at, 8192, 1, 0)).toThrow('temporary file size exceeds temp_file_limit (8kB)');
  (settings as { temp_file_limit: number }).temp_file_limit = before;
  fileClose(file);
  expect(existsSync('limited')).toBe(false);
});

test('durable renaming and unlinking', () => {
  writeFileSync('new', 'new');
  writeFileSync('old', 'old');
  expect(durableRename('new', 'old', 'ERROR')).toBe(0);
  expect(readFileSync('old', 'utf8')).toBe('new');
  expect(durableUnlink('old', 'ERROR')).toBe(0);
  expect(() => durableUnlink('old', 'ERROR')).toThrow('could not remove file "old": No such file or directory');
  expect(durableRename('none', 'old', 'LOG')).toBe(-2);
});
