/** horizon.ts — which horizon decides what is dead in a relation.
 *  Counterpart: GlobalVisHorizonKindForRel() of src/backend/storage/ipc/procarray.c */
import { type Relation, relationIsAccessibleInLogicalDecoding } from '#access/common/relation-descriptor.ts';
import type { HorizonKind } from '#transam/proc-array.ts';
import { recoveryInProgress } from '#wal/insert.ts';

export function horizonKindOf(rel: Relation | null): HorizonKind {
  if (rel === null || rel.isShared || recoveryInProgress()) return 'shared';
  if (rel.isSystem || relationIsAccessibleInLogicalDecoding(rel)) return 'catalog';
  return rel.isLocalTemp ? 'temp' : 'data';
}
