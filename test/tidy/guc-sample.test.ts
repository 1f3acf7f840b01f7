/** conf/postgresql.conf.sample is what the table of parameters makes of it (`-u` rewrites it). */
import { expect, test } from 'vitest';
import { ConfigLexer, unquote } from '#runtime/guc/config-lexer.ts';
import { setConfigOptionExt, settings } from '#runtime/guc/guc.ts';
import { recordByName } from '#runtime/guc/records.ts';
import { writeSample } from '#runtime/guc/sample-writer.ts';

test('the sample is generated from the table', async () => {
  await expect(writeSample()).toMatchFileSnapshot('../../conf/postgresql.conf.sample');
});

test('every line of the sample, uncommented, sets the default', () => {
  const before = { ...settings };
  const assignments = writeSample()
    .split('\n')
    .filter((line) => /^#[a-z_]+ = /.test(line) && !line.startsWith('#include'));
  expect(assignments.length).toBeGreaterThan(300);
  for (const line of assignments) {
    const lexer = new ConfigLexer(line.slice(1));
    const name = lexer.next().text;
    lexer.next();
    const value = lexer.next();
    const text = value.kind === 'string' ? unquote(value.text) : value.text;
    setConfigOptionExt(name, text, 'postmaster', 'file', { level: 'ERROR' });
    const parameter = recordByName(name)!;
    expect([name, parameter.value ?? '']).toEqual([name, parameter.bootValue ?? '']);
  }
  expect({ ...settings }).toEqual(before);
});
