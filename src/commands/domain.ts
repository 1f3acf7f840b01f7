/** domain.ts — CREATE DOMAIN: a type with the values of another that meet its constraints.
 *  Counterpart: DefineDomain(), domainAddConstraint() of src/backend/commands/typecmds.c */
import type { Constraint, CreateDomainStmt } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { deparseStoredExpr } from '#catalog/deparse.ts';
import { referencesOfExpr } from '#catalog/expr-dependencies.ts';
import { formatType } from '#catalog/format-type.ts';
import { columnOfType } from '#catalog/heap.ts';
import { makeArrayTypeName } from '#catalog/object-name.ts';
import { checkTypeUsage } from '#catalog/object-rights.ts';
import { createConstraintEntry } from '#catalog/pg-constraint.ts';
import { arrayTypeOf, assignTypeArrayOid, type NewType, typeCreate } from '#catalog/pg-type.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { domainConstraints, isTrueArrayType, typeCollation, typeRow } from '#catalog/syscache.ts';
import { cookDefault } from '#commands/cook-constraint.ts';
import { newTypePlace } from '#commands/types.ts';
import { nodeToString } from '#nodes/node-text.ts';
import type { Expr } from '#nodes/primitives.ts';
import { mapChildren } from '#nodes/visit.ts';
import { stringsOf } from '#parser/ast.ts';
import { coerceToBoolean } from '#parser/coerce.ts';
import { assignExprCollations } from '#parser/collate.ts';
import { transformExpr } from '#parser/expr.ts';
import { fail, makeParseState } from '#parser/parse-state.ts';
import { resolveCollation, resolveTypeName } from '#parser/type-name.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE, type SqlState } from '#runtime/error/sqlstate.ts';
import { commandCounterIncrement } from '#transam/xact.ts';

const NO_OID = 0 as Oid;
const NOT_FOR_DOMAINS: Readonly<Record<string, readonly [SqlState, string]>> = {
  CONSTR_PRIMARY: [SQLSTATE.syntaxError, 'primary key constraints not possible for domains'],
  CONSTR_UNIQUE: [SQLSTATE.syntaxError, 'unique constraints not possible for domains'],
  CONSTR_EXCLUSION: [SQLSTATE.syntaxError, 'exclusion constraints not possible for domains'],
  CONSTR_FOREIGN: [SQLSTATE.syntaxError, 'foreign key constraints not possible for domains'],
  CONSTR_GENERATED: [SQLSTATE.featureNotSupported, 'specifying GENERATED not supported for domains'],
  CONSTR_IDENTITY: [SQLSTATE.featureNotSupported, 'specifying GENERATED not supported for domains'],
  CONSTR_ATTR_DEFERRABLE: [
    SQLSTATE.featureNotSupported,
    'specifying constraint deferrability not supported for domains',
  ],
  CONSTR_ATTR_NOT_DEFERRABLE: [
    SQLSTATE.featureNotSupported,
    'specifying constraint deferrability not supported for domains',
  ],
  CONSTR_ATTR_DEFERRED: [SQLSTATE.featureNotSupported, 'specifying constraint deferrability not supported for domains'],
  CONSTR_ATTR_IMMEDIATE: [
    SQLSTATE.featureNotSupported,
    'specifying constraint deferrability not supported for domains',
  ],
};
/** ANALYZE of arrays, ranges and text search vectors has functions of its own. */
const analyzeOf = (type: Oid, typtype: string): Oid =>
  (isTrueArrayType(type) ? 3816 : typtype === 'r' ? 3916 : typtype === 'm' ? 4242 : type === 3614 ? 3688 : 0) as Oid;

export function defineDomain(stmt: CreateDomainStmt, sourceText: string): void {
  const names = stringsOf(stmt.domainname);
  const { name, namespace } = newTypePlace(names);
  const p = makeParseState(null, sourceText);
  const typeName = stmt.typeName!;
  const { type: base, typmod } = resolveTypeName(p, typeName);
  const row = typeRow(base)!;
  if (!'bcderm'.includes(row.typtype)) {
    fail(
      p,
      SQLSTATE.datatypeMismatch,
      `"${stringsOf(typeName.names).join('.')}" is not a valid base type for a domain`,
      typeName.location ?? -1,
    );
  }
  checkTypeUsage(base);
  let collation = typeCollation(base);
  if (stmt.collClause !== undefined) {
    collation = resolveCollation(p, stringsOf(stmt.collClause.collname), stmt.collClause.location ?? -1);
    if (typeCollation(base) === 0) {
      fail(
        p,
        SQLSTATE.datatypeMismatch,
        `collations are not supported by type ${formatType(base)}`,
        typeName.location ?? -1,
      );
    }
  }
  let defaultExpr: Expr | null = null;
  let sawDefault = false;
  let notNull: boolean | null = null;
  const checks: Constraint[] = [];
  for (const node of stmt.constraints ?? []) {
    if (!('Constraint' in node)) continue;
    const constraint = node.Constraint;
    const refused = NOT_FOR_DOMAINS[constraint.contype ?? ''];
    if (refused !== undefined) report('ERROR', { code: refused[0], message: refused[1] });
    switch (constraint.contype) {
      case 'CONSTR_DEFAULT': {
        if (sawDefault) report('ERROR', { code: SQLSTATE.syntaxError, message: 'multiple default expressions' });
        sawDefault = true;
        const column = columnOfType(name, 1, base, typmod, 0);
        const cooked = cookDefault(makeParseState(null, sourceText), constraint.raw_expr!, column, []);
        // The same as no default at all.
        defaultExpr = cooked.kind === 'Const' && cooked.constisnull ? null : cooked;
        break;
      }
      case 'CONSTR_NOTNULL':
      case 'CONSTR_NULL': {
        const wanted = constraint.contype === 'CONSTR_NOTNULL';
        if (notNull !== null && notNull !== wanted) {
          report('ERROR', { code: SQLSTATE.syntaxError, message: 'conflicting NULL/NOT NULL constraints' });
        }
        notNull = wanted;
        break;
      }
      case 'CONSTR_CHECK':
        if (constraint.is_no_inherit === true) {
          report('ERROR', {
            code: SQLSTATE.invalidObjectDefinition,
            message: 'check constraints for domains cannot be marked NO INHERIT',
          });
        }
        checks.push(constraint);
        break;
      default:
        report('ERROR', { message: `unrecognized constraint subtype: ${constraint.contype ?? ''}` });
    }
  }
  const array = assignTypeArrayOid();
  const type: NewType = {
    oid: NO_OID,
    name,
    namespace,
    owner: sessionIdentity.userOid,
    length: row.typlen,
    type: 'd',
    category: row.typcategory,
    delimiter: row.typdelim,
    input: 2597 as Oid,
    output: row.typoutput,
    receive: 2598 as Oid,
    send: row.typsend,
    analyze: analyzeOf(base, row.typtype),
    array,
    baseType: base,
    defaultText: defaultExpr === null ? null : deparseStoredExpr(defaultExpr, NO_OID, false),
    defaultBin: defaultExpr === null ? null : nodeToString(defaultExpr),
    byValue: row.typbyval,
    align: row.typalign as NewType['align'],
    storage: row.typstorage as NewType['storage'],
    typmod,
    dimensions: typeName.arrayBounds?.length ?? 0,
    notNull: notNull === true,
    collation,
    ...(defaultExpr === null ? {} : { defaultReferences: referencesOfExpr([defaultExpr], []) }),
  };
  const { objectId } = typeCreate(type);
  typeCreate(arrayTypeOf(type, objectId, array, makeArrayTypeName(name, namespace)));
  for (const check of checks) {
    addDomainCheck(objectId, name, namespace, base, typmod, check, sourceText);
    commandCounterIncrement();
  }
}

/** domainAddConstraint(): VALUE stands for the value that is checked. */
function addDomainCheck(
  domain: Oid,
  domainName: string,
  namespace: Oid,
  base: Oid,
  typmod: number,
  check: Constraint,
  sourceText: string,
): void {
  const taken = (name: string): boolean => domainConstraints(domain).some((row) => row.conname === name);
  let name = check.conname ?? '';
  if (name !== '') {
    if (taken(name)) {
      report('ERROR', {
        code: SQLSTATE.duplicateObject,
        message: `constraint "${name}" for domain "${domainName}" already exists`,
      });
    }
  } else {
    name = `${domainName}_check`;
    for (let n = 1; taken(name); n++) name = `${domainName}_check${n}`;
  }
  const p = makeParseState(null, sourceText, { types: [base], variable: false });
  p.argumentNames = ['value'];
  const toValue = (node: Expr): Expr =>
    node.kind === 'Param'
      ? {
          kind: 'CoerceToDomainValue',
          typeId: base,
          typeMod: typmod,
          collation: typeCollation(base),
          location: node.location,
        }
      : mapChildren(node, toValue);
  const raw = coerceToBoolean(p, transformExpr(p, check.raw_expr!, 'check_constraint'), 'CHECK');
  assignExprCollations(p, raw);
  const expr = toValue(raw);
  createConstraintEntry({
    name,
    namespace,
    type: 'c',
    validated: true,
    domain,
    binary: nodeToString(expr),
    isLocal: true,
    inheritCount: 0,
    noInherit: false,
  });
}
