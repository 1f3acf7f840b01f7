/** oids.ts — the object identifiers that code names. Written out: they are part of the format.
 *  Counterpart: the *_d.h headers that genbki.pl makes of src/include/catalog/pg_*.dat */
import type { Oid } from '#base/ids.ts';

const oids = <T extends Record<string, number>>(table: T): { readonly [K in keyof T]: Oid } =>
  table as unknown as { readonly [K in keyof T]: Oid };

export const TYPE = oids({
  bool: 16,
  bytea: 17,
  char: 18,
  name: 19,
  int8: 20,
  int2: 21,
  int2vector: 22,
  int4: 23,
  regproc: 24,
  text: 25,
  oid: 26,
  tid: 27,
  xid: 28,
  cid: 29,
  oidvector: 30,
  json: 114,
  xml: 142,
  pgNodeTree: 194,
  jsonb: 3802,
  jsonpath: 4072,
  float4: 700,
  float8: 701,
  unknown: 705,
  money: 790,
  inet: 869,
  cidr: 650,
  aclitem: 1033,
  aclitemArray: 1034,
  bpchar: 1042,
  varchar: 1043,
  date: 1082,
  time: 1083,
  timestamp: 1114,
  timestamptz: 1184,
  interval: 1186,
  timetz: 1266,
  bit: 1560,
  varbit: 1562,
  numeric: 1700,
  refcursor: 1790,
  regprocedure: 2202,
  regoper: 2203,
  regoperator: 2204,
  regclass: 2205,
  regtype: 2206,
  regrole: 4096,
  regnamespace: 4089,
  regconfig: 3734,
  regdictionary: 3769,
  regcollation: 4191,
  uuid: 2950,
  pgLsn: 3220,
  tsvector: 3614,
  tsquery: 3615,
  txidSnapshot: 2970,
  xid8: 5069,
  pgSnapshot: 5038,
  cstring: 2275,
  cstringArray: 1263,
  textArray: 1009,
  nameArray: 1003,
  charArray: 1002,
  int2Array: 1005,
  int4Array: 1007,
  int8Array: 1016,
  oidArray: 1028,
  float4Array: 1021,
  float8Array: 1022,
  boolArray: 1000,
  numericArray: 1231,
  record: 2249,
  recordArray: 2287,
  any: 2276,
  anyarray: 2277,
  void: 2278,
  trigger: 2279,
  eventTrigger: 3838,
  languageHandler: 2280,
  internal: 2281,
  anyelement: 2283,
  anynonarray: 2776,
  anyenum: 3500,
  anyrange: 3831,
  anymultirange: 4537,
  anycompatible: 5077,
  anycompatiblearray: 5078,
  anycompatiblenonarray: 5079,
  anycompatiblerange: 5080,
  anycompatiblemultirange: 4538,
});

export const NAMESPACE = oids({ pgCatalog: 11, pgToast: 99, public: 2200 });
export const COLLATION = oids({ default: 100, c: 950, posix: 951 });
export const LANGUAGE = oids({ internal: 12, c: 13, sql: 14 });
export const ACCESS_METHOD = oids({ heap: 2, btree: 403, hash: 405 });

export const RELATION = oids({
  pgType: 1247,
  pgAttribute: 1249,
  pgProc: 1255,
  pgClass: 1259,
  pgAuthid: 1260,
  pgAuthMembers: 1261,
  pgDatabase: 1262,
  pgTablespace: 1213,
  pgNamespace: 2615,
  pgOperator: 2617,
  pgOpclass: 2616,
  pgLanguage: 2612,
  pgConstraint: 2606,
  pgCollation: 3456,
});

/** Strategy numbers of btree operator families. */
export const BT = { less: 1, lessEqual: 2, equal: 3, greaterEqual: 4, greater: 5 } as const;
/** Objects created after initdb get OIDs from here on. */
export const FIRST_NORMAL_OID = 16384;
/** Objects below it belong to the system for ever; relations below it are catalogs. */
export const FIRST_UNPINNED_OID = 12000;
export const isCatalogRelationOid = (relid: Oid): boolean => relid < FIRST_UNPINNED_OID;
