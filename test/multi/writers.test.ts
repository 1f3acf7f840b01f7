/** The checkpointer and the background writer as processes. */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildProgram, FORK_FLAGS, type Program } from '../support/build-program.ts';

let program: Program;
beforeAll(() => {
  program = buildProgram('writers.ts');
});
afterAll(() => program.remove());

test('checkpoints on request, paced, hurried, failed and at shutdown; buffers cleaned in the background', () => {
  const text = execFileSync(process.execPath, [...FORK_FLAGS, program.path], {
    encoding: 'utf8',
    timeout: 55_000,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { immediate, ...rest } = JSON.parse(text) as { immediate: unknown[] };
  // REQUESTED | WAIT | FORCE | IMMEDIATE
  expect(immediate).toEqual([true, 0x6c, true, 0]);
  expect(rest).toEqual({
    paced: [true, true],
    hurried: [true, true],
    failed: 1,
    cleaned: true,
    requested: true,
    backendWrites: true,
    backgroundWriterStatus: 0,
    checkpointerStatus: 0,
    shutdown: [1, true],
  });
});
