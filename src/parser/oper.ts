/** oper.ts — from an operator's name and its argument types to the operator that is meant.
 *
 *  Exact match first, then the best candidate by func.ts's rules. Look-ups are cached by name and types, since the same
 *  comparisons come again and again; the cache ends when search_path changes.
 *  Counterpart: src/backend/parser/parse_oper.c */
import type { Oid } from '#base/ids.ts';
import { formatType } from '#catalog/format-type.ts';
import { operatorCandidates, searchPath } from '#catalog/namespace.ts';
import { forgetOnChange } from '#catalog/catalog-change.ts';
import { BT, RELATION, TYPE } from '#catalog/oids.ts';
import type { OperatorRow } from '#catalog/rows.ts';
import {
  amopsOfOperator as amopsByOperator,
  baseType,
  btreeOpclass,
  elementType,
  familyMember,
  hashOpclass,
  isBinaryCoercible,
  operatorRow,
  procRow,
  typeRow,
} from '#catalog/syscache.ts';
import type { Expr, OpExpr, ScalarArrayOpExpr } from '#nodes/primitives.ts';
import { exprType } from '#nodes/node-funcs.ts';
import { coerceType } from '#parser/coerce.ts';
import { matchCandidates, selectCandidate } from '#parser/candidates.ts';
import { fail, type ParseState, withPosition } from '#parser/parse-state.ts';
import { enforceGenericTypes } from '#parser/polymorphic.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

const INVALID = 0 as Oid;

let cachePath: readonly Oid[] = [];
const cache = new Map<string, OperatorRow>();
forgetOnChange([RELATION.pgOperator, RELATION.pgCast, RELATION.pgType], () => cache.clear());
function cached(key: string): OperatorRow | undefined {
  const path = searchPath();
  if (path !== cachePath) {
    cache.clear();
    cachePath = path;
  }
  return cache.get(key);
}

/** `=` as messages show it: integer = text. */
export function operatorSignature(name: readonly string[], left: Oid, right: Oid): string {
  const qualified = name.join('.');
  return left === 0 ? `${qualified} ${formatType(right)}` : `${formatType(left)} ${qualified} ${formatType(right)}`;
}

function operatorError(
  p: ParseState | null,
  name: readonly string[],
  left: Oid,
  right: Oid,
  ambiguous: boolean,
  location: number,
): never {
  const message = `operator ${ambiguous ? 'is not unique' : 'does not exist'}: ${operatorSignature(name, left, right)}`;
  if (ambiguous) {
    fail(p, SQLSTATE.ambiguousFunction, message, location, {
      hint: 'Could not choose a best candidate operator. You might need to add explicit type casts.',
    });
  }
  fail(p, SQLSTATE.undefinedFunction, message, location, {
    hint:
      left !== 0
        ? 'No operator matches the given name and argument types. You might need to add explicit type casts.'
        : 'No operator matches the given name and argument type. You might need to add an explicit type cast.',
  });
}

/** A binary operator for these types; undefined instead of an error if `quiet`. */
export function findOperator(
  p: ParseState | null,
  name: readonly string[],
  left: Oid,
  right: Oid,
  quiet: boolean,
  location: number,
): OperatorRow | undefined {
  const key = `${name.join('.')} ${left} ${right}`;
  const hit = cached(key);
  if (hit !== undefined) return hit;
  const candidates = withPosition(p, location, () => operatorCandidates(name, 'b'));
  let found: OperatorRow | undefined;
  let ambiguous = false;
  if (candidates.length > 0) {
    found = exactOperator(candidates, left, right);
    if (found === undefined) {
      // An untyped argument is taken to be the other's type for the second exact look.
      const pair = [left === 0 ? right : left, right === 0 ? left : right] as const;
      const matched = matchCandidates([...pair], candidates, operatorArgs);
      if (matched.length === 1) found = matched[0];
      else if (matched.length > 1) {
        found = selectCandidate([...pair], matched, operatorArgs);
        ambiguous = found === undefined;
      }
    }
  }
  if (found !== undefined) cache.set(key, found);
  else if (!quiet) operatorError(p, name, left, right, ambiguous, location);
  return found;
}
const operatorArgs = (o: OperatorRow): readonly Oid[] => (o.oprkind === 'l' ? [o.oprright] : [o.oprleft, o.oprright]);

/** The operator on exactly these types; unknown counts as the other side's type, domains as their base. */
function exactOperator(candidates: readonly OperatorRow[], left: Oid, right: Oid): OperatorRow | undefined {
  const find = (l: Oid, r: Oid): OperatorRow | undefined => candidates.find((o) => o.oprleft === l && o.oprright === r);
  if (right === TYPE.unknown && left !== 0) right = left;
  else if (left === TYPE.unknown && right !== 0) left = right;
  const found = find(left, right);
  if (found !== undefined) return found;
  if (left === right) {
    const base = baseType(left);
    if (base !== left) return find(base, base);
  }
  return undefined;
}

export function findPrefixOperator(
  p: ParseState | null,
  name: readonly string[],
  arg: Oid,
  location: number,
): OperatorRow {
  const key = `${name.join('.')} - ${arg}`;
  const hit = cached(key);
  if (hit !== undefined) return hit;
  const candidates = withPosition(p, location, () => operatorCandidates(name, 'l'));
  let found = candidates.find((o) => o.oprright === arg);
  let ambiguous = false;
  if (found === undefined && candidates.length > 0) {
    const matched = matchCandidates([arg], candidates, operatorArgs);
    if (matched.length === 1) found = matched[0];
    else if (matched.length > 1) {
      found = selectCandidate([arg], matched, operatorArgs);
      ambiguous = found === undefined;
    }
  }
  if (found === undefined) operatorError(p, name, INVALID, arg, ambiguous, location);
  cache.set(key, found);
  return found;
}

/** A binary operator whose inputs need no conversion but a relabelling; undefined if there is none. */
export function compatibleOperator(name: readonly string[], left: Oid, right: Oid): OperatorRow | undefined {
  const found = findOperator(null, name, left, right, true, -1);
  if (found === undefined) return undefined;
  return isBinaryCoercible(left, found.oprleft) && isBinaryCoercible(right, found.oprright) ? found : undefined;
}

/** Coerces arguments to what a function or operator declares, after polymorphic types were resolved. */
export function makeFunctionArguments(
  p: ParseState | null,
  args: Expr[],
  actual: readonly Oid[],
  declared: readonly Oid[],
): Expr[] {
  for (let i = 0; i < args.length; i++) {
    if (actual[i] === declared[i]) continue;
    const node = args[i]!;
    if (node.kind === 'NamedArgExpr') {
      const arg = coerceType(p, node.arg, actual[i]!, declared[i]!, -1, 'implicit', 'implicit_cast', -1);
      args[i] = { ...node, arg };
    } else args[i] = coerceType(p, node, actual[i]!, declared[i]!, -1, 'implicit', 'implicit_cast', -1);
  }
  return args;
}

/** Builds `left op right` (left null: prefix operator). */
export function makeOp(
  p: ParseState,
  name: readonly string[],
  left: Expr | null,
  right: Expr,
  location: number,
): OpExpr {
  const rightType = exprType(right);
  const leftType = left === null ? INVALID : exprType(left);
  const row =
    left === null
      ? findPrefixOperator(p, name, rightType, location)
      : findOperator(p, name, leftType, rightType, false, location)!;
  if (row.oprcode === 0) {
    fail(
      p,
      SQLSTATE.undefinedFunction,
      `operator is only a shell: ${operatorSignature(row.oprname.split('.'), row.oprleft, row.oprright)}`,
      location,
    );
  }
  const args = left === null ? [right] : [left, right];
  const actual = left === null ? [rightType] : [leftType, rightType];
  const declared = left === null ? [row.oprright] : [row.oprleft, row.oprright];
  const result = enforceGenericTypes(actual, declared, row.oprresult);
  makeFunctionArguments(p, args, actual, declared);
  const made: OpExpr = {
    kind: 'OpExpr',
    opno: row.oid,
    opfuncid: row.oprcode,
    opresulttype: result,
    opretset: procRow(row.oprcode)!.proretset,
    opcollid: INVALID,
    inputcollid: INVALID,
    args,
    location,
  };
  if (made.opretset) p.lastSrf = made;
  return made;
}

/** `left op ANY/ALL (array)`. */
export function makeScalarArrayOp(
  p: ParseState,
  name: readonly string[],
  useOr: boolean,
  left: Expr,
  right: Expr,
  location: number,
): ScalarArrayOpExpr {
  const leftType = exprType(left);
  const arrayType = exprType(right);
  let rightType: Oid;
  if (arrayType === TYPE.unknown) rightType = TYPE.unknown;
  else {
    rightType = elementType(baseType(arrayType));
    if (rightType === 0) fail(p, SQLSTATE.wrongObjectType, 'op ANY/ALL (array) requires array on right side', location);
  }
  const row = findOperator(p, name, leftType, rightType, false, location)!;
  const actual = [leftType, rightType];
  const declared = [row.oprleft, row.oprright];
  const result = enforceGenericTypes(actual, declared, row.oprresult);
  if (result !== TYPE.bool)
    fail(p, SQLSTATE.wrongObjectType, 'op ANY/ALL (array) requires operator to yield boolean', location);
  if (procRow(row.oprcode)!.proretset) {
    fail(p, SQLSTATE.wrongObjectType, 'op ANY/ALL (array) requires operator not to return a set', location);
  }
  const wanted = typeRow(declared[1]!)!.typarray;
  if (wanted === 0) {
    fail(p, SQLSTATE.undefinedObject, `could not find array type for data type ${formatType(declared[1]!)}`, location);
  }
  const args = [left, right];
  makeFunctionArguments(p, args, [leftType, arrayType], [declared[0]!, wanted]);
  return {
    kind: 'ScalarArrayOpExpr',
    opno: row.oid,
    opfuncid: row.oprcode,
    useOr,
    inputcollid: INVALID,
    args,
    location,
  };
}

export interface SortOperators {
  less: Oid;
  equal: Oid;
  greater: Oid;
  hashable: boolean;
}
const sortCache = new Map<Oid, SortOperators>();
forgetOnChange([RELATION.pgOpclass, RELATION.pgAmop, RELATION.pgType], () => sortCache.clear());
/** The <, =, > of a type's default order; 0 where missing. Arrays and records are asked about their parts. */
export function typeSortOperators(type: Oid): SortOperators {
  const hit = sortCache.get(type);
  if (hit !== undefined) return hit;
  const found: SortOperators = { less: INVALID, equal: INVALID, greater: INVALID, hashable: false };
  const btree = btreeOpclass(type);
  if (btree !== undefined) {
    const t = btree.opcintype;
    found.less = familyMember(btree.opcfamily, t, t, BT.less);
    found.equal = familyMember(btree.opcfamily, t, t, BT.equal);
    found.greater = familyMember(btree.opcfamily, t, t, BT.greater);
  }
  const hash = hashOpclass(type);
  if (hash !== undefined) {
    const equal = familyMember(hash.opcfamily, hash.opcintype, hash.opcintype, 1);
    if (found.equal === 0) found.equal = equal;
    found.hashable = equal === found.equal;
  }
  const element = elementType(baseType(type));
  if (element !== 0) {
    const parts = typeSortOperators(element);
    if (parts.equal === 0) found.equal = INVALID;
    if (parts.less === 0) {
      found.less = INVALID;
      found.greater = INVALID;
    }
    found.hashable = found.hashable && parts.hashable;
  }
  if (type === TYPE.record || typeRow(baseType(type))?.typtype === 'c') found.hashable = false;
  sortCache.set(type, found);
  return found;
}

/** Demands operators of a type for sorting or grouping. */
export function requireSortOperators(
  p: ParseState | null,
  type: Oid,
  need: { less?: boolean; equal?: boolean; greater?: boolean },
  location: number,
): SortOperators {
  const found = typeSortOperators(type);
  if ((need.less === true && found.less === 0) || (need.greater === true && found.greater === 0)) {
    fail(
      p,
      SQLSTATE.undefinedFunction,
      `could not identify an ordering operator for type ${formatType(type)}`,
      location,
      {
        hint: 'Use an explicit ordering operator or modify the query.',
      },
    );
  }
  if (need.equal === true && found.equal === 0) {
    fail(
      p,
      SQLSTATE.undefinedFunction,
      `could not identify an equality operator for type ${formatType(type)}`,
      location,
    );
  }
  return found;
}

/** btree families in which the operator is a member, with its strategy. */
export function btreeInterpretations(operator: Oid): { family: Oid; strategy: number; left: Oid; right: Oid }[] {
  const out: { family: Oid; strategy: number; left: Oid; right: Oid }[] = [];
  const row = operatorRow(operator);
  if (row === undefined) return out;
  const families = new Set<Oid>();
  const collect = (op: Oid, negated: boolean): void => {
    for (const member of amopsByOperator(op)) {
      if (member.amopmethod !== 403 || member.amoppurpose !== 's') continue;
      if (negated && member.amopstrategy !== BT.equal) continue;
      if (families.has(member.amopfamily)) continue;
      families.add(member.amopfamily);
      out.push({
        family: member.amopfamily,
        strategy: negated ? NOT_EQUAL_STRATEGY : member.amopstrategy,
        left: member.amoplefttype,
        right: member.amoprighttype,
      });
    }
  };
  collect(operator, false);
  if (out.length === 0 && row.oprnegate !== 0) collect(row.oprnegate, true);
  return out;
}
/** Strategy number of <>, which btree knows only as the negator of =. */
export const NOT_EQUAL_STRATEGY = 6;

/** For an ordering operator (< or > of some btree family): its equality operator and direction. */
export function orderingOperator(operator: Oid): { equal: Oid; reverse: boolean; type: Oid; family: Oid } | undefined {
  for (const member of amopsByOperator(operator)) {
    if (member.amopmethod !== 403 || (member.amopstrategy !== BT.less && member.amopstrategy !== BT.greater)) continue;
    if (member.amoplefttype !== member.amoprighttype) continue;
    const equal = familyMember(member.amopfamily, member.amoplefttype, member.amoprighttype, BT.equal);
    return { equal, reverse: member.amopstrategy === BT.greater, type: member.amoplefttype, family: member.amopfamily };
  }
  return undefined;
}

/** Can the type be hashed by this equality operator? */
export function operatorHashable(operator: Oid, inputType: Oid): boolean {
  const row = operatorRow(operator);
  if (row === undefined || !row.oprcanhash) return false;
  if (operator === 1070 || operator === 2988) return typeSortOperators(inputType).hashable;
  return true;
}
