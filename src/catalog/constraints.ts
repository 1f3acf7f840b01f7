/** constraints.ts — what the relation cache knows of a table's defaults and CHECK constraints (TupleDesc.constraints).
 *
 *  Expressions are kept as their stored text; whoever evaluates them reads the tree and keeps what it compiled.
 *  Counterpart: TupleConstr of src/include/access/tupdesc.h */
import type { Relation } from '#access/common/relation-descriptor.ts';

export interface RelationConstraints {
  /** pg_attrdef.adbin by attribute number. */
  readonly defaults: ReadonlyMap<number, string>;
  /** In name order, as they are checked. */
  readonly checks: readonly CheckConstraint[];
}
export interface CheckConstraint {
  readonly name: string;
  /** pg_constraint.conbin. */
  readonly text: string;
  readonly validated: boolean;
  readonly noInherit: boolean;
}
export const NO_CONSTRAINTS: RelationConstraints = { defaults: new Map(), checks: [] };

export const constraintsOfRelation = (relation: Relation): RelationConstraints =>
  (relation.tupleDesc.constraints as RelationConstraints | null) ?? NO_CONSTRAINTS;
