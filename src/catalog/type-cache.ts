/** type-cache.ts — what generic code knows about a type: its I/O functions, and how its values compare, equal and hash.
 *
 *  Comparison comes from the default btree operator class (support function 1), hashing from the default hash class.
 *  A function of the catalog that has no code here raises 0A000 naming itself, when it is called and not before.
 *  Counterpart: src/backend/utils/cache/typcache.c, the I/O parts of lsyscache.c */
import type { Datum } from '#adt/datum.ts';
import { type Builtin, builtin, setTypeInfoLookup, type TypeInfo } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import { forgetOnChange } from '#catalog/catalog-change.ts';
import { FIRST_NORMAL_OID, RELATION, TYPE } from '#catalog/oids.ts';
import type { TypeRow } from '#catalog/rows.ts';
import {
  baseType,
  btreeOpclass,
  familyMember,
  familyProc,
  hashOpclass,
  isTrueArrayType,
  operatorRow,
  procRow,
  typeRow,
} from '#catalog/syscache.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

/** Strategy of equality in hash operator families. */
const HASH_EQUAL = 1;

/** 0A000 for a function that exists in the catalog only. */
export function notImplemented(name: string): never {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `function ${name}() is not implemented` });
}

/** The code of a function, by OID; raises 0A000 if there is none. */
export function functionCode(oid: Oid): Builtin {
  const row = procRow(oid);
  if (row === undefined) {
    report('ERROR', { code: SQLSTATE.internalError, message: `cache lookup failed for function ${oid}` });
  }
  return builtin(row.prosrc) ?? notImplemented(row.proname);
}

// biome-ignore lint/suspicious/noExplicitAny: the catalog types these calls
type Call = (...args: any[]) => Datum;

/** A function as a plain call; `types` and `result` are what a call-info function is told. */
function callable(oid: Oid, types: readonly Oid[], result: Oid): Call {
  let call: Call | undefined;
  return (...args) => {
    if (call === undefined) {
      const code = functionCode(oid);
      if (code.style === 'plain') call = code.call;
      else if (code.style === 'callinfo') {
        const info = { functionOid: oid, argTypes: types, resultType: result, collation: 0 as Oid, variadic: false };
        call = (...rest) => code.call(info, ...rest);
      } else return notImplemented(procRow(oid)?.proname ?? '');
    }
    return call(...args);
  };
}

/** Comparisons get the collation as call info, so that text can tell C from others. */
export function collatedCall(oid: Oid, type: Oid): (a: Datum, b: Datum, collation: Oid) => Datum {
  let call: ((a: Datum, b: Datum, collation: Oid) => Datum) | undefined;
  return (a, b, collation) => {
    if (call === undefined) {
      const code = functionCode(oid);
      if (code.style === 'plain') call = code.call as (a: Datum, b: Datum) => Datum;
      else if (code.style === 'callinfo') {
        const infos = new Map<Oid, Parameters<typeof code.call>[0]>();
        call = (x, y, c) => {
          let info = infos.get(c);
          if (info === undefined) {
            info = { functionOid: oid, argTypes: [type, type], resultType: TYPE.int4, collation: c, variadic: false };
            infos.set(c, info);
          }
          return code.call(info, x, y);
        };
      } else return notImplemented(procRow(oid)?.proname ?? '');
    }
    return call(a, b, collation);
  };
}

/** The type whose functions take `type` over: arrays, records and the like compare by one function for all. */
function makeTypeInfo(row: TypeRow): TypeInfo {
  const { oid } = row;
  const ioParam = row.typelem !== 0 ? row.typelem : oid;
  const textual = [TYPE.cstring];
  const input = callable(row.typinput, textual, oid);
  const output = callable(row.typoutput, [oid], TYPE.cstring);
  const receive = row.typreceive === 0 ? undefined : callable(row.typreceive, [TYPE.internal], oid);
  const send = row.typsend === 0 ? undefined : callable(row.typsend, [oid], TYPE.bytea);
  const info: TypeInfo = {
    oid,
    name: row.typname,
    length: row.typlen,
    byValue: row.typbyval,
    align: row.typalign as TypeInfo['align'],
    delimiter: row.typdelim,
    category: row.typcategory,
    typtype: row.typtype,
    elementType: row.typelem,
    arrayType: row.typarray,
    ioParam,
    input: (text, typmod) => input(text, ioParam, typmod),
    output: (value) => output(value) as string,
    receive: (bytes, typmod) => {
      if (receive === undefined) noBinary('input', oid);
      return receive(bytes, ioParam, typmod);
    },
    send: (value) => {
      if (send === undefined) noBinary('output', oid);
      return send(value) as Uint8Array;
    },
    compare: undefined,
    equals: undefined,
    hash: undefined,
  };
  return lazyOperators(info, row);
}

function noBinary(direction: 'input' | 'output', oid: Oid): never {
  report('ERROR', {
    code: SQLSTATE.undefinedFunction,
    message: `no binary ${direction} function available for type ${typeRow(oid)?.typname ?? oid}`,
  });
}

/** Adds compare, equals and hash as properties that look into pg_amproc when first read. */
function lazyOperators(info: TypeInfo, row: TypeRow): TypeInfo {
  const define = <K extends 'compare' | 'equals' | 'hash'>(key: K, make: () => TypeInfo[K]): void => {
    Object.defineProperty(info, key, {
      configurable: true,
      enumerable: true,
      get: () => {
        const value = make();
        Object.defineProperty(info, key, { value, enumerable: true });
        return value;
      },
    });
  };
  define('compare', () => {
    const opclass = btreeOpclass(row.oid);
    if (opclass === undefined) return undefined;
    const proc = familyProc(opclass.opcfamily, opclass.opcintype, opclass.opcintype, 1);
    if (proc === 0 || !partsHave(row, 'compare')) return undefined;
    const call = collatedCall(proc, row.oid);
    return (a, b, collation) => call(a, b, collation) as number;
  });
  define('equals', () => {
    const compare = info.compare;
    if (compare !== undefined) return (a, b, collation) => compare(a, b, collation) === 0;
    // Without an order, the hash class says what is equal.
    const opclass = hashOpclass(row.oid);
    if (opclass === undefined || !partsHave(row, 'equals')) return undefined;
    const operator = operatorRow(familyMember(opclass.opcfamily, opclass.opcintype, opclass.opcintype, HASH_EQUAL));
    if (operator === undefined) return undefined;
    const call = collatedCall(operator.oprcode, row.oid);
    return (a, b, collation) => call(a, b, collation) === true;
  });
  define('hash', () => {
    const opclass = hashOpclass(row.oid);
    if (opclass === undefined) return undefined;
    const proc = familyProc(opclass.opcfamily, opclass.opcintype, opclass.opcintype, 1);
    if (proc === 0 || !partsHave(row, 'hash')) return undefined;
    const code = callable(proc, [row.oid], TYPE.int4);
    return (a) => code(a) as number;
  });
  return info;
}

/** An array can be compared only if its elements can. */
function partsHave(row: TypeRow, what: 'compare' | 'equals' | 'hash'): boolean {
  const base = baseType(row.oid);
  if (!isTrueArrayType(base)) return true;
  const element = typeRow(base)!.typelem;
  return lookupTypeInfo(element)[what] !== undefined;
}

const infos = new Map<Oid, TypeInfo>();
// Built-in types never change; others may be dropped and their OIDs used again.
forgetOnChange([RELATION.pgType, RELATION.pgOpclass, RELATION.pgAmproc, RELATION.pgProc], () => {
  for (const oid of infos.keys()) if (oid >= FIRST_NORMAL_OID) infos.delete(oid);
});
export function lookupTypeInfo(oid: Oid): TypeInfo {
  let info = infos.get(oid);
  if (info === undefined) {
    const row = typeRow(oid);
    if (row === undefined) {
      report('ERROR', { code: SQLSTATE.internalError, message: `cache lookup failed for type ${oid}` });
    }
    info = makeTypeInfo(row);
    infos.set(oid, info);
  }
  return info;
}

setTypeInfoLookup(lookupTypeInfo);
