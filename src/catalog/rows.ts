/** rows.ts — the columns of each catalog that code reads by name, and how their text becomes a value.
 *
 *  A row type is derived from its table of readers, so a column is declared once. `store` answers from two sources: the
 *  built-in rows from the facts, which all processes inherit, as long as nobody changed them (catalog-state.ts), all
 *  others from the tables (table-rows.ts). Columns nobody reads by name are visible in SQL only.
 *  Counterpart: the FormData_pg_* structs of src/include/catalog/pg_*.h */
import type { ArrayDatum, Datum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';
import { type CatalogName, type Field, factTable, hasFacts, parseSimpleArray } from '#catalog/facts.ts';

/** A column's value from a fact's text, and from a heap tuple's Datum. */
interface Reader<T> {
  text(field: Field): T;
  datum(value: Datum): T;
}
const elementsOf = (value: Datum): readonly Datum[] => (value as ArrayDatum).elements;
const oid: Reader<Oid> = { text: (f) => Number(f) as Oid, datum: (d) => Number(d) as Oid };
const int: Reader<number> = { text: (f) => Number(f), datum: (d) => Number(d) };
const int8: Reader<bigint> = { text: (f) => BigInt(f ?? 0), datum: (d) => BigInt(d as number | bigint) };
const bool: Reader<boolean> = { text: (f) => f === 't', datum: (d) => d === true };
const text: Reader<string> = { text: (f) => f ?? '', datum: (d) => (d as string | null) ?? '' };
const nullable: Reader<string | null> = { text: (f) => f, datum: (d) => d as string | null };
/** timestamptz: microseconds since 2000, ±Infinity, or null. No fact has one. */
const timestamp: Reader<number | null> = {
  text: () => null,
  datum: (d) => (d === null ? null : d === FOREVER ? Number.POSITIVE_INFINITY : Number(d)),
};
const FOREVER = 9223372036854775807n;
const oidvector: Reader<readonly Oid[]> = {
  text: (f) => (f === null || f === '' ? [] : (f.split(' ').map(Number) as Oid[])),
  datum: (d) => (d === null ? [] : (elementsOf(d) as Oid[])),
};
const ints: Reader<readonly number[]> = {
  text: (f) => (f === null || f === '' ? [] : f.split(' ').map(Number)),
  datum: (d) => (d === null ? [] : (elementsOf(d) as number[])),
};
const oidArray: Reader<readonly Oid[] | null> = {
  text: (f) => (f === null ? null : (parseSimpleArray(f).map(Number) as Oid[])),
  datum: (d) => (d === null ? null : (elementsOf(d) as Oid[])),
};
const intArray: Reader<readonly number[] | null> = {
  text: (f) => (f === null ? null : parseSimpleArray(f).map(Number)),
  datum: (d) => (d === null ? null : (elementsOf(d) as number[])),
};
const textArray: Reader<readonly string[] | null> = {
  text: (f) => (f === null ? null : parseSimpleArray(f)),
  datum: (d) => (d === null ? null : (elementsOf(d) as string[])),
};
/** Access lists. In the facts the bootstrap superuser is called postgres; what it is called here only the cluster knows,
 *  so it is written by its OID behind a mark that no name has (acl.ts). */
export const OID_MARK = '\u0001';
const acl: Reader<readonly string[] | null> = {
  text: (f) =>
    f === null ? null : parseSimpleArray(f).map((item) => item.replace(/(^|\/)postgres(?==|$)/g, `$1${OID_MARK}10`)),
  datum: (d) => (d === null ? null : (elementsOf(d) as string[])),
};

type Spec = Readonly<Record<string, Reader<unknown>>>;
type RowOf<S extends Spec> = { readonly [K in keyof S]: S[K] extends Reader<infer T> ? T : never };

const pgType = {
  oid,
  typname: text,
  typnamespace: oid,
  typowner: oid,
  typlen: int,
  typbyval: bool,
  typtype: text,
  typcategory: text,
  typispreferred: bool,
  typisdefined: bool,
  typdelim: text,
  typrelid: oid,
  typsubscript: oid,
  typelem: oid,
  typarray: oid,
  typinput: oid,
  typoutput: oid,
  typreceive: oid,
  typsend: oid,
  typmodin: oid,
  typmodout: oid,
  typalign: text,
  typstorage: text,
  typnotnull: bool,
  typbasetype: oid,
  typtypmod: int,
  typcollation: oid,
  typdefaultbin: nullable,
  typdefault: nullable,
  typacl: acl,
};
const pgProc = {
  oid,
  proname: text,
  pronamespace: oid,
  proowner: oid,
  prolang: oid,
  procost: int,
  prorows: int,
  provariadic: oid,
  prosupport: oid,
  prokind: text,
  prosecdef: bool,
  proleakproof: bool,
  proisstrict: bool,
  proretset: bool,
  provolatile: text,
  proparallel: text,
  pronargs: int,
  pronargdefaults: int,
  prorettype: oid,
  proargtypes: oidvector,
  proallargtypes: oidArray,
  proargmodes: textArray,
  proargnames: textArray,
  prosrc: text,
  probin: nullable,
  prosqlbody: nullable,
  proargdefaults: nullable,
  protrftypes: oidArray,
  proconfig: textArray,
  proacl: acl,
};
const pgOperator = {
  oid,
  oprname: text,
  oprnamespace: oid,
  oprkind: text,
  oprcanmerge: bool,
  oprcanhash: bool,
  oprleft: oid,
  oprright: oid,
  oprresult: oid,
  oprcom: oid,
  oprnegate: oid,
  oprcode: oid,
  oprrest: oid,
  oprjoin: oid,
};
const pgCast = { oid, castsource: oid, casttarget: oid, castfunc: oid, castcontext: text, castmethod: text };
const pgAggregate = {
  aggfnoid: oid,
  aggkind: text,
  aggnumdirectargs: int,
  aggtransfn: oid,
  aggfinalfn: oid,
  aggcombinefn: oid,
  aggserialfn: oid,
  aggdeserialfn: oid,
  aggmtransfn: oid,
  aggminvtransfn: oid,
  aggmfinalfn: oid,
  aggfinalextra: bool,
  aggmfinalextra: bool,
  aggfinalmodify: text,
  aggmfinalmodify: text,
  aggsortop: oid,
  aggtranstype: oid,
  aggtransspace: int,
  aggmtranstype: oid,
  aggmtransspace: int,
  agginitval: nullable,
  aggminitval: nullable,
};
const pgClass = {
  oid,
  relname: text,
  relnamespace: oid,
  reltype: oid,
  reloftype: oid,
  relowner: oid,
  relam: oid,
  relfilenode: oid,
  reltablespace: oid,
  relpages: int,
  reltuples: int,
  reltoastrelid: oid,
  relhasindex: bool,
  relisshared: bool,
  relallvisible: int,
  relpersistence: text,
  relkind: text,
  relnatts: int,
  relchecks: int,
  relhasrules: bool,
  relhastriggers: bool,
  relhassubclass: bool,
  relrowsecurity: bool,
  relforcerowsecurity: bool,
  relispopulated: bool,
  relreplident: text,
  relispartition: bool,
  relfrozenxid: int,
  relminmxid: int,
  relacl: acl,
  reloptions: textArray,
};
const pgAttribute = {
  attrelid: oid,
  attname: text,
  atttypid: oid,
  attlen: int,
  attnum: int,
  attndims: int,
  atttypmod: int,
  attbyval: bool,
  attalign: text,
  attstorage: text,
  attnotnull: bool,
  atthasdef: bool,
  atthasmissing: bool,
  attidentity: text,
  attgenerated: text,
  attisdropped: bool,
  attislocal: bool,
  attinhcount: int,
  attcompression: text,
  attcollation: oid,
  attacl: acl,
  attoptions: textArray,
};
const pgNamespace = { oid, nspname: text, nspowner: oid, nspacl: acl };
const pgDatabase = {
  oid,
  datname: text,
  datdba: oid,
  encoding: int,
  datlocprovider: text,
  datistemplate: bool,
  datallowconn: bool,
  datconnlimit: int,
  dattablespace: oid,
  datfrozenxid: int,
  datminmxid: int,
  datcollate: text,
  datctype: text,
  daticulocale: nullable,
  datcollversion: nullable,
  datacl: acl,
};
const pgAm = { oid, amname: text, amhandler: oid, amtype: text };
const pgAmop = {
  oid,
  amopfamily: oid,
  amoplefttype: oid,
  amoprighttype: oid,
  amopstrategy: int,
  amoppurpose: text,
  amopopr: oid,
  amopmethod: oid,
  amopsortfamily: oid,
};
const pgAmproc = { oid, amprocfamily: oid, amproclefttype: oid, amprocrighttype: oid, amprocnum: int, amproc: oid };
const pgOpclass = {
  oid,
  opcmethod: oid,
  opcname: text,
  opcnamespace: oid,
  opcfamily: oid,
  opcintype: oid,
  opcdefault: bool,
  opckeytype: oid,
};
const pgOpfamily = { oid, opfmethod: oid, opfname: text, opfnamespace: oid };
const pgIndex = {
  indexrelid: oid,
  indrelid: oid,
  indnatts: int,
  indnkeyatts: int,
  indisunique: bool,
  indnullsnotdistinct: bool,
  indisprimary: bool,
  indisexclusion: bool,
  indimmediate: bool,
  indisclustered: bool,
  indisvalid: bool,
  indcheckxmin: bool,
  indisready: bool,
  indislive: bool,
  indisreplident: bool,
  indkey: ints,
  indcollation: oidvector,
  indclass: oidvector,
  indoption: ints,
  indexprs: nullable,
  indpred: nullable,
};
const pgCollation = {
  oid,
  collname: text,
  collnamespace: oid,
  collowner: oid,
  collprovider: text,
  collisdeterministic: bool,
  collencoding: int,
  collcollate: nullable,
  collctype: nullable,
};
const pgLanguage = {
  oid,
  lanname: text,
  lanowner: oid,
  lanispl: bool,
  lanpltrusted: bool,
  lanplcallfoid: oid,
  laninline: oid,
  lanvalidator: oid,
  lanacl: acl,
};
const pgTablespace = { oid, spcname: text, spcowner: oid, spcacl: acl, spcoptions: textArray };
const pgAuthid = {
  oid,
  rolname: text,
  rolsuper: bool,
  rolinherit: bool,
  rolcreaterole: bool,
  rolcreatedb: bool,
  rolcanlogin: bool,
  rolreplication: bool,
  rolbypassrls: bool,
  rolconnlimit: int,
  rolpassword: nullable,
  rolvaliduntil: timestamp,
};
const pgAuthMembers = { roleid: oid, member: oid, grantor: oid, admin_option: bool };
const pgConstraint = {
  oid,
  conname: text,
  connamespace: oid,
  contype: text,
  condeferrable: bool,
  condeferred: bool,
  convalidated: bool,
  conrelid: oid,
  contypid: oid,
  conindid: oid,
  conparentid: oid,
  confrelid: oid,
  confupdtype: text,
  confdeltype: text,
  confmatchtype: text,
  conislocal: bool,
  coninhcount: int,
  connoinherit: bool,
  conkey: intArray,
  confkey: intArray,
  conpfeqop: oidArray,
  conppeqop: oidArray,
  conffeqop: oidArray,
  confdelsetcols: intArray,
  conexclop: oidArray,
  conbin: nullable,
};
const pgAttrdef = { oid, adrelid: oid, adnum: int, adbin: text };
const pgRewrite = {
  oid,
  rulename: text,
  ev_class: oid,
  ev_type: text,
  ev_enabled: text,
  is_instead: bool,
  ev_qual: text,
  ev_action: text,
};
const pgTrigger = {
  oid,
  tgrelid: oid,
  tgparentid: oid,
  tgname: text,
  tgfoid: oid,
  tgtype: int,
  tgenabled: text,
  tgisinternal: bool,
  tgconstrrelid: oid,
  tgconstrindid: oid,
  tgconstraint: oid,
  tgdeferrable: bool,
  tginitdeferred: bool,
  tgnargs: int,
  tgattr: ints,
  tgqual: nullable,
  tgoldtable: nullable,
  tgnewtable: nullable,
};
const pgInherits = { inhrelid: oid, inhparent: oid, inhseqno: int, inhdetachpending: bool };
const pgSequence = {
  seqrelid: oid,
  seqtypid: oid,
  seqstart: int8,
  seqincrement: int8,
  seqmax: int8,
  seqmin: int8,
  seqcache: int8,
  seqcycle: bool,
};
const pgEnum = { oid, enumtypid: oid, enumsortorder: int, enumlabel: text };
const pgDepend = {
  classid: oid,
  objid: oid,
  objsubid: int,
  refclassid: oid,
  refobjid: oid,
  refobjsubid: int,
  deptype: text,
};
const pgShdepend = {
  dbid: oid,
  classid: oid,
  objid: oid,
  objsubid: int,
  refclassid: oid,
  refobjid: oid,
  deptype: text,
};
const pgDbRoleSetting = { setdatabase: oid, setrole: oid, setconfig: textArray };
const pgExtension = {
  oid,
  extname: text,
  extowner: oid,
  extnamespace: oid,
  extrelocatable: bool,
  extversion: text,
  extconfig: oidArray,
};
const pgDescription = { objoid: oid, classoid: oid, objsubid: int, description: text };
const pgEventTrigger = {
  oid,
  evtname: text,
  evtevent: text,
  evtowner: oid,
  evtfoid: oid,
  evtenabled: text,
  evttags: textArray,
};
const pgDefaultAcl = { oid, defaclrole: oid, defaclnamespace: oid, defaclobjtype: text, defaclacl: acl };
const pgConversion = { oid, conname: text, connamespace: oid, conforencoding: int, contoencoding: int, conproc: oid };
const pgRange = { rngtypid: oid, rngsubtype: oid, rngmultitypid: oid, rngcollation: oid, rngsubopc: oid };
const pgTsConfig = { oid, cfgname: text, cfgnamespace: oid };
const pgTsParser = { oid, prsname: text, prsnamespace: oid };
const pgTsTemplate = { oid, tmplname: text, tmplnamespace: oid };
const pgTsDict = { oid, dictname: text, dictnamespace: oid };

export type TypeRow = RowOf<typeof pgType>;
export type ProcRow = RowOf<typeof pgProc>;
export type OperatorRow = RowOf<typeof pgOperator>;
export type CastRow = RowOf<typeof pgCast>;
export type AggregateRow = RowOf<typeof pgAggregate>;
export type ClassRow = RowOf<typeof pgClass>;
export type AttributeRow = RowOf<typeof pgAttribute>;
export type NamespaceRow = RowOf<typeof pgNamespace>;
export type DatabaseRow = RowOf<typeof pgDatabase>;
export type AmRow = RowOf<typeof pgAm>;
export type AmopRow = RowOf<typeof pgAmop>;
export type AmprocRow = RowOf<typeof pgAmproc>;
export type OpclassRow = RowOf<typeof pgOpclass>;
export type OpfamilyRow = RowOf<typeof pgOpfamily>;
export type IndexRow = RowOf<typeof pgIndex>;
export type CollationRow = RowOf<typeof pgCollation>;
export type LanguageRow = RowOf<typeof pgLanguage>;
export type TablespaceRow = RowOf<typeof pgTablespace>;
export type AuthidRow = RowOf<typeof pgAuthid>;
export type AuthMembersRow = RowOf<typeof pgAuthMembers>;
export type ConstraintRow = RowOf<typeof pgConstraint>;
export type ConversionRow = RowOf<typeof pgConversion>;
export type RangeRow = RowOf<typeof pgRange>;
export type TsConfigRow = RowOf<typeof pgTsConfig>;
export type TsParserRow = RowOf<typeof pgTsParser>;
export type TsTemplateRow = RowOf<typeof pgTsTemplate>;
export type TsDictRow = RowOf<typeof pgTsDict>;

export type AttrdefRow = RowOf<typeof pgAttrdef>;
export type RewriteRow = RowOf<typeof pgRewrite>;
export type TriggerRow = RowOf<typeof pgTrigger>;
export type InheritsRow = RowOf<typeof pgInherits>;
export type SequenceRow = RowOf<typeof pgSequence>;
export type EnumRow = RowOf<typeof pgEnum>;
export type DependRow = RowOf<typeof pgDepend>;
export type ShdependRow = RowOf<typeof pgShdepend>;
export type DbRoleSettingRow = RowOf<typeof pgDbRoleSetting>;
export type ExtensionRow = RowOf<typeof pgExtension>;
export type DescriptionRow = RowOf<typeof pgDescription>;
export type EventTriggerRow = RowOf<typeof pgEventTrigger>;
export type DefaultAclRow = RowOf<typeof pgDefaultAcl>;

/** The facts of one catalog as objects, made when first wanted, findable by any column. */
export class FactRows<T> {
  readonly #rows = new Map<number, T>();
  readonly #names: readonly string[];
  readonly #readers: readonly Reader<unknown>[];
  #positions: readonly number[] | undefined;
  readonly #unique = new Map<string, Map<number, number>>();
  readonly #multi = new Map<string, Map<string, number[]>>();

  constructor(
    readonly catalog: CatalogName,
    spec: { readonly [K in keyof T]: Reader<T[K]> },
  ) {
    this.#names = Object.keys(spec);
    this.#readers = Object.values(spec) as Reader<unknown>[];
  }

  at(row: number): T {
    let made = this.#rows.get(row);
    if (made !== undefined) return made;
    const table = factTable(this.catalog);
    const positions = (this.#positions ??= this.#names.map((name) => table.columnIndex(name)));
    const fields = table.fields(row);
    const object: Record<string, unknown> = {};
    for (let i = 0; i < positions.length; i++) object[this.#names[i]!] = this.#readers[i]!.text(fields[positions[i]!]!);
    made = object as T;
    this.#rows.set(row, made);
    return made;
  }
  /** The row whose `column` (a unique OID) is `key`. */
  byOid(key: Oid, column: keyof T & string = 'oid' as keyof T & string): T | undefined {
    let index = this.#unique.get(column);
    if (index === undefined) {
      index = factTable(this.catalog).uniqueIndex(column);
      this.#unique.set(column, index);
    }
    const row = index.get(key);
    return row === undefined ? undefined : this.at(row);
  }
  /** All rows whose `column` reads `key`. */
  by(column: keyof T & string, key: string | number): T[] {
    let index = this.#multi.get(column);
    if (index === undefined) {
      index = factTable(this.catalog).multiIndex(column);
      this.#multi.set(column, index);
    }
    const rows = index.get(String(key));
    return rows === undefined ? [] : rows.map((row) => this.at(row));
  }
  all(): T[] {
    return Array.from({ length: factTable(this.catalog).count }, (_, row) => this.at(row));
  }
}

/** What a catalog's rows are read from: the facts alone, the facts and rows that others made, the table alone. */
export const ROW_SOURCE = { facts: 0, both: 1, table: 2 } as const;
export interface TableRows {
  source(catalog: Oid): number;
  /** Rows of the table whose column has this value; without those that are facts if the source is `both`. */
  find(rows: RowStore<never>, column: string, key: Datum): readonly unknown[];
  all(rows: RowStore<never>): readonly unknown[];
}
let tableRows: TableRows | undefined;
/** Installed by table-rows.ts, which reads the tables. */
export function setTableRows(source: TableRows): void {
  tableRows = source;
}

/** ROW_SOURCE of a catalog now. */
export const rowSourceOf = (catalog: Oid): number =>
  tableRows === undefined ? ROW_SOURCE.facts : tableRows.source(catalog);

/** The rows of one catalog, as the facts and the table have them. */
export class RowStore<T> {
  readonly facts: FactRows<T> | null;
  readonly names: readonly string[];
  readonly #readers: readonly Reader<unknown>[];
  constructor(
    /** Its OID in pg_class. */
    readonly relid: Oid,
    name: string,
    spec: { readonly [K in keyof T]: Reader<T[K]> },
  ) {
    this.facts = hasFacts(name) ? new FactRows<T>(name, spec) : null;
    this.names = Object.keys(spec);
    this.#readers = Object.values(spec) as Reader<unknown>[];
  }
  /** A row object of the Datums of `names`. */
  fromDatums(values: readonly Datum[]): T {
    const object: Record<string, unknown> = {};
    for (let i = 0; i < values.length; i++) object[this.names[i]!] = this.#readers[i]!.datum(values[i]!);
    return object as T;
  }
  byOid(key: Oid, column: keyof T & string = 'oid' as keyof T & string): T | undefined {
    const source = tableRows === undefined ? ROW_SOURCE.facts : tableRows.source(this.relid);
    if (source !== ROW_SOURCE.table && this.facts !== null) {
      const row = this.facts.byOid(key, column);
      if (row !== undefined) return row;
    }
    if (source === ROW_SOURCE.facts) return undefined;
    return tableRows!.find(this as unknown as RowStore<never>, column, key)[0] as T | undefined;
  }
  by(column: keyof T & string, key: string | number): readonly T[] {
    const source = tableRows === undefined ? ROW_SOURCE.facts : tableRows.source(this.relid);
    const known = source !== ROW_SOURCE.table && this.facts !== null ? this.facts.by(column, key) : [];
    if (source === ROW_SOURCE.facts) return known;
    const others = tableRows!.find(this as unknown as RowStore<never>, column, key) as readonly T[];
    return known.length === 0 ? others : others.length === 0 ? known : [...known, ...others];
  }
  all(): readonly T[] {
    const source = tableRows === undefined ? ROW_SOURCE.facts : tableRows.source(this.relid);
    const known = source !== ROW_SOURCE.table && this.facts !== null ? this.facts.all() : [];
    if (source === ROW_SOURCE.facts) return known;
    return [...known, ...(tableRows!.all(this as unknown as RowStore<never>) as readonly T[])];
  }
}

const rows = <S extends Spec>(relid: number, name: string, spec: S): RowStore<RowOf<S>> =>
  new RowStore<RowOf<S>>(
    relid as Oid,
    name,
    spec as unknown as { readonly [K in keyof RowOf<S>]: Reader<RowOf<S>[K]> },
  );

export const store = {
  type: rows(1247, 'pg_type', pgType),
  proc: rows(1255, 'pg_proc', pgProc),
  operator: rows(2617, 'pg_operator', pgOperator),
  cast: rows(2605, 'pg_cast', pgCast),
  aggregate: rows(2600, 'pg_aggregate', pgAggregate),
  class: rows(1259, 'pg_class', pgClass),
  attribute: rows(1249, 'pg_attribute', pgAttribute),
  namespace: rows(2615, 'pg_namespace', pgNamespace),
  database: rows(1262, 'pg_database', pgDatabase),
  am: rows(2601, 'pg_am', pgAm),
  amop: rows(2602, 'pg_amop', pgAmop),
  amproc: rows(2603, 'pg_amproc', pgAmproc),
  opclass: rows(2616, 'pg_opclass', pgOpclass),
  opfamily: rows(2753, 'pg_opfamily', pgOpfamily),
  index: rows(2610, 'pg_index', pgIndex),
  collation: rows(3456, 'pg_collation', pgCollation),
  language: rows(2612, 'pg_language', pgLanguage),
  tablespace: rows(1213, 'pg_tablespace', pgTablespace),
  authid: rows(1260, 'pg_authid', pgAuthid),
  authMembers: rows(1261, 'pg_auth_members', pgAuthMembers),
  constraint: rows(2606, 'pg_constraint', pgConstraint),
  conversion: rows(2607, 'pg_conversion', pgConversion),
  range: rows(3541, 'pg_range', pgRange),
  tsConfig: rows(3602, 'pg_ts_config', pgTsConfig),
  tsParser: rows(3601, 'pg_ts_parser', pgTsParser),
  tsTemplate: rows(3764, 'pg_ts_template', pgTsTemplate),
  tsDict: rows(3600, 'pg_ts_dict', pgTsDict),
  attrdef: rows(2604, 'pg_attrdef', pgAttrdef),
  rewrite: rows(2618, 'pg_rewrite', pgRewrite),
  trigger: rows(2620, 'pg_trigger', pgTrigger),
  inherits: rows(2611, 'pg_inherits', pgInherits),
  sequence: rows(2224, 'pg_sequence', pgSequence),
  enum: rows(3501, 'pg_enum', pgEnum),
  depend: rows(2608, 'pg_depend', pgDepend),
  shdepend: rows(1214, 'pg_shdepend', pgShdepend),
  dbRoleSetting: rows(2964, 'pg_db_role_setting', pgDbRoleSetting),
  extension: rows(3079, 'pg_extension', pgExtension),
  description: rows(2609, 'pg_description', pgDescription),
  eventTrigger: rows(3466, 'pg_event_trigger', pgEventTrigger),
  defaultAcl: rows(826, 'pg_default_acl', pgDefaultAcl),
} as const;

/** The facts alone: what initdb wrote, whatever became of it. */
export const factStore = {
  class: store.class.facts!,
  attribute: store.attribute.facts!,
  index: store.index.facts!,
  opclass: store.opclass.facts!,
  type: store.type.facts!,
} as const;
