import { expect, test } from 'vitest';
import { parseJson, quoteJson, validateJson } from '#adt/json-parse.ts';
import { PgError } from '#runtime/error/report.ts';

function contextOf(text: string, wantsText = false): string | undefined {
  try {
    parseJson(text, wantsText);
    return 'accepted';
  } catch (caught) {
    if (!(caught instanceof PgError)) throw caught;
    return caught.fields.context;
  }
}

test('the context of a complaint shows the line up to the bad token', () => {
  expect(contextOf('{"a":1,}')).toBe('JSON data, line 1: {"a":1,}');
  expect(contextOf('{"a":01}')).toBe('JSON data, line 1: {"a":01...');
  expect(contextOf('{"a":\n[1,2,}')).toBe('JSON data, line 2: [1,2,}');
  expect(contextOf('"a\nb"')).toBe('JSON data, line 1: "a');
  const long = `{"${'a'.repeat(71)}": 1, ${'b'.repeat(65)}:2}`;
  expect(contextOf(long)).toBe(`JSON data, line 1: ...${'b'.repeat(49)}...`);
});

test('half a surrogate pair is only an error where text is wanted', () => {
  validateJson('"\\ud800"');
  expect(contextOf('"\\ud800"')).toBe('accepted');
  expect(contextOf('"\\ud800"', true)).toBe('JSON data, line 1: "\\ud800"');
  expect(contextOf('"\\u0000"', true)).toBe('JSON data, line 1: "\\u0000...');
});

test('strings are quoted as JSON wants', () => {
  expect(quoteJson('a"b\\\n\u0001é')).toBe('"a\\"b\\\\\\n\\u0001é"');
});
