/** function-result.ts — which columns a function gives: one scalar, those of a composite type, or its OUT arguments.
 *  Counterpart: src/backend/utils/fmgr/funcapi.c */
import type { Oid } from '#base/ids.ts';
import { forgetOnChange } from '#catalog/catalog-change.ts';
import { RELATION, TYPE } from '#catalog/oids.ts';
import type { ProcRow } from '#catalog/rows.ts';
import { arrayTypeOf, attributes, baseType, elementType, rangeRow, typeCollation, typeRow } from '#catalog/syscache.ts';

export interface ResultColumns {
  readonly names: readonly string[];
  readonly types: readonly Oid[];
  readonly typmods: readonly number[];
  readonly collations: readonly Oid[];
}
export type FunctionResult =
  | { readonly kind: 'scalar'; readonly type: Oid }
  /** Columns are known. `type` is the composite type, or record for OUT arguments. */
  | { readonly kind: 'composite'; readonly type: Oid; readonly columns: ResultColumns }
  /** RECORD whose columns only a column definition list can tell. */
  | { readonly kind: 'record' }
  | { readonly kind: 'other' };

const columnsOfRelation = new Map<Oid, ResultColumns>();
forgetOnChange([RELATION.pgAttribute, RELATION.pgClass], () => columnsOfRelation.clear());
/** Columns of a composite type's relation (dropped ones included, with type 0). */
export function relationColumns(relid: Oid): ResultColumns {
  let found = columnsOfRelation.get(relid);
  if (found === undefined) {
    const list = attributes(relid);
    found = {
      names: list.map((a) => (a.attisdropped ? '' : a.attname)),
      types: list.map((a) => a.atttypid),
      typmods: list.map((a) => a.atttypmod),
      collations: list.map((a) => a.attcollation),
    };
    columnsOfRelation.set(relid, found);
  }
  return found;
}

export function typeResult(type: Oid): FunctionResult {
  const row = typeRow(type);
  if (row === undefined) return { kind: 'other' };
  switch (row.typtype) {
    case 'c':
      return { kind: 'composite', type, columns: relationColumns(row.typrelid) };
    case 'd': {
      const base = baseType(type);
      const relid = typeRow(base)?.typrelid ?? 0;
      return relid !== 0
        ? { kind: 'composite', type, columns: relationColumns(relid as Oid) }
        : { kind: 'scalar', type };
    }
    case 'p':
      if (type === TYPE.record) return { kind: 'record' };
      return type === TYPE.void || type === TYPE.cstring ? { kind: 'scalar', type } : { kind: 'other' };
    default:
      return { kind: 'scalar', type };
  }
}

/** What a call of the function gives. `actual` are the types of the call's arguments, to resolve polymorphic OUTs. */
export function functionResult(
  proc: ProcRow,
  actual: readonly Oid[],
  resultType: Oid = proc.prorettype,
): FunctionResult {
  const out = outColumns(proc, actual);
  return out !== null ? { kind: 'composite', type: TYPE.record, columns: out } : typeResult(resultType);
}

const outCache = new Map<Oid, ResultColumns>();
forgetOnChange([RELATION.pgProc], () => outCache.clear());
function outColumns(proc: ProcRow, actual: readonly Oid[]): ResultColumns | null {
  if (proc.prorettype !== TYPE.record || proc.proallargtypes === null || proc.proargmodes === null) return null;
  const hit = outCache.get(proc.oid);
  if (hit !== undefined) return hit;
  const names: string[] = [];
  const types: Oid[] = [];
  let polymorphic = false;
  for (let i = 0; i < proc.proallargtypes.length; i++) {
    const mode = proc.proargmodes[i]!;
    if (mode === 'i' || mode === 'v') continue;
    const declared = proc.proallargtypes[i]!;
    const type = resolveOut(declared, proc.proargtypes, actual);
    if (type !== declared) polymorphic = true;
    const name = proc.proargnames?.[i] ?? '';
    names.push(name === '' ? `column${names.length + 1}` : name);
    types.push(type);
  }
  if (types.length < 2) return null;
  const made = { names, types, typmods: types.map(() => -1), collations: types.map((t) => typeCollation(t)) };
  if (!polymorphic) outCache.set(proc.oid, made);
  return made;
}

/** A polymorphic OUT type, from the first argument that tells. */
function resolveOut(declared: Oid, wanted: readonly Oid[], actual: readonly Oid[]): Oid {
  const isElement = declared === TYPE.anyelement || declared === TYPE.anynonarray || declared === TYPE.anyenum;
  const isArray = declared === TYPE.anyarray;
  if (!isElement && !isArray && declared !== TYPE.anyrange) return declared;
  for (let i = 0; i < wanted.length; i++) {
    const given = actual[i] ?? (0 as Oid);
    const element =
      wanted[i] === TYPE.anyarray
        ? elementType(baseType(given))
        : wanted[i] === TYPE.anyrange
          ? (rangeRow(given)?.rngsubtype ?? (0 as Oid))
          : wanted[i] === TYPE.anyelement
            ? given
            : (0 as Oid);
    if (declared === TYPE.anyrange && wanted[i] === TYPE.anyrange) return given;
    if (element !== 0) return isArray ? arrayTypeOf(element) : element;
  }
  return declared;
}
