/** syscache.ts — finding one catalog row by key: the questions that analysis, planning and execution ask all day.
 *
 *  A miss is undefined; whoever asks knows which error that is. Rows are shared objects and never change.
 *  Counterpart: src/backend/utils/cache/syscache.c, lsyscache.c */
import type { Oid } from '#base/ids.ts';
import { rows as domainConstraintTexts } from '#catalog/data/domain-constraints.generated.ts';
import { rows as functionBodyTexts } from '#catalog/data/function-bodies.generated.ts';
import { rows as functionDefaultTexts } from '#catalog/data/function-defaults.generated.ts';
import { rows as prettyViewTexts } from '#catalog/data/view-definitions-pretty.generated.ts';
import { rows as viewDefinitionTexts } from '#catalog/data/view-definitions.generated.ts';
import { unescapeCopy } from '#catalog/facts.ts';
import { forgetOnChange } from '#catalog/catalog-change.ts';
import { ACCESS_METHOD, RELATION, TYPE } from '#catalog/oids.ts';
import {
  type AggregateRow,
  type AmopRow,
  type AttributeRow,
  type CastRow,
  type ClassRow,
  type CollationRow,
  type ConstraintRow,
  type DatabaseRow,
  type IndexRow,
  type LanguageRow,
  type NamespaceRow,
  type OpclassRow,
  type OperatorRow,
  type ProcRow,
  type RangeRow,
  store,
  type TypeRow,
} from '#catalog/rows.ts';

export const typeRow = (oid: Oid): TypeRow | undefined => store.type.byOid(oid);
export const typeByName = (name: string, namespace: Oid): TypeRow | undefined =>
  store.type.by('typname', name).find((t) => t.typnamespace === namespace);
export const procRow = (oid: Oid): ProcRow | undefined => store.proc.byOid(oid);
export const procsByName = (name: string): readonly ProcRow[] => store.proc.by('proname', name);
export const operatorRow = (oid: Oid): OperatorRow | undefined => store.operator.byOid(oid);
export const operatorsByName = (name: string): readonly OperatorRow[] => store.operator.by('oprname', name);
export const aggregateRow = (fnoid: Oid): AggregateRow | undefined => store.aggregate.byOid(fnoid, 'aggfnoid');
export const classRow = (oid: Oid): ClassRow | undefined => store.class.byOid(oid);
export const classByName = (name: string, namespace: Oid): ClassRow | undefined =>
  store.class.by('relname', name).find((c) => c.relnamespace === namespace);
export const namespaceRow = (oid: Oid): NamespaceRow | undefined => store.namespace.byOid(oid);
export const namespaceByName = (name: string): NamespaceRow | undefined => store.namespace.by('nspname', name)[0];
export const databaseRow = (oid: Oid): DatabaseRow | undefined => store.database.byOid(oid);
export const databaseByName = (name: string): DatabaseRow | undefined => store.database.by('datname', name)[0];
export const collationRow = (oid: Oid): CollationRow | undefined => store.collation.byOid(oid);
export const collationByName = (name: string, namespace: Oid): CollationRow | undefined =>
  store.collation.by('collname', name).find((c) => c.collnamespace === namespace);
export const languageRow = (oid: Oid): LanguageRow | undefined => store.language.byOid(oid);
export const rangeRow = (type: Oid): RangeRow | undefined => store.range.byOid(type, 'rngtypid');
export const indexRow = (indexRelid: Oid): IndexRow | undefined => store.index.byOid(indexRelid, 'indexrelid');
export const indexesOf = (relid: Oid): readonly IndexRow[] => store.index.by('indrelid', relid);
export const constraintRow = (oid: Oid): ConstraintRow | undefined => store.constraint.byOid(oid);
export const constraintsOf = (relid: Oid): readonly ConstraintRow[] => store.constraint.by('conrelid', relid);
export const opclassRow = (oid: Oid): OpclassRow | undefined => store.opclass.byOid(oid);

const attributeLists = new Map<Oid, readonly AttributeRow[]>();
forgetOnChange([RELATION.pgAttribute], () => attributeLists.clear());
/** The user columns of a relation in attribute order: element i has attnum i + 1. */
export function attributes(relid: Oid): readonly AttributeRow[] {
  let list = attributeLists.get(relid);
  if (list === undefined) {
    list = store.attribute
      .by('attrelid', relid)
      .filter((a) => a.attnum > 0)
      .sort((a, b) => a.attnum - b.attnum);
    attributeLists.set(relid, list);
  }
  return list;
}
export const systemAttributes = (relid: Oid): AttributeRow[] =>
  store.attribute.by('attrelid', relid).filter((a) => a.attnum < 0);

let casts: Map<Oid, Map<Oid, CastRow>> | undefined;
forgetOnChange([RELATION.pgCast], () => {
  casts = undefined;
});
/** The pg_cast row of a pair of types. */
export function castRow(source: Oid, target: Oid): CastRow | undefined {
  if (casts === undefined) {
    casts = new Map();
    for (const row of store.cast.all()) {
      let targets = casts.get(row.castsource);
      if (targets === undefined) casts.set(row.castsource, (targets = new Map()));
      targets.set(row.casttarget, row);
    }
  }
  return casts.get(source)?.get(target);
}

/** Rows of pg_amop that mention the operator. */
export const amopsOfOperator = (operator: Oid): readonly AmopRow[] => store.amop.by('amopopr', operator);
export const amopsOfFamily = (family: Oid): readonly AmopRow[] => store.amop.by('amopfamily', family);
/** The operator of a strategy in a family, or 0. */
export function familyMember(family: Oid, left: Oid, right: Oid, strategy: number): Oid {
  for (const row of amopsOfFamily(family)) {
    if (row.amopstrategy === strategy && row.amoplefttype === left && row.amoprighttype === right) {
      if (row.amoppurpose === 's') return row.amopopr;
    }
  }
  return 0 as Oid;
}
/** The support function of a family, or 0. */
export function familyProc(family: Oid, left: Oid, right: Oid, number: number): Oid {
  for (const row of store.amproc.by('amprocfamily', family)) {
    if (row.amprocnum === number && row.amproclefttype === left && row.amprocrighttype === right) return row.amproc;
  }
  return 0 as Oid;
}

/** Is `source` binary-coercible to `target`: may a value of one be used as the other as it is? */
export function isBinaryCoercible(source: Oid, target: Oid): boolean {
  if (source === target || target === TYPE.any || target === TYPE.anyelement || target === TYPE.anycompatible)
    return true;
  const base = baseType(source);
  if (base === target) return true;
  const row = typeRow(base);
  if (row === undefined) return false;
  if (target === TYPE.anyarray || target === TYPE.anycompatiblearray) {
    if (isTrueArrayRow(row)) return true;
  }
  if (target === TYPE.anynonarray || target === TYPE.anycompatiblenonarray) {
    if (!isTrueArrayRow(row)) return true;
  }
  if (target === TYPE.anyenum && row.typtype === 'e') return true;
  if ((target === TYPE.anyrange || target === TYPE.anycompatiblerange) && row.typtype === 'r') return true;
  if ((target === TYPE.anymultirange || target === TYPE.anycompatiblemultirange) && row.typtype === 'm') return true;
  if (target === TYPE.record && row.typtype === 'c') return true;
  if (target === TYPE.recordArray && row.typelem !== 0 && typeRow(row.typelem)?.typtype === 'c') return true;
  const cast = castRow(base, target);
  return cast !== undefined && cast.castmethod === 'b' && cast.castcontext === 'i';
}

const ARRAY_SUBSCRIPT_HANDLER = 6179;
const isTrueArrayRow = (row: TypeRow): boolean => row.typsubscript === ARRAY_SUBSCRIPT_HANDLER;
/** Is the type of this row a true (varlena) array? */
export const isArrayRow = isTrueArrayRow;
export const isTrueArrayType = (type: Oid): boolean => {
  const row = typeRow(type);
  return row !== undefined && isTrueArrayRow(row);
};

/** The type under any domains. */
export function baseType(type: Oid): Oid {
  let row = typeRow(type);
  while (row !== undefined && row.typtype === 'd') {
    type = row.typbasetype;
    row = typeRow(type);
  }
  return type;
}
/** The type under any domains, and the typmod that the innermost domain lays down. */
export function baseTypeAndTypmod(type: Oid, typmod: number): { type: Oid; typmod: number } {
  let row = typeRow(type);
  while (row !== undefined && row.typtype === 'd') {
    type = row.typbasetype;
    typmod = row.typtypmod;
    row = typeRow(type);
  }
  return { type, typmod };
}
/** Element type of a true (varlena) array, or 0. */
export function elementType(type: Oid): Oid {
  const row = typeRow(type);
  return row !== undefined && isTrueArrayRow(row) ? row.typelem : (0 as Oid);
}
/** The same, seeing through domains. */
export const baseElementType = (type: Oid): Oid => elementType(baseType(type));
export const arrayTypeOf = (type: Oid): Oid => typeRow(type)?.typarray ?? (0 as Oid);
export const typeCollation = (type: Oid): Oid => typeRow(type)?.typcollation ?? (0 as Oid);
export const isComposite = (type: Oid): boolean => typeRow(type)?.typtype === 'c';
/** Relation of a composite type, seeing through domains; 0 if it is none. */
export const typeRelid = (type: Oid): Oid => typeRow(baseType(type))?.typrelid ?? (0 as Oid);

const defaultOpclasses = new Map<number, OpclassRow | null>();
forgetOnChange([RELATION.pgOpclass, RELATION.pgType, RELATION.pgCast], () => defaultOpclasses.clear());
/** The default operator class of a type for an access method: exact, then by binary coercion, preferred type first. */
export function defaultOpclass(type: Oid, accessMethod: Oid): OpclassRow | undefined {
  const key = type * 1024 + accessMethod;
  let found = defaultOpclasses.get(key);
  if (found === undefined) {
    found = findDefaultOpclass(baseType(type), accessMethod);
    defaultOpclasses.set(key, found);
  }
  return found ?? undefined;
}
function findDefaultOpclass(type: Oid, accessMethod: Oid): OpclassRow | null {
  const category = typeRow(type)?.typcategory;
  let exact: OpclassRow | undefined;
  const preferred: OpclassRow[] = [];
  const compatible: OpclassRow[] = [];
  for (const row of store.opclass.by('opcmethod', accessMethod)) {
    if (!row.opcdefault) continue;
    if (row.opcintype === type) exact = row;
    else if (isBinaryCoercible(type, row.opcintype)) {
      const target = typeRow(row.opcintype);
      if (target?.typispreferred === true && target.typcategory === category) preferred.push(row);
      else compatible.push(row);
    }
  }
  if (exact !== undefined) return exact;
  if (preferred.length > 0) return preferred.length === 1 ? preferred[0]! : null;
  return compatible.length === 1 ? compatible[0]! : null;
}
export const btreeOpclass = (type: Oid): OpclassRow | undefined => defaultOpclass(type, ACCESS_METHOD.btree);
export const hashOpclass = (type: Oid): OpclassRow | undefined => defaultOpclass(type, ACCESS_METHOD.hash);

const plain = (text: string | undefined): string | undefined => (text === undefined ? undefined : unescapeCopy(text));
/** Texts still in COPY's escapes: few of them are ever asked for. */
function textsByOid(texts: string): Map<number, string> {
  const map = new Map<number, string>();
  for (const line of texts.split('\n')) {
    const tab = line.indexOf('\t');
    if (tab > 0) map.set(Number(line.slice(0, tab)), line.slice(tab + 1));
  }
  return map;
}
let viewTexts: Map<number, string> | undefined;
/** The defining query of a system view. */
export const viewDefinition = (relid: Oid): string | undefined =>
  plain((viewTexts ??= textsByOid(viewDefinitionTexts)).get(relid));
let prettyTexts: Map<number, string> | undefined;
/** The same as people like to read it. */
export const prettyViewDefinition = (relid: Oid): string | undefined =>
  plain((prettyTexts ??= textsByOid(prettyViewTexts)).get(relid));
let bodyTexts: Map<number, string> | undefined;
/** Body of an SQL function written in SQL-standard style; others have theirs in prosrc. */
export const sqlFunctionBody = (oid: Oid): string | undefined =>
  plain((bodyTexts ??= textsByOid(functionBodyTexts)).get(oid));
let constraintTexts: Map<number, string> | undefined;
/** `CHECK (…)` of a domain. */
export const domainConstraintText = (oid: Oid): string | undefined =>
  plain((constraintTexts ??= textsByOid(domainConstraintTexts)).get(oid));
export const domainConstraints = (type: Oid): readonly ConstraintRow[] => store.constraint.by('contypid', type);

let argumentDefaults: Map<number, Map<number, string>> | undefined;
/** SQL text of the default of a function's argument (1-based among all arguments). */
export function functionArgumentDefault(oid: Oid, argument: number): string | undefined {
  if (argumentDefaults === undefined) {
    argumentDefaults = new Map();
    for (const line of functionDefaultTexts.split('\n')) {
      const [func, index, text] = line.split('\t');
      const key = Number(func);
      if (!argumentDefaults.has(key)) argumentDefaults.set(key, new Map());
      argumentDefaults.get(key)!.set(Number(index), unescapeCopy(text ?? ''));
    }
  }
  return argumentDefaults.get(oid)?.get(argument);
}

/** Builds the indexes that every session will use, before the postmaster forks. */
export function warmCatalog(): void {
  typeRow(TYPE.int4);
  store.type.by('typname', 'int4');
  procRow(42 as Oid);
  procsByName('int4in');
  operatorRow(96 as Oid);
  operatorsByName('=');
  castRow(TYPE.int4, TYPE.int8);
  classRow(1259 as Oid);
  store.class.by('relname', 'pg_class');
  attributes(1259 as Oid);
  namespaceByName('pg_catalog');
  btreeOpclass(TYPE.int4);
  store.amop.by('amopfamily', 1976);
  store.amop.by('amopopr', 96);
  aggregateRow(2803 as Oid);
  viewDefinition(0 as Oid);
}
