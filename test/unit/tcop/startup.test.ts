import { expect, test } from 'vitest';
import { splitOptions } from '#tcop/startup.ts';
import { quoteParameter } from '#tcop/statement-log.ts';

test('the options of a startup packet are split at blanks, a backslash takes the next character', () => {
  expect(splitOptions('-c a=b  --d=e')).toEqual(['-c', 'a=b', '--d=e']);
  expect(splitOptions('-c search_path=a,\\ b \\\\x')).toEqual(['-c', 'search_path=a, b', '\\x']);
  expect(splitOptions('  ')).toEqual([]);
});

test('logged parameters are quoted and cut at a character', () => {
  expect(quoteParameter("it's", -1)).toBe("'it''s'");
  expect(quoteParameter('abcdef', 3)).toBe("'abc...'");
  expect(quoteParameter('aé', 2)).toBe("'a...'");
  expect(quoteParameter('abc', 0)).toBe("'...'");
  expect(quoteParameter('abc', 3)).toBe("'abc'");
});
