/** expr-values.ts — CURRENT_DATE and its kin, by the functions that compute them.
 *  Counterpart: ExecEvalSQLValueFunction() of src/backend/executor/execExprInterp.c */
import type { Datum } from '#adt/datum.ts';
import { builtin, type CallInfo } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import { COLLATION } from '#catalog/oids.ts';
import type { Eval } from '#executor/estate.ts';
import type { SQLValueFunction } from '#nodes/primitives.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

function call(name: string, args: Datum[], info: CallInfo): Datum {
  const code = builtin(name);
  if (code === undefined || code.style === 'set') {
    return report('ERROR', { code: SQLSTATE.featureNotSupported, message: `function ${name}() is not implemented` });
  }
  return code.style === 'plain' ? code.call(...args) : code.call(info, ...args);
}

/** From now() to the wanted type, and from there to the wanted precision. */
const CLOCK = {
  current_date: ['timestamptz_date', ''],
  current_time: ['timestamptz_timetz', 'timetz_scale'],
  current_time_n: ['timestamptz_timetz', 'timetz_scale'],
  current_timestamp: ['', 'timestamptz_scale'],
  current_timestamp_n: ['', 'timestamptz_scale'],
  localtime: ['timestamptz_time', 'time_scale'],
  localtime_n: ['timestamptz_time', 'time_scale'],
  localtimestamp: ['timestamptz_timestamp', 'timestamp_scale'],
  localtimestamp_n: ['timestamptz_timestamp', 'timestamp_scale'],
} as const;
const NAMES = {
  current_role: 'current_user',
  current_user: 'current_user',
  user: 'current_user',
  session_user: 'session_user',
  current_catalog: 'current_database',
  current_schema: 'current_schema',
} as const;

export function compileSqlValueFunction(node: SQLValueFunction): Eval {
  const info: CallInfo = {
    functionOid: 0 as Oid,
    argTypes: [],
    resultType: node.type,
    collation: COLLATION.c,
    variadic: false,
  };
  if (node.op in NAMES) {
    const name = NAMES[node.op as keyof typeof NAMES];
    return () => call(name, [], info);
  }
  const [convert, scale] = CLOCK[node.op as keyof typeof CLOCK];
  return () => {
    let value = call('now', [], info);
    if (convert !== '') value = call(convert, [value], info);
    return scale !== '' && node.typmod >= 0 ? call(scale, [value, node.typmod], info) : value;
  };
}
