import { describe, expect, it } from 'vitest';
import { compileRegexp } from '#adt/regexp.ts';
import { DEFAULT_FLAGS } from '#adt/regexp-parse.ts';

const match = (text: string, pattern: string): (string | null)[] | null => {
  const found = compileRegexp(pattern, DEFAULT_FLAGS).exec(text, 0);
  if (found === null) return null;
  const pieces: (string | null)[] = [];
  for (let i = 0; i < found.length; i += 2) pieces.push(found[i]! < 0 ? null : text.slice(found[i], found[i + 1]));
  return pieces;
};

describe('regular expressions prefer as POSIX does, not as backtracking does', () => {
  it('the whole is the longest, whatever alternative comes first', () => {
    expect(match('foobarbaz', 'foo|foobar')).toEqual(['foobar']);
    expect(match('aab', 'a*(?:ab)?')).toEqual(['aab']);
  });
  it('then each part from left to right', () => {
    expect(match('abcd', '(a|ab)(c|bcd)?')).toEqual(['abcd', 'a', 'bcd']);
    expect(match('aab', '(a*)(ab)*')).toEqual(['aab', 'a', 'ab']);
  });
  it('a non-greedy start makes the whole short', () => {
    expect(match('XY1234Z', 'Y*?([0-9]{1,3})')).toEqual(['Y1', '1']);
    expect(match('XY1234Z', 'X(?:Y*?[0-9]{1,3})')).toEqual(['XY1']);
    expect(match('XY1234Z', 'X(?:Y*[0-9]{1,3}?)')).toEqual(['XY123']);
  });
  it('the last of at least one iteration is the shortest that is left', () => {
    expect(match('aaa', '(a+)+')).toEqual(['aaa', 'a']);
    expect(match('aaa', '(a+)*')).toEqual(['aaa', 'aaa']);
    expect(match('x', '(a?)*')).toEqual(['', '']);
    expect(match('x', '(a)*')).toEqual(['', null]);
    expect(match('', '(.??)*')).toEqual(['', null]);
  });
  it('repetition of repetition takes no exponential time', () => {
    expect(match('a'.repeat(200), '(a*)*b')).toBeNull();
    expect(compileRegexp('^(a|aa|[ab]+)+$', DEFAULT_FLAGS).test(`${'a'.repeat(200)}c`)).toBe(false);
  });
  it('long strings need no deep recursion', () => {
    expect(match('ab'.repeat(20000), '((?:a|ab|b)*)$')?.[0]?.length).toBe(40000);
  });
});

describe('syntax of advanced regular expressions', () => {
  it('knows classes, word boundaries, directors and embedded options', () => {
    expect(match('foo bar', '\\mb[[:alpha:]]+\\M')).toEqual(['bar']);
    expect(match('a.b', '***=.')).toEqual(['.']);
    expect(match('xABC', '(?i)abc')).toEqual(['ABC']);
    expect(match('a\nb', '(?n)^b')).toEqual(['b']);
    expect(match('abab', '(ab)\\1')).toEqual(['abab', 'ab']);
  });
  it('has no letters beyond ASCII under collation C', () => {
    expect(match('é', '\\w')).toBeNull();
    expect(match('É', '(?i)é')).toBeNull();
  });
  it('counts a character beyond the BMP as one', () => {
    expect(match('a😀b', 'a.b')).toEqual(['a😀b']);
    expect(compileRegexp('^$', DEFAULT_FLAGS).test('😀')).toBe(false);
  });
  it.each([
    ['(a', 'parentheses () not balanced'],
    ['[a', 'brackets [] not balanced'],
    ['a**', 'quantifier operand invalid'],
    ['a{1,0}', 'invalid repetition count(s)'],
    ['a{256}', 'invalid repetition count(s)'],
    ['a{1', 'braces {} not balanced'],
    ['[b-a]', 'invalid character range'],
    ['[[:foo:]]', 'invalid character class'],
    ['\\9', 'invalid backreference number'],
    ['\\', 'invalid escape \\ sequence'],
  ])('%s: %s', (pattern, message) => {
    expect(() => compileRegexp(pattern, DEFAULT_FLAGS)).toThrow(`invalid regular expression: ${message}`);
  });
});
