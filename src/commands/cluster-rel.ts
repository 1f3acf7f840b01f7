/** cluster-rel.ts — a table's rows into a new file.
 *  Counterpart: cluster_rel() of src/backend/commands/cluster.c */
import type { Oid } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export function clusterRelation(
  _relid: Oid,
  _index: Oid,
  _options: { readonly verbose: boolean; readonly recheck: boolean },
): void {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'VACUUM FULL is not supported yet' });
}
