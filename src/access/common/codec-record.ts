/** codec-record.ts — composite values: a heap tuple whose first 12 bytes are length, typmod and row type.
 *
 *  The columns are found through setRowDescLookup, dropped ones included: they are stored as nulls and do not appear in
 *  the Datum.
 *  Counterpart: HeapTupleHeader's DatumTupleFields, heap_copy_tuple_as_datum() */
import type { DatumCodec } from '#access/common/datum-codec.ts';
import { heapDeform, heapFormTuple, heapTupleLength } from '#access/common/heap-tuple.ts';
import type { TupleDesc } from '#access/common/relation-descriptor.ts';
import { setVarSize, withPlainBytes } from '#access/common/varlena.ts';
import type { Datum, RecordDatum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { mem } from '#shm/memory.ts';
import { Workspace } from '#shm/private-memory.ts';

let lookup: ((type: Oid, typmod: number) => TupleDesc | undefined) | undefined;
/** lookup_rowtype_tupdesc(), given by the catalog. */
export function setRowDescLookup(by: (type: Oid, typmod: number) => TupleDesc | undefined): void {
  lookup = by;
}
function rowDesc(type: Oid, typmod: number): TupleDesc {
  const desc = lookup?.(type, typmod);
  if (desc === undefined)
    report('ERROR', { code: SQLSTATE.wrongObjectType, message: 'record type has not been registered' });
  return desc;
}

function decodeRecord(data: number): RecordDatum {
  // The header's length word is part of the tuple header; a composite is never stored with a 1-byte header inside
  // itself, so the tuple begins 4 bytes before the data, wherever those bytes are.
  const at = data - 4;
  const typmod = mem.view.getInt32(at + 4, true);
  const desc = rowDesc(mem.view.getUint32(at + 8, true) as Oid, typmod);
  const all: Datum[] = [];
  heapDeform(desc, at, desc.natts, all);
  const live = desc.attrs.filter((a) => !a.isDropped);
  return {
    kind: 'record',
    types: live.map((a) => a.typeId),
    typmods: live.map((a) => a.typmod),
    names: live.map((a) => a.name),
    values: live.map((a) => all[a.number - 1]!),
  };
}

function form(typeId: Oid, record: RecordDatum, space: Workspace): number {
  const desc = rowDesc(typeId, -1);
  const values: Datum[] = [];
  let next = 0;
  for (const attr of desc.attrs) values.push(attr.isDropped ? null : (record.values[next++] ?? null));
  const at = heapFormTuple(desc, values, space);
  const length = heapTupleLength();
  setVarSize(at, length);
  mem.view.setInt32(at + 4, desc.typmod, true);
  mem.view.setUint32(at + 8, typeId, true);
  // The invalid item pointer: block 0xFFFFFFFF, offset 0.
  mem.view.setUint32(at + 12, 0xffff_ffff, true);
  mem.view.setUint16(at + 16, 0, true);
  return at;
}

export const compositeCodec = (typeId: Oid): DatumCodec => ({
  read: (at) => withPlainBytes(at, decodeRecord),
  size(value) {
    const space = new Workspace();
    form(typeId, value as RecordDatum, space);
    const length = heapTupleLength();
    space.free();
    return length;
  },
  bound(value) {
    return this.size(value);
  },
  write(to, value) {
    const space = new Workspace();
    const at = form(typeId, value as RecordDatum, space);
    const length = heapTupleLength();
    mem.u8.copyWithin(to, at, at + length);
    space.free();
    return length;
  },
});
