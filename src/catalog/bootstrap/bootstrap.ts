/** bootstrap.ts — a database's first catalogs as files: heaps, TOAST tables, indexes, maps.
 *
 *  Two users: the build makes the whole template once (`bootstrapFiles`), and initdb makes again the two shared catalogs
 *  that its options change (`bootstrapSharedTable`: pg_authid, pg_database).
 *  Promises: what PostgreSQL 15 has after initdb, row for row, with its OIDs and file numbers; pages are packed afresh.
 *  Counterpart: src/backend/bootstrap/bootstrap.c, and what initdb.c runs after it */
import { PGLZ_DEFAULT, pglzCompress, pglzMaxOutput } from '#base/pglz.ts';
import type { Oid } from '#base/ids.ts';
import { buildBootstrapIndex, type IndexEntry, type Key } from '#catalog/bootstrap/btree.ts';
import { type BootstrapColumn, bootstrapColumns, bootstrapTable } from '#catalog/bootstrap/facts.ts';
import {
  BootstrapHeap,
  freeSpaceMap,
  formTuple,
  type Images,
  toastRow,
  visibilityMap,
} from '#catalog/bootstrap/heap.ts';
import { type BootstrapPage, concatenate } from '#catalog/bootstrap/page.ts';
import { encoderFor } from '#catalog/bootstrap/values.ts';
import { type Field, factTable } from '#catalog/facts.ts';
import { RELATION, TYPE } from '#catalog/oids.ts';
import { store } from '#catalog/rows.ts';

/** What a fresh cluster's horizons are: nothing has run. */
const FIRST_NORMAL_XID = '3';
const FIRST_MULTIXACT = '1';

/** Directory and file number → contents. */
export type Files = Map<string, Uint8Array>;
export type ExtraRows = ReadonlyMap<Oid, Field[][]>;

interface BuiltTable {
  readonly oid: Oid;
  readonly heap: BootstrapHeap;
  readonly toast: BootstrapHeap | undefined;
  readonly toastOid: Oid;
  /** Pages of each index, its TOAST table's included. */
  readonly indexes: Map<Oid, BootstrapPage[]>;
}

let valueIds = 0;
const scratch = { bytes: new Uint8Array(0) };
function compress(data: Uint8Array): Uint8Array | undefined {
  const room = pglzMaxOutput(data.length);
  if (scratch.bytes.length < room) scratch.bytes = new Uint8Array(room);
  const length = pglzCompress(data, 0, data.length, scratch.bytes, 0, PGLZ_DEFAULT);
  return length < 0 ? undefined : scratch.bytes.slice(0, length);
}

/** Sort key of a value in an index: name and text are in collation C. */
function keyOf(type: Oid, image: Uint8Array): Key {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  switch (type) {
    case TYPE.oid:
    case TYPE.regproc:
      return view.getUint32(0, true);
    case TYPE.int4:
      return view.getInt32(0, true);
    case TYPE.int2:
      return view.getInt16(0, true);
    case TYPE.char:
    case TYPE.bool:
      return image[0]!;
    case TYPE.float4:
      return view.getFloat32(0, true);
    case TYPE.name: {
      const end = image.indexOf(0);
      return image.subarray(0, end < 0 ? image.length : end);
    }
    case TYPE.text:
      return image.subarray(4);
    case TYPE.oidvector: {
      // Shorter vectors first, then element by element: big-endian bytes compare the same way.
      const count = view.getInt32(16, true);
      const key = new Uint8Array(4 + 4 * count);
      const out = new DataView(key.buffer);
      out.setUint32(0, count);
      for (let i = 0; i < count; i++) out.setUint32(4 + 4 * i, view.getUint32(24 + 4 * i, true));
      return key;
    }
    default:
      throw new Error(`no index of a catalog was expected over type ${type}`);
  }
}
const cutName = (image: Uint8Array): Uint8Array => image.slice(0, image.indexOf(0) + 1);

/** Has the operator class a support function saying that equal values have equal bytes? */
function allEqualImage(opclasses: readonly Oid[]): boolean {
  return opclasses.every((oid) => {
    const opclass = store.opclass.byOid(oid)!;
    return store.amproc
      .by('amprocfamily', opclass.opcfamily)
      .some(
        (p) => p.amprocnum === 4 && p.amproclefttype === opclass.opcintype && p.amprocrighttype === opclass.opcintype,
      );
  });
}

interface PlacedRow {
  readonly images: Images;
  readonly block: number;
  readonly offset: number;
}
function buildIndexes(
  relid: Oid,
  columns: readonly BootstrapColumn[],
  rows: readonly PlacedRow[],
  into: Map<Oid, BootstrapPage[]>,
): void {
  for (const index of store.index.by('indrelid', relid)) {
    const indexColumns = bootstrapColumns(index.indexrelid);
    const attributes = index.indkey.map((attnum) => attnum - 1);
    const entries = rows.map((row): IndexEntry => {
      const values = attributes.map((attribute) => row.images[attribute]!);
      return {
        keys: values.map((image, i) => (image === null ? null : keyOf(columns[attributes[i]!]!.typeId, image))),
        // name_ops keeps a cstring.
        images: values.map((image, i) =>
          image !== null && indexColumns[i]!.typeId === TYPE.cstring ? cutName(image) : image,
        ),
        block: row.block,
        offset: row.offset,
      };
    });
    into.set(
      index.indexrelid,
      buildBootstrapIndex(
        { columns: indexColumns, unique: index.indisunique, allEqualImage: allEqualImage(index.indclass) },
        entries,
      ),
    );
  }
}

/** One table with all that belongs to it. */
function buildTable(oid: Oid, columns: readonly BootstrapColumn[], fields: readonly (readonly Field[])[]): BuiltTable {
  const heap = new BootstrapHeap();
  const toastOid = store.class.byOid(oid)!.reltoastrelid;
  const toast = toastOid === 0 ? undefined : new BootstrapHeap();
  const chunks: PlacedRow[] = [];
  const toastColumns = toastOid === 0 ? [] : bootstrapColumns(toastOid);
  const encoders = columns.map((column) => encoderFor(column.typeId));
  const rows = fields.map((row): PlacedRow => {
    const given = row.map((field, i) => (field === null ? null : encoders[i]!(field)));
    const stored =
      toast === undefined
        ? given
        : toastRow(columns, given, {
            toastRelid: toastOid,
            columns: toastColumns,
            heap: toast,
            added: (images, at) => void chunks.push({ images, ...at }),
            nextValueId: () => valueIds++ as Oid,
            compress,
          });
    return { images: given, ...heap.insert(formTuple(columns, stored)) };
  });
  const indexes = new Map<Oid, BootstrapPage[]>();
  buildIndexes(oid, columns, rows, indexes);
  if (toast !== undefined) buildIndexes(toastOid, toastColumns, chunks, indexes);
  return { oid, heap, toast, toastOid, indexes };
}

function heapFiles(path: string, heap: BootstrapHeap, files: Files): void {
  files.set(path, concatenate(heap.pages));
  if (heap.pages.length === 0) return;
  files.set(`${path}_fsm`, freeSpaceMap(heap.pages));
  files.set(`${path}_vm`, visibilityMap(heap.pages.length));
}
function tableFiles(folder: string, table: BuiltTable, files: Files): void {
  heapFiles(`${folder}/${table.oid}`, table.heap, files);
  if (table.toast !== undefined) heapFiles(`${folder}/${table.toastOid}`, table.toast, files);
  for (const [oid, pages] of table.indexes) files.set(`${folder}/${oid}`, concatenate(pages));
}

/** Size of a relation as pg_class tells it. */
interface Size {
  readonly pages: number;
  readonly tuples: number;
  readonly visible: number;
}
function sizesOf(table: BuiltTable, sizes: Map<Oid, Size>): void {
  const ofHeap = (heap: BootstrapHeap): Size => ({
    pages: heap.pages.length,
    tuples: heap.tuples,
    visible: heap.pages.length,
  });
  sizes.set(table.oid, ofHeap(table.heap));
  if (table.toast !== undefined) sizes.set(table.toastOid, ofHeap(table.toast));
  for (const [oid, pages] of table.indexes) {
    const tuples =
      store.index.byOid(oid, 'indexrelid')!.indrelid === table.oid ? table.heap.tuples : table.toast!.tuples;
    sizes.set(oid, { pages: pages.length, tuples, visible: 0 });
  }
}

const databaseFields = ({ columns, rows }: { columns: readonly string[]; rows: Field[][] }): Field[][] => {
  const frozen = columns.indexOf('datfrozenxid');
  const minMulti = columns.indexOf('datminmxid');
  return rows.map((row) => row.map((f, i) => (i === frozen ? FIRST_NORMAL_XID : i === minMulti ? FIRST_MULTIXACT : f)));
};

/** pg_class tells the sizes and horizons of all relations, its own included. */
function classFields(sizes: ReadonlyMap<Oid, Size>): Field[][] {
  const table = factTable('pg_class');
  const at = (column: string): number => table.columnIndex(column);
  const [oid, pages, tuples, visible] = [at('oid'), at('relpages'), at('reltuples'), at('relallvisible')];
  const [frozen, minMulti] = [at('relfrozenxid'), at('relminmxid')];
  return Array.from({ length: table.count }, (_, row) => {
    const fields = table.fields(row);
    const size = sizes.get(Number(fields[oid]) as Oid);
    fields[pages] = String(size?.pages ?? 0);
    fields[tuples] = String(size?.tuples ?? -1);
    fields[visible] = String(size?.visible ?? 0);
    if (fields[frozen] !== '0') fields[frozen] = FIRST_NORMAL_XID;
    if (fields[minMulti] !== '0') fields[minMulti] = FIRST_MULTIXACT;
    // A table that VACUUM found empty was still looked at.
    return fields;
  });
}

const folderOf = (shared: boolean): string => (shared ? 'global' : 'base/1');

/** Every relation file of template1 and global. */
export function bootstrapFiles(extra: ExtraRows): Files {
  valueIds = 12000;
  const files: Files = new Map();
  const sizes = new Map<Oid, Size>();
  const tables = store.class.all().filter((c) => c.relkind === 'r');
  for (const { oid, relname, relisshared } of tables) {
    if (oid === RELATION.pgClass) continue;
    const { columns, rows } = bootstrapTable(oid, relname, extra);
    const fields = oid === RELATION.pgDatabase ? databaseFields({ columns: columns.map((c) => c.name), rows }) : rows;
    const built = buildTable(oid, columns, fields);
    sizesOf(built, sizes);
    tableFiles(folderOf(relisshared), built, files);
  }
  const columns = bootstrapColumns(RELATION.pgClass);
  // The numbers have a fixed width, so the first pass finds the sizes that the second one writes.
  sizesOf(buildTable(RELATION.pgClass, columns, classFields(sizes)), sizes);
  tableFiles(folderOf(false), buildTable(RELATION.pgClass, columns, classFields(sizes)), files);
  return files;
}

/** A shared table made again with other values: `change` gets each row by column name. */
export function bootstrapSharedTable(
  oid: Oid,
  name: 'pg_authid' | 'pg_database',
  change: (row: Record<string, Field>) => void,
): Files {
  const { columns, rows } = bootstrapTable(oid, name, new Map());
  const names = columns.map((c) => c.name);
  const fields = (oid === RELATION.pgDatabase ? databaseFields({ columns: names, rows }) : rows).map((row) => {
    const named = Object.fromEntries(names.map((column, i) => [column, row[i]!]));
    change(named);
    return names.map((column) => named[column]!);
  });
  const files: Files = new Map();
  tableFiles('global', buildTable(oid, columns, fields), files);
  return files;
}
