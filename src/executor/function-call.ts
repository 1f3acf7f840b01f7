/** function-call.ts — from a pg_proc OID to something that can be called.
 *
 *  A function whose code does not exist yet is an error of the moment it is called, not of planning, so that
 *  preparing and explaining a query never fails for it.
 *  Counterpart: fmgr_info() of src/backend/utils/fmgr/fmgr.c */
import type { Datum, RecordDatum } from '#adt/datum.ts';
import { type Builtin, builtin, type CallInfo, type SetIterator } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import { formatType } from '#catalog/format-type.ts';
import { LANGUAGE } from '#catalog/oids.ts';
import type { ProcRow } from '#catalog/rows.ts';
import { procRow } from '#catalog/syscache.ts';
import { functionGuard } from '#executor/permissions.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

/** Runs the body of an SQL-language function. Installed by the layer that owns parser and planner. */
export interface SqlFunctionExecutor {
  /** Value of a function that returns no set. */
  call(info: CallInfo, args: readonly Datum[]): Datum;
  /** Rows of one that does. */
  open(info: CallInfo, args: readonly Datum[]): SetIterator;
}
let sqlFunctions: SqlFunctionExecutor | undefined;
export function setSqlFunctionExecutor(executor: SqlFunctionExecutor): void {
  sqlFunctions = executor;
}

export function needProc(oid: Oid): ProcRow {
  const row = procRow(oid);
  if (row === undefined) {
    return report('ERROR', { code: SQLSTATE.undefinedFunction, message: `function with OID ${oid} does not exist` });
  }
  return row;
}

/** `name(type, type)` with types as SQL names them. */
export function signature(proc: ProcRow): string {
  return `${proc.proname}(${proc.proargtypes.map(formatType).join(', ')})`;
}
export function notImplemented(proc: ProcRow): never {
  return report('ERROR', {
    code: SQLSTATE.featureNotSupported,
    message: `function ${signature(proc)} is not implemented`,
  });
}

/** A function of n Datums without any null handling. */
export type RawCall = (...args: Datum[]) => Datum;

/** The code of a function as a plain call. Strictness is left to the caller. */
export function rawCall(info: CallInfo): RawCall {
  const proc = needProc(info.functionOid);
  const call = unguardedCall(info, proc);
  const guard = functionGuard(proc);
  if (guard === null) return call;
  return (...args) => {
    guard();
    return call(...args);
  };
}
function unguardedCall(info: CallInfo, proc: ProcRow): RawCall {
  if (proc.prolang === LANGUAGE.sql) {
    return (...args) => {
      if (sqlFunctions === undefined) return notImplemented(proc);
      return sqlFunctions.call(info, args);
    };
  }
  const code = builtin(proc.prosrc);
  if (code === undefined) return () => notImplemented(proc);
  switch (code.style) {
    case 'plain':
      return code.call;
    case 'callinfo': {
      const call = code.call;
      return (a, b, c, d, ...rest) => {
        // Spelled out for the common arities: a rest argument costs an array per call.
        switch (info.argTypes.length) {
          case 0:
            return call(info);
          case 1:
            return call(info, a);
          case 2:
            return call(info, a, b);
          case 3:
            return call(info, a, b, c);
          case 4:
            return call(info, a, b, c, d);
          default:
            return call(info, a, b, c, d, ...rest);
        }
      };
    }
    case 'set':
      return () =>
        report('ERROR', {
          code: SQLSTATE.featureNotSupported,
          message: 'set-valued function called in context that cannot accept a set',
        });
  }
}

/** A call with fixed types, for support functions (comparison, equality, transition). */
export function directCall(oid: Oid, argTypes: readonly Oid[], resultType: Oid, collation: Oid): RawCall {
  return rawCall({ functionOid: oid, argTypes, resultType, collation, variadic: false });
}

const exhausted: SetIterator = { next: () => false, value: null };

/** One-row set from a function that returns no set. */
function once(value: Datum): SetIterator {
  let given = false;
  return {
    value,
    next() {
      if (given) return false;
      given = true;
      return true;
    },
  };
}

/** Opens a function as a set of rows, whatever its kind: a plain function gives one row. */
export function setCall(info: CallInfo): (args: readonly Datum[]) => SetIterator {
  const proc = needProc(info.functionOid);
  const guard = functionGuard(proc);
  const inner = unguardedSetCall(info, proc);
  const open =
    guard === null
      ? inner
      : (args: readonly Datum[]): SetIterator => {
          guard();
          return inner(args);
        };
  if (!proc.proisstrict) return open;
  // A strict set-returning function of a null is the empty set; a plain one is one null row.
  const ofNull = proc.proretset ? () => exhausted : () => once(null);
  return (args) => (args.includes(null) ? ofNull() : open(args));
}
function unguardedSetCall(info: CallInfo, proc: ProcRow): (args: readonly Datum[]) => SetIterator {
  if (proc.prolang === LANGUAGE.sql) {
    return (args) => {
      if (sqlFunctions === undefined) return notImplemented(proc);
      return proc.proretset ? sqlFunctions.open(info, args) : once(sqlFunctions.call(info, args));
    };
  }
  const code: Builtin | undefined = builtin(proc.prosrc);
  if (code === undefined) return () => notImplemented(proc);
  if (code.style === 'set') {
    const call = code.call;
    return (args) => call(info, ...args);
  }
  const call = rawCall(info);
  return (args) => once(call(...args));
}

export const isRecord = (value: Datum | readonly Datum[]): value is RecordDatum =>
  value !== null && typeof value === 'object' && !Array.isArray(value) && (value as RecordDatum).kind === 'record';
