import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import '#adt/load.ts';
import type { Datum } from '#adt/datum.ts';
import type { CallInfo } from '#adt/fmgr.ts';
import { builtin, setTypeInfoLookup } from '#adt/fmgr.ts';
import { PgError } from '#runtime/error/report.ts';

/** Results recorded from PostgreSQL 15.18: per function the types, then arguments and result as text. */
interface Recorded {
  readonly in: readonly string[];
  readonly out: string;
  readonly cases: readonly (readonly (string | null)[])[];
}
const golden = JSON.parse(
  readFileSync(new URL('../../golden/adt/scalar-functions.json', import.meta.url), 'utf8'),
) as Record<string, Recorded>;

const PREFIXES: Readonly<Record<string, string>> = {
  money: 'cash_',
  numeric: 'numeric_',
  uuid: 'uuid_',
  pg_lsn: 'pg_lsn_',
  cstring: 'cstring_',
  _text: 'array_',
};
const ioFunction = (type: string, direction: 'in' | 'out') => {
  const found = builtin(`${PREFIXES[type] ?? type}${direction}`);
  if (found?.style !== 'plain') throw new Error(`no ${direction} function of ${type}`);
  return found.call;
};
const output = (type: string, value: Datum): string | null => (value === null ? null : String(showValue(type, value)));
function showValue(type: string, value: Datum): unknown {
  if (type !== '_text') return ioFunction(type, 'out')(value);
  const elements = (value as { elements: readonly (string | null)[] }).elements;
  const quote = (text: string): string =>
    text === '' || /[{},"\\\s]/.test(text) || /^null$/i.test(text) ? `"${text.replace(/["\\]/g, '\\$&')}"` : text;
  return `{${elements.map((element) => (element === null ? 'NULL' : quote(element))).join(',')}}`;
}
const info = { functionOid: 0, argTypes: [], resultType: 0, collation: 100, variadic: false } as unknown as CallInfo;

function run(name: string, recorded: Recorded, texts: readonly (string | null)[]): string | null {
  const found = builtin(name);
  if (found === undefined) return `${name} is not registered`;
  try {
    const args = texts.map((text, i) => (text === null ? null : ioFunction(recorded.in[i]!, 'in')(text, 0, -1)));
    if (found.style === 'plain') return output(recorded.out, found.call(...args));
    if (found.style === 'callinfo') return output(recorded.out, found.call(info, ...args));
    const rows: (string | null)[] = [];
    for (const set = found.call(info, ...args); set.next(); ) rows.push(output(recorded.out, set.value as Datum));
    return rows.length === 0 ? null : rows.join(';');
  } catch (error) {
    if (!(error instanceof PgError)) throw error;
    const { message, detail, hint } = error.fields;
    return `ERROR ${error.code} ${message}${detail ? ` DETAIL ${detail}` : ''}${hint ? ` HINT ${hint}` : ''}`;
  }
}

setTypeInfoLookup(() => {
  throw new Error('scalar functions need no type cache');
});

describe('functions of scalar types give the texts and errors that PostgreSQL 15 gave', () => {
  for (const [name, recorded] of Object.entries(golden)) {
    it(`${name} agrees`, () => {
      for (const texts of recorded.cases) {
        const args = texts.slice(0, -1);
        expect(run(name, recorded, args), `${name}(${args.join(', ')})`).toBe(texts.at(-1));
      }
    });
  }
});
