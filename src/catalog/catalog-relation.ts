/** catalog-relation.ts — catalogs as relations: what a sequential scan over pg_class reads.
 *
 *  Rows come from the generated facts; a catalog is turned into Datums, one vector per column, when it is first
 *  scanned, and kept, so that repeated scans (psql's \d) cost no parsing. Catalogs that this server changes are fed by a
 *  provider instead (pg_authid by roles.ts). Whoever reads goes through `openCatalog` only, so that heap tables can
 *  take the place of both. */
import type { ArrayDatum, Datum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';
import { type CatalogName, type Field, factTable, hasFacts, parseSimpleArray } from '#catalog/facts.ts';
import { TYPE } from '#catalog/oids.ts';
import { allMemberships, allRoles } from '#catalog/roles.ts';
import type { AttributeRow } from '#catalog/rows.ts';
import { attributes, classRow, typeRow } from '#catalog/syscache.ts';

export interface CatalogScan {
  readonly columns: readonly AttributeRow[];
  /** The next row in attribute order, or null. The array belongs to the reader until the next call. */
  next(): Datum[] | null;
  end(): void;
}

/** Gives all rows of a catalog at once. */
export type CatalogProvider = () => Iterable<readonly Datum[]>;
const providers = new Map<string, CatalogProvider>();
export function setCatalogProvider(catalog: string, provider: CatalogProvider): void {
  providers.set(catalog, provider);
}

const NUMBERS: ReadonlySet<Oid> = new Set([
  TYPE.int2,
  TYPE.int4,
  TYPE.oid,
  TYPE.xid,
  TYPE.cid,
  TYPE.float4,
  TYPE.float8,
  TYPE.regproc,
  TYPE.regclass,
  TYPE.regtype,
]);

const arrayOf = (elementType: Oid, lowerBound: number, elements: readonly Datum[]): ArrayDatum =>
  elements.length === 0 && lowerBound === 1
    ? { kind: 'array', elementType, dims: [], lowerBounds: [], elements: [] }
    : { kind: 'array', elementType, dims: [elements.length], lowerBounds: [lowerBound], elements };

/** How a column's text becomes a Datum. */
function reader(type: Oid): (field: Field) => Datum {
  if (type === TYPE.bool) return (f) => (f === null ? null : f === 't');
  if (NUMBERS.has(type)) return (f) => (f === null ? null : Number(f));
  if (type === TYPE.oidvector || type === TYPE.int2vector) {
    const element = type === TYPE.oidvector ? TYPE.oid : TYPE.int2;
    return (f) => (f === null ? null : arrayOf(element, 0, f === '' ? [] : f.split(' ').map(Number)));
  }
  const row = typeRow(type)!;
  if (row.typcategory === 'A' && row.typelem !== 0) {
    const element = reader(row.typelem);
    return (f) => (f === null ? null : arrayOf(row.typelem, 1, parseSimpleArray(f).map(element)));
  }
  return (f) => f;
}

/** All columns of a catalog as vectors of Datums. */
function decodeFacts(name: CatalogName, columns: readonly AttributeRow[]): readonly (readonly Datum[])[] {
  const table = factTable(name);
  const positions = columns.map((c) => table.columnIndex(c.attname));
  const readers = columns.map((c) => reader(c.atttypid));
  const vectors: Datum[][] = columns.map(() => new Array<Datum>(table.count));
  for (let row = 0; row < table.count; row++) {
    const fields = table.fields(row);
    for (let c = 0; c < vectors.length; c++) vectors[c]![row] = readers[c]!(fields[positions[c]!]!);
  }
  return vectors;
}
const decoded = new Map<Oid, readonly (readonly Datum[])[]>();

export function openCatalog(relid: Oid): CatalogScan {
  const columns = attributes(relid);
  const name = classRow(relid)?.relname ?? '';
  const provider = providers.get(name);
  if (provider !== undefined) return scanRows(columns, provider());
  if (!hasFacts(name)) return { columns, next: () => null, end() {} };
  let facts = decoded.get(relid);
  if (facts === undefined) {
    facts = decodeFacts(name, columns);
    decoded.set(relid, facts);
  }
  const vectors = facts;
  const count = factTable(name).count;
  const width = vectors.length;
  const row: Datum[] = new Array<Datum>(width).fill(null);
  let at = 0;
  return {
    columns,
    next() {
      if (at >= count) return null;
      for (let c = 0; c < width; c++) row[c] = vectors[c]![at]!;
      at++;
      return row;
    },
    end() {},
  };
}

function scanRows(columns: readonly AttributeRow[], rows: Iterable<readonly Datum[]>): CatalogScan {
  const iterator = rows[Symbol.iterator]();
  return {
    columns,
    next() {
      const step = iterator.next();
      return step.done === true ? null : [...step.value];
    },
    end() {
      iterator.return?.();
    },
  };
}

/** ±infinity of timestamptz. */
const FOREVER = 9223372036854775807n;
setCatalogProvider('pg_authid', function* () {
  for (const r of allRoles()) {
    const until = r.validUntil === Number.POSITIVE_INFINITY ? FOREVER : r.validUntil;
    yield [
      r.oid,
      r.name,
      r.superuser,
      r.inherit,
      r.createRole,
      r.createDb,
      r.canLogin,
      r.replication,
      r.bypassRls,
      r.connectionLimit,
      r.secret,
      until,
    ];
  }
});
setCatalogProvider('pg_auth_members', function* () {
  for (const m of allMemberships()) yield [m.role, m.member, m.grantor, m.adminOption];
});
