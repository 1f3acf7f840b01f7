/** What no source may contain: promises for later, swallowed errors, tests that do not run, paths of one machine. */
import { expect, test } from 'vitest';
import { sourcesOf } from './sources.ts';

const sources = sourcesOf('src', 'native-shm', 'bin', 'test');
/** `path:line: text` of every line that matches. */
function matches(pattern: RegExp, among = sources): string[] {
  return among.flatMap(({ path, text }) =>
    pattern.test(text)
      ? text.split('\n').flatMap((line, n) => (pattern.test(line) ? [`${path}:${n + 1}: ${line.trim()}`] : []))
      : [],
  );
}
// Written in two pieces, so that this file does not contain what it looks for.
const word = (...parts: readonly string[]): string => parts.join('');

test('there are sources to look at', () => {
  expect(sources.length).toBeGreaterThan(400);
});

test('nothing is left to do', () => {
  expect(matches(new RegExp(`\\b(${word('TO', 'DO')}|${word('FIX', 'ME')})\\b`))).toEqual([]);
});

test('no error is swallowed without a reason', () => {
  const empty = /catch\s*(\(\w+\)\s*)?\{\s*\}/;
  expect(sources.filter(({ text }) => empty.test(text)).map(({ path }) => path)).toEqual([]);
});

test('every test runs', () => {
  const off = new RegExp(
    `\\b(test|it|describe|suite|bench)(\\.\\w+)*\\.(${['skip', 'only', 'todo', 'fails'].join('|')})\\b`,
  );
  const tests = sources.filter(({ path }) => path.endsWith('.test.ts'));
  expect(tests.length).toBeGreaterThan(40);
  expect(matches(off, tests)).toEqual([]);
});

test('no path of one machine', () => {
  const machine = new RegExp(`(^|[\\s'"\`(=:])/(${['work', 'root', 'home', 'Users', 'mnt'].join('|')})/`);
  expect(matches(machine)).toEqual([]);
});
