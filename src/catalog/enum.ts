/** enum.ts — values of enum types: a value is the OID of its label's row in pg_enum.
 *
 *  Even OIDs of a type are in the order of their labels, so most comparisons read nothing. A label that this transaction
 *  added may not be used yet: were it rolled back, an index could keep its OID.
 *  Counterpart: src/backend/utils/adt/enum.c, the comparison of utils/cache/typcache.c, catalog/pg_enum.c */
import type { ArrayDatum } from '#adt/datum.ts';
import { type CallInfo, registerBuiltins, registerCallInfoBuiltins } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import { catalogInsert, catalogUpdateColumns, catalogValues } from '#catalog/indexing.ts';
import { getNewOidWithIndex } from '#catalog/new-oid.ts';
import { formatType } from '#catalog/format-type.ts';
import { RELATION } from '#catalog/oids.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { type EnumRow, store } from '#catalog/rows.ts';
import { findCatalogTuples } from '#catalog/systable.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { lockDatabaseObject } from '#storage/lmgr/lmgr.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { registerXactParticipant, XACT_RANK } from '#transam/xact-callbacks.ts';
import { commandCounterIncrement } from '#transam/xact.ts';

const ENUM_OID_INDEX = 3502 as Oid;
const uncommitted = new Set<Oid>();
registerXactParticipant({
  name: 'enum labels',
  rank: XACT_RANK.namespace,
  atCommit: () => uncommitted.clear(),
  atAbort: () => uncommitted.clear(),
});

/** Labels in their order. */
export const enumLabels = (type: Oid): EnumRow[] =>
  [...store.enum.by('enumtypid', type)].sort((a, b) => a.enumsortorder - b.enumsortorder);
const enumRow = (oid: Oid): EnumRow =>
  store.enum.byOid(oid) ??
  report('ERROR', {
    code: SQLSTATE.invalidBinaryRepresentation,
    message: `invalid internal value for enum: ${oid}`,
  });

function checkSafeUse(row: EnumRow): EnumRow {
  if (uncommitted.has(row.oid)) {
    report('ERROR', {
      code: SQLSTATE.unsafeNewEnumValueUsage,
      message: `unsafe use of new value "${row.enumlabel}" of enum type ${formatType(row.enumtypid)}`,
      hint: 'New enum values must be committed before they can be used.',
    });
  }
  return row;
}
function enumIn(text: string, type: Oid): Oid {
  const row = store.enum.by('enumtypid', type).find((one) => one.enumlabel === text);
  if (row === undefined) {
    return report('ERROR', {
      code: SQLSTATE.invalidTextRepresentation,
      message: `invalid input value for enum ${formatType(type)}: "${text}"`,
    });
  }
  return checkSafeUse(row).oid;
}
export function compareEnum(a: Oid, b: Oid): number {
  if (a === b) return 0;
  if ((a & 1) === 0 && (b & 1) === 0) return a < b ? -1 : 1;
  return enumRow(a).enumsortorder < enumRow(b).enumsortorder ? -1 : 1;
}

registerBuiltins({
  enum_in: enumIn,
  enum_out: (value: Oid) => enumRow(value).enumlabel,
  enum_send: (value: Oid) => new TextEncoder().encode(enumRow(value).enumlabel),
  enum_eq: (a: Oid, b: Oid) => a === b,
  enum_ne: (a: Oid, b: Oid) => a !== b,
  enum_lt: (a: Oid, b: Oid) => compareEnum(a, b) < 0,
  enum_gt: (a: Oid, b: Oid) => compareEnum(a, b) > 0,
  enum_le: (a: Oid, b: Oid) => compareEnum(a, b) <= 0,
  enum_ge: (a: Oid, b: Oid) => compareEnum(a, b) >= 0,
  enum_cmp: compareEnum,
  enum_smaller: (a: Oid, b: Oid) => (compareEnum(a, b) < 0 ? a : b),
  enum_larger: (a: Oid, b: Oid) => (compareEnum(a, b) > 0 ? a : b),
});

function typeOfCall(info: CallInfo): Oid {
  const type = info.argTypes[0] ?? (0 as Oid);
  if (type === 0) {
    report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'could not determine actual enum type' });
  }
  return type;
}
function edge(info: CallInfo, last: boolean): Oid {
  const labels = enumLabels(typeOfCall(info));
  const row = last ? labels[labels.length - 1] : labels[0];
  if (row === undefined) {
    return report('ERROR', {
      code: SQLSTATE.objectNotInPrerequisiteState,
      message: `enum ${formatType(typeOfCall(info))} contains no values`,
    });
  }
  return checkSafeUse(row).oid;
}
function range(info: CallInfo, from: Oid | null, to: Oid | null): ArrayDatum {
  const type = typeOfCall(info);
  const labels = enumLabels(type);
  const start = from === null ? 0 : labels.findIndex((row) => row.oid === from);
  const end = to === null ? labels.length - 1 : labels.findIndex((row) => row.oid === to);
  const elements = labels.slice(start, end + 1).map((row) => checkSafeUse(row).oid);
  const isEmpty = elements.length === 0;
  return {
    kind: 'array',
    elementType: type,
    dims: isEmpty ? [] : [elements.length],
    lowerBounds: isEmpty ? [] : [1],
    elements,
  };
}
registerCallInfoBuiltins({
  enum_recv: (info, bytes: Uint8Array) => enumIn(new TextDecoder().decode(bytes), info.argTypes[1] ?? (0 as Oid)),
  enum_first: (info) => edge(info, false),
  enum_last: (info) => edge(info, true),
  enum_range_all: (info) => range(info, null, null),
  enum_range_bounds: (info, from: Oid | null, to: Oid | null) => range(info, from, to),
});

// ── pg_enum ──────────────────────────────────────────────────────────────────────────────────────────────────────

function checkLabel(label: string): void {
  if (new TextEncoder().encode(label).length > 63) {
    report('ERROR', {
      code: SQLSTATE.invalidName,
      message: `invalid enum label "${label}"`,
      detail: 'Labels must be 63 bytes or less.',
    });
  }
}
/** EnumValuesCreate(): OIDs that are even and ascend. */
export function createEnumValues(type: Oid, labels: readonly string[]): void {
  const rel = tableOpen(RELATION.pgEnum, LOCK.rowExclusive);
  const oids = labels.map(() => {
    for (;;) {
      const oid = getNewOidWithIndex(rel, ENUM_OID_INDEX);
      if ((oid & 1) === 0) return oid;
    }
  });
  oids.sort((a, b) => a - b);
  labels.forEach((label, i) => {
    checkLabel(label);
    const row = { oid: oids[i]!, enumtypid: type, enumsortorder: i + 1, enumlabel: label };
    catalogInsert(rel, catalogValues(rel, row));
  });
  relationClose(rel, LOCK.rowExclusive);
}

function isNoLabel(label: string): never {
  report('ERROR', { code: SQLSTATE.invalidParameterValue, message: `"${label}" is not an existing enum label` });
}

/** AddEnumLabel(): at the end, or beside a neighbour. */
export function addEnumLabel(
  type: Oid,
  label: string,
  neighbor: string | null,
  isAfter: boolean,
  skipIfExists: boolean,
): void {
  checkLabel(label);
  lockDatabaseObject(RELATION.pgType, type, 0, LOCK.exclusive);
  if (enumLabels(type).some((row) => row.enumlabel === label)) {
    const message = `enum label "${label}" already exists`;
    if (!skipIfExists) report('ERROR', { code: SQLSTATE.duplicateObject, message });
    report('NOTICE', { code: SQLSTATE.duplicateObject, message: `${message}, skipping` });
    return;
  }
  const rel = tableOpen(RELATION.pgEnum, LOCK.rowExclusive);
  let order = orderBeside(enumLabels(type), neighbor, isAfter);
  if (order === null) {
    // No number is left between the neighbours.
    renumber(rel, type);
    order = orderBeside(enumLabels(type), neighbor, isAfter)!;
  }
  const existing = enumLabels(type);
  let oid: Oid;
  for (;;) {
    oid = getNewOidWithIndex(rel, ENUM_OID_INDEX);
    const sortsWell = existing.every(
      (row) => (row.oid & 1) === 1 || (row.enumsortorder < order! ? row.oid < oid : row.oid > oid),
    );
    // Even only if the order of the numbers is that of the labels.
    if (sortsWell === ((oid & 1) === 0)) break;
  }
  catalogInsert(rel, catalogValues(rel, { oid, enumtypid: type, enumsortorder: order, enumlabel: label }));
  relationClose(rel, LOCK.rowExclusive);
  uncommitted.add(oid);
}
function orderBeside(labels: readonly EnumRow[], neighbor: string | null, isAfter: boolean): number | null {
  if (neighbor === null) return labels.length === 0 ? 1 : labels[labels.length - 1]!.enumsortorder + 1;
  const at = labels.findIndex((row) => row.enumlabel === neighbor);
  if (at < 0) isNoLabel(neighbor);
  const here = labels[at]!.enumsortorder;
  const other = labels[isAfter ? at + 1 : at - 1]?.enumsortorder;
  if (other === undefined) return isAfter ? here + 1 : here - 1;
  const between = Math.fround((here + other) / 2);
  return between === here || between === other ? null : between;
}
function renumber(rel: ReturnType<typeof tableOpen>, type: Oid): void {
  const found = findCatalogTuples(store.enum, rel, 0, [{ attnum: 2, value: type }]);
  found.sort((a, b) => b.row.enumsortorder - a.row.enumsortorder);
  found.forEach(({ tid, row }, i) => {
    const order = found.length - i;
    if (row.enumsortorder !== order) catalogUpdateColumns(rel, tid, { enumsortorder: order });
  });
  commandCounterIncrement();
}
/** RenameEnumLabel(). */
export function renameEnumLabel(type: Oid, from: string, to: string): void {
  checkLabel(to);
  lockDatabaseObject(RELATION.pgType, type, 0, LOCK.exclusive);
  const rel = tableOpen(RELATION.pgEnum, LOCK.rowExclusive);
  const found = findCatalogTuples(store.enum, rel, 0, [{ attnum: 2, value: type }]);
  const old = found.find(({ row }) => row.enumlabel === from);
  if (old === undefined) isNoLabel(from);
  if (found.some(({ row }) => row.enumlabel === to)) {
    report('ERROR', { code: SQLSTATE.duplicateObject, message: `enum label "${to}" already exists` });
  }
  catalogUpdateColumns(rel, old.tid, { enumlabel: to });
  relationClose(rel, LOCK.rowExclusive);
}
