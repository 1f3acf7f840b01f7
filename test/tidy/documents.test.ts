/** What is said in two places is the same in both: flags, paths, scripts. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { NODE_FLAGS } from '#postmaster/launch.ts';
import { readText, root } from './sources.ts';

const documents = ['README.md', 'ARCHITECTURE.md'].filter((name) => existsSync(join(root, name)));

test('bin/postgres and a spawned child run under the same flags', () => {
  const [shebang] = readText('bin/postgres').split('\n');
  expect(shebang).toBe(`#!/usr/bin/env -S node ${NODE_FLAGS.join(' ')}`);
});

test.each(documents)('%s names only files that exist', (name) => {
  const text = readText(name);
  // A path ends where a character comes that no path here has; {a,b} and * stand for several files.
  const paths = [...text.matchAll(/(?<![\w./-])(?:src|test|native-shm|bin|conf|\.ci)\/[\w./-]*[\w/]/g)].map(
    (match) => match[0],
  );
  const wrong = [...new Set(paths)].filter((path) => !existsSync(join(root, path)));
  expect(wrong).toEqual([]);
});

test('the commands of README.md exist', () => {
  const { scripts, bin } = JSON.parse(readText('package.json')) as Record<'scripts' | 'bin', Record<string, string>>;
  const text = readText('README.md');
  const run = [...text.matchAll(/npm run (?:--silent )?([\w:-]+)/g)].map((match) => match[1]!);
  const short = [...text.matchAll(/npm (start|test|stop)\b/g)].map((match) => match[1]!);
  expect(short).toContain('test');
  expect([...run, ...short].filter((script) => !(script in scripts))).toEqual([]);
  const programs = [...text.matchAll(/(?<![\w/])bin\/([\w-]+)/g)].map((match) => match[1]!);
  expect(programs.filter((program) => !(program in bin))).toEqual([]);
  expect(Object.values(bin).filter((path) => !existsSync(join(root, path)))).toEqual([]);
});
