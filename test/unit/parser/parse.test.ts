import { describe, expect, it } from 'vitest';
import { byteToIndex, characterPosition, parseText } from '#parser/parse.ts';
import { PgError } from '#runtime/error/report.ts';

function complaint(text: string): { code: string; message: string; position: number | undefined } {
  try {
    parseText(text);
  } catch (caught) {
    if (caught instanceof PgError)
      return { code: caught.code, message: caught.message, position: caught.fields.position };
    throw caught;
  }
  throw new Error('nothing was wrong');
}

describe('parseText', () => {
  it('cuts a text into statements without their semicolons', () => {
    const text = "select 1; select 'ü;' ;; show x";
    expect(parseText(text).map((s) => s.text)).toEqual(['select 1', "select 'ü;'", 'show x']);
  });

  it('has no statement for an empty text', () => {
    expect(parseText(' -- nothing\n ; ')).toEqual([]);
  });

  it('counts positions in characters, not bytes', () => {
    expect(complaint("select 'ü😀' from where")).toEqual({
      code: '42601',
      message: 'syntax error at or near "where"',
      position: 18,
    });
  });

  it('refuses NUL', () => {
    expect(complaint('select 1\0').code).toBe('22021');
  });

  it('survives absurd nesting with 54001 and parses on', () => {
    expect(complaint(`select ${'1+'.repeat(50_000)}1`).code).toBe('54001');
    expect(parseText('select 1')).toHaveLength(1);
  });

  it('takes back what came after 15', () => {
    expect(complaint('select 0x1F')).toEqual({
      code: '42601',
      message: 'trailing junk after numeric literal at or near "0x1F"',
      position: 8,
    });
    expect(complaint('select 1_000').message).toBe('trailing junk after numeric literal at or near "1_000"');
    expect(complaint("select '1' is json").message).toBe('syntax error at or near "json"');
  });

  it('answers a repeated text with the same tree', () => {
    expect(parseText('select 42')).toBe(parseText('select 42'));
  });
});

describe('offsets', () => {
  it('map bytes to string indexes and to characters', () => {
    expect(byteToIndex('aü😀b', 7)).toBe(4);
    expect(characterPosition('aü😀b', 7)).toBe(4);
  });
});
