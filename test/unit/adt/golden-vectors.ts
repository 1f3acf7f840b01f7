/** golden-vectors.ts — replays calls whose results were recorded from PostgreSQL 15 (test/golden/adt/*.jsonl).
 *
 *  A line is either settings to make, or a call: f the prosrc (null: only input and output of the type), a the typed
 *  argument texts, r the result type, v whether the last argument is VARIADIC, e what PostgreSQL printed. */
import { readFileSync } from 'node:fs';
import '#adt/load.ts';
import type { Datum } from '#adt/datum.ts';
import { setClockSource } from '#adt/datetime-clock.ts';
import { builtin, typeInfo } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import '#catalog/type-cache.ts';
import { typeByName } from '#catalog/syscache.ts';
import { PgError } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';

interface Vector {
  readonly set?: Readonly<Record<string, string>>;
  readonly f: string | null;
  readonly a: readonly (readonly [string, string | null])[];
  readonly r: number;
  readonly v: boolean;
  readonly e: string;
}

const PG_CATALOG = 11 as Oid;
const ALIASES: Readonly<Record<string, string>> = { int: 'int4' };
function typeOid(name: string): Oid {
  const base = name.replace('[]', '');
  const plain = ALIASES[base] ?? base;
  const row = typeByName(name.endsWith('[]') ? `_${plain}` : plain, PG_CATALOG);
  if (row === undefined) throw new Error(`no type ${name}`);
  return row.oid;
}

function evaluate(vector: Vector): string {
  try {
    const types = vector.a.map(([type]) => typeOid(type));
    const args: Datum[] = vector.a.map(([, text], i) => (text === null ? null : typeInfo(types[i]!).input(text, -1)));
    const result = vector.f === null ? args[0]! : call(vector, types, args);
    return result === null ? '<null>' : typeInfo(vector.r as Oid).output(result);
  } catch (caught) {
    if (!(caught instanceof PgError)) throw caught;
    const { message, detail, hint } = caught.fields;
    const tail = `${detail === undefined ? '' : ` / ${detail}`}${hint === undefined ? '' : ` | ${hint}`}`;
    return `ERROR ${caught.code} ${message}${tail}`;
  }
}
function call(vector: Vector, types: readonly Oid[], args: readonly Datum[]): Datum {
  const code = builtin(vector.f!);
  if (code === undefined) throw new Error(`function ${vector.f} is not registered`);
  if (code.style === 'plain') return code.call(...args);
  if (code.style !== 'callinfo') throw new Error(`function ${vector.f} returns a set`);
  const info = {
    functionOid: 0 as Oid,
    argTypes: types,
    resultType: vector.r as Oid,
    collation: 100 as Oid,
    variadic: vector.v,
  };
  return code.call(info, ...args);
}

/** Vectors of test/golden/adt/<name>.jsonl that do not give what PostgreSQL gave. */
export function disagreements(name: string): string[] {
  // Times without a date take their daylight saving from today: the day of the recording.
  const recorded = () => 848_620_800_000_000;
  setClockSource({ transactionTimestamp: recorded, statementTimestamp: recorded });
  const lines = readFileSync(new URL(`../../golden/adt/${name}.jsonl`, import.meta.url), 'utf8')
    .trim()
    .split('\n');
  const live = settings as unknown as Record<string, unknown>;
  const wrong: string[] = [];
  for (const line of lines) {
    const vector = JSON.parse(line) as Vector;
    if (vector.set !== undefined) {
      Object.assign(live, vector.set);
      continue;
    }
    const got = evaluate(vector);
    if (got !== vector.e) wrong.push(`${vector.f}(${JSON.stringify(vector.a)}): ${got} instead of ${vector.e}`);
  }
  return wrong;
}
