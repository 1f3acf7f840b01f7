/** index-operators.ts — the operators that say which rows conflict in an index: equality, or those of an exclusion
 *  constraint.
 *  Counterpart: BuildSpeculativeIndexInfo() of src/backend/catalog/index.c, RelationGetExclusionInfo() of relcache.c */
import type { Relation } from '#access/common/relation-descriptor.ts';
import type { Datum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';
import { TYPE } from '#catalog/oids.ts';
import { amopsOfOperator, constraintsOf, familyMember, operatorRow } from '#catalog/syscache.ts';
import { directCall } from '#executor/function-call.ts';

/** B-tree's equality. */
const EQUAL_STRATEGY = 3;

/** One key column: when do two values conflict? */
export interface ConflictOperator {
  readonly strategy: number;
  readonly procOid: Oid;
  readonly subtype: Oid;
  test(a: Datum, b: Datum): boolean;
}

function conflictOperator(index: Relation, column: number, operator: Oid): ConflictOperator {
  const desc = index.index!;
  const row = operatorRow(operator);
  if (row === undefined) throw new Error(`cache lookup failed for operator ${operator}`);
  const member = amopsOfOperator(operator).find((amop) => amop.amopfamily === desc.opfamilies[column]);
  if (member === undefined)
    throw new Error(`operator ${operator} is not a member of opfamily ${desc.opfamilies[column]}`);
  const call = directCall(row.oprcode, [row.oprleft, row.oprright], TYPE.bool, desc.collations[column]!);
  return {
    strategy: member.amopstrategy,
    procOid: row.oprcode,
    subtype: desc.opcInTypes[column]!,
    test: (a, b) => call(a, b) === true,
  };
}

/** Equality of each key column of a unique index. */
export function uniqueOperators(index: Relation): ConflictOperator[] {
  const desc = index.index!;
  return desc.opfamilies.slice(0, desc.nKeyAtts).map((family, i) => {
    const type = desc.opcInTypes[i]!;
    return conflictOperator(index, i, familyMember(family, type, type, EQUAL_STRATEGY));
  });
}
/** The operators of the exclusion constraint that the index enforces. */
export function exclusionOperators(index: Relation): ConflictOperator[] {
  const constraint = constraintsOf(index.index!.heapRelid).find(
    (row) => row.conindid === index.oid && row.contype === 'x',
  );
  const operators = constraint?.conexclop;
  if (operators == null) throw new Error(`exclusion constraint record missing for rel ${index.name}`);
  return operators.map((operator, i) => conflictOperator(index, i, operator));
}
