/** rows.ts — the columns of each catalog that code reads by name, and how their text becomes a value.
 *
 *  A row type is derived from its table of readers, so a column is declared once. Columns nobody reads by name are
 *  still visible in SQL (catalog-relation.ts works from pg_attribute).
 *  Counterpart: the FormData_pg_* structs of src/include/catalog/pg_*.h */
import type { Oid } from '#base/ids.ts';
import { type CatalogName, type Field, factTable, parseSimpleArray } from '#catalog/facts.ts';

type Reader<T> = (field: Field) => T;
const oid: Reader<Oid> = (f) => Number(f) as Oid;
const int: Reader<number> = (f) => Number(f);
const bool: Reader<boolean> = (f) => f === 't';
const text: Reader<string> = (f) => f ?? '';
const nullable: Reader<string | null> = (f) => f;
const oidvector: Reader<readonly Oid[]> = (f) => (f === null || f === '' ? [] : (f.split(' ').map(Number) as Oid[]));
const ints: Reader<readonly number[]> = (f) => (f === null || f === '' ? [] : f.split(' ').map(Number));
const oidArray: Reader<readonly Oid[] | null> = (f) => (f === null ? null : (parseSimpleArray(f).map(Number) as Oid[]));
const intArray: Reader<readonly number[] | null> = (f) => (f === null ? null : parseSimpleArray(f).map(Number));
const textArray: Reader<readonly string[] | null> = (f) => (f === null ? null : parseSimpleArray(f));

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
  proconfig: textArray,
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
  relpersistence: text,
  relkind: text,
  relnatts: int,
  relacl: textArray,
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
  attisdropped: bool,
  attcollation: oid,
  attacl: textArray,
};
const pgNamespace = { oid, nspname: text, nspowner: oid };
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
  datcollate: text,
  datctype: text,
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
  indisvalid: bool,
  indkey: ints,
  indcollation: oidvector,
  indclass: oidvector,
  indoption: ints,
};
const pgCollation = {
  oid,
  collname: text,
  collnamespace: oid,
  collprovider: text,
  collisdeterministic: bool,
  collencoding: int,
  collcollate: nullable,
  collctype: nullable,
};
const pgLanguage = { oid, lanname: text, lanplcallfoid: oid };
const pgTablespace = { oid, spcname: text, spcowner: oid };
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
  rolvaliduntil: nullable,
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
  conkey: intArray,
};
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

/** The rows of one catalog as objects, made when first wanted, findable by any column. */
export class RowStore<T> {
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
    for (let i = 0; i < positions.length; i++) object[this.#names[i]!] = this.#readers[i]!(fields[positions[i]!]!);
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

export const store = {
  type: new RowStore<TypeRow>('pg_type', pgType),
  proc: new RowStore<ProcRow>('pg_proc', pgProc),
  operator: new RowStore<OperatorRow>('pg_operator', pgOperator),
  cast: new RowStore<CastRow>('pg_cast', pgCast),
  aggregate: new RowStore<AggregateRow>('pg_aggregate', pgAggregate),
  class: new RowStore<ClassRow>('pg_class', pgClass),
  attribute: new RowStore<AttributeRow>('pg_attribute', pgAttribute),
  namespace: new RowStore<NamespaceRow>('pg_namespace', pgNamespace),
  database: new RowStore<DatabaseRow>('pg_database', pgDatabase),
  am: new RowStore<AmRow>('pg_am', pgAm),
  amop: new RowStore<AmopRow>('pg_amop', pgAmop),
  amproc: new RowStore<AmprocRow>('pg_amproc', pgAmproc),
  opclass: new RowStore<OpclassRow>('pg_opclass', pgOpclass),
  opfamily: new RowStore<OpfamilyRow>('pg_opfamily', pgOpfamily),
  index: new RowStore<IndexRow>('pg_index', pgIndex),
  collation: new RowStore<CollationRow>('pg_collation', pgCollation),
  language: new RowStore<LanguageRow>('pg_language', pgLanguage),
  tablespace: new RowStore<TablespaceRow>('pg_tablespace', pgTablespace),
  authid: new RowStore<AuthidRow>('pg_authid', pgAuthid),
  authMembers: new RowStore<AuthMembersRow>('pg_auth_members', pgAuthMembers),
  constraint: new RowStore<ConstraintRow>('pg_constraint', pgConstraint),
  conversion: new RowStore<ConversionRow>('pg_conversion', pgConversion),
  range: new RowStore<RangeRow>('pg_range', pgRange),
  tsConfig: new RowStore<TsConfigRow>('pg_ts_config', pgTsConfig),
  tsParser: new RowStore<TsParserRow>('pg_ts_parser', pgTsParser),
  tsTemplate: new RowStore<TsTemplateRow>('pg_ts_template', pgTsTemplate),
  tsDict: new RowStore<TsDictRow>('pg_ts_dict', pgTsDict),
} as const;
