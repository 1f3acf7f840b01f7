import { describe, expect, it } from 'vitest';
import type { PgError } from '#runtime/error/report.ts';
import { report } from '#runtime/error/report.ts';
import { parseStack, sourceLocation } from '#runtime/error/source-location.ts';

function failingFunction(): never {
  return report('ERROR', { message: 'x' });
}

describe('the location of a report', () => {
  it('is the function that called report', () => {
    try {
      failingFunction();
    } catch (caught) {
      expect(sourceLocation((caught as PgError).fields)).toMatchObject({
        routine: 'failingFunction',
        file: 'source-location.test.ts',
      });
      return;
    }
    throw new Error('nothing was thrown');
  });
  it('may be given by the reporter', () => {
    expect(sourceLocation({ message: 'x', routine: 'r', file: 'f.c', line: 7 })).toEqual({
      routine: 'r',
      file: 'f.c',
      line: 7,
    });
    expect(sourceLocation({ message: 'x', routine: 'r' })).toMatchObject({ routine: 'r' });
  });
  it('is read off V8 stacks of all shapes', () => {
    const stack = (frame: string): string => `Error: a (b:1:2)\n    at report (/d/postgres.cjs:1:2)\n${frame}`;
    expect(parseStack(stack('    at Object.standardRun [as run] (/d/postgres.cjs:47779:22)'))).toEqual({
      routine: 'standardRun',
      file: 'postgres.cjs',
      line: 47779,
    });
    expect(parseStack(stack('    at file:///d/x.ts:3:4'))).toEqual({ routine: '<anonymous>', file: 'x.ts', line: 3 });
    expect(parseStack('Error')).toBeUndefined();
  });
});
