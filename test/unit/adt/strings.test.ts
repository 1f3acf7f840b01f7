import { beforeAll, describe, expect, it } from 'vitest';
import '#adt/format.ts';
import '#adt/string-functions.ts';
import { charsAreOrdered } from './support.ts';
import { compareText, toInitcap, toLower } from '#adt/collation.ts';
import type { CallInfo, TypeInfo } from '#adt/fmgr.ts';
import { builtin, setTypeInfoLookup } from '#adt/fmgr.ts';
import { like } from '#adt/like.ts';
import { quoteIdentifier, quoteLiteral } from '#adt/quote.ts';
import { textFromUtf8, utf8Bytes } from '#adt/wire.ts';

describe('order of strings', () => {
  it('is that of UTF-8 bytes, also where UTF-16 differs', () => {
    expect(charsAreOrdered(['', 'A', 'a', 'aé', 'b', 'é', '日', '\ufffd', '😀'], compareText)).toBe(true);
  });
  it('differs by the size of the first different byte, as memcmp', () => {
    expect(compareText('abc', 'abz')).toBe(-23);
    expect(compareText('abc', 'ab')).toBe(1);
  });
  it('only ASCII letters have a case', () => {
    expect(toLower('ÄB')).toBe('Äb');
    expect(toInitcap("hi THOMAS o'neil 3com élan")).toBe("Hi Thomas O'Neil 3com éLan");
  });
});

describe('LIKE', () => {
  it('matches whole strings with % and _', () => {
    expect(like('a😀b', 'a_b')).toBe(true);
    expect(like('abcabc', '%b%c')).toBe(true);
    expect(like('abc', 'ab')).toBe(false);
    expect(like('a%c', 'a\\%c')).toBe(true);
  });
  it('complains about a dangling escape only when it gets there', () => {
    expect(like('xx', 'ab\\')).toBe(false);
    expect(() => like('abc', 'ab\\')).toThrow('LIKE pattern must not end with escape character');
  });
});

describe('UTF-8 from the outside', () => {
  it('is verified, naming the first bad sequence', () => {
    expect(() => textFromUtf8(Uint8Array.of(0x61, 0xe9))).toThrow('invalid byte sequence for encoding "UTF8": 0xe9');
    expect(() => textFromUtf8(Uint8Array.of(0))).toThrow('invalid byte sequence for encoding "UTF8": 0x00');
    expect(textFromUtf8(utf8Bytes('日本語'))).toBe('日本語');
  });
});

describe('quoting', () => {
  it('quotes names that are not plain or are keywords', () => {
    expect(['a', 'select', 'A"b', 'name', '1a', 'between'].map(quoteIdentifier)).toEqual([
      'a',
      '"select"',
      '"A""b"',
      'name',
      '"1a"',
      '"between"',
    ]);
    expect(quoteLiteral("a'b\\c")).toBe("E'a''b\\\\c'");
  });
});

describe('format()', () => {
  const info = { argTypes: [25, 25, 25, 25, 25, 25], variadic: false } as unknown as CallInfo;
  const format = (...args: (string | null)[]) => {
    const found = builtin('text_format');
    return found?.style === 'callinfo' ? found.call(info, ...args) : undefined;
  };
  beforeAll(() => setTypeInfoLookup(() => ({ output: (value: unknown) => String(value) }) as unknown as TypeInfo));
  it('converts %s, %I and %L with positions and widths', () => {
    expect(format('%s %I %L %%', 'a', 'B c', "d'e")).toBe("a \"B c\" 'd''e' %");
    expect(format('%2$s %1$s', 'a', 'b')).toBe('b a');
    expect(format('%5s|%-5s|', 'ab', 'cd')).toBe('   ab|cd   |');
    expect(format('%1$*2$s|', 'x', '4')).toBe('   x|');
    expect(format('%s %s %1$s %s', 'a', 'b', 'c')).toBe('a b a b');
  });
  it('complains as PostgreSQL does', () => {
    expect(() => format('%s')).toThrow('too few arguments for format()');
    expect(() => format('%x', 'a')).toThrow('unrecognized format() type specifier "x"');
    expect(() => format('%', 'a')).toThrow('unterminated format() type specifier');
    expect(() => format('%I', null)).toThrow('null values cannot be formatted as an SQL identifier');
  });
});
