import { describe, expect, it } from 'vitest';
import { parseCommandLine } from '#cli/getopt.ts';
import { INITDB_OPTIONS } from '#cli/initdb-options.ts';

const parse = (...argv: string[]): ReturnType<typeof parseCommandLine> => parseCommandLine(argv, INITDB_OPTIONS);

describe('the command line', () => {
  it('takes values attached, separate and after =, and operands anywhere', () => {
    const { options, operands } = parse('x', '-Ddir', '--auth=md5', '-U', 'me', '--pwfile', 'f', 'y');
    expect(options).toEqual([
      { name: 'pgdata', value: 'dir' },
      { name: 'auth', value: 'md5' },
      { name: 'username', value: 'me' },
      { name: 'pwfile', value: 'f' },
    ]);
    expect(operands).toEqual(['x', 'y']);
  });
  it('takes short options in one word, the last with a value', () => {
    expect(parse('-kND', 'dir').options.map(({ name }) => name)).toEqual(['checksums', 'no-sync', 'pgdata']);
  });
  it('ends options at --, and - is an operand', () => {
    expect(parse('--', '-k', '--bad').operands).toEqual(['-k', '--bad']);
    expect(parse('-').operands).toEqual(['-']);
  });
  it('accepts unambiguous abbreviations', () => {
    expect(parse('--pgd=x').options).toEqual([{ name: 'pgdata', value: 'x' }]);
    expect(() => parse('--no')).toThrow(/^option '--no' is ambiguous; possibilities: '--no-locale'/);
    expect(parse('--auth', 'a').options).toEqual([{ name: 'auth', value: 'a' }]);
  });
  it('complains in getopt’s words', () => {
    expect(() => parse('--nope')).toThrow("unrecognized option '--nope'");
    expect(() => parse('-Z')).toThrow("invalid option -- 'Z'");
    expect(() => parse('-D')).toThrow("option requires an argument -- 'D'");
    expect(() => parse('--pgdata')).toThrow("option '--pgdata' requires an argument");
    expect(() => parse('--no-sync=3')).toThrow("option '--no-sync' doesn't allow an argument");
  });
});
