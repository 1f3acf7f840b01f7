/** new-oid.ts — numbers for new objects and new files.
 *  Counterpart: GetNewOidWithIndex(), GetNewRelFileNode() of src/backend/catalog/catalog.c */
import type { Relation } from '#access/common/relation-descriptor.ts';
import type { Oid } from '#base/ids.ts';
import { relFileNode } from '#catalog/relcache.ts';
import { systableBeginScan } from '#catalog/systable.ts';
import { statIfExists } from '#platform/file-system.ts';
import { report } from '#runtime/error/report.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { myProcess } from '#runtime/my-process.ts';
import { relationPath } from '#storage/file/paths.ts';
import { SNAPSHOT_ANY } from '#transam/snapshot.ts';
import { getNewObjectId } from '#transam/xid-generator.ts';

const CLASS_OID_INDEX = 2662 as Oid;
const FIRST_REPORT = 1_000_000;
const REPORT_INTERVAL_LIMIT = 128_000_000;

/** An OID that no row of the catalog has, dead ones included: somebody may still see them. */
export function getNewOidWithIndex(rel: Relation, indexOid: Oid, attnum: number): Oid {
  let tries = 0;
  let reportAt = FIRST_REPORT;
  for (;;) {
    checkForInterrupts();
    const oid = getNewObjectId();
    const scan = systableBeginScan(rel, indexOid, true, [{ attnum, value: oid }], SNAPSHOT_ANY);
    const isTaken = scan.next();
    scan.end();
    if (!isTaken) {
      if (tries >= FIRST_REPORT) {
        report('LOG', { message: `new OID has been assigned in relation "${rel.name}" after ${tries} retries` });
      }
      return oid;
    }
    if (++tries < reportAt) continue;
    report('LOG', {
      message: `still searching for an unused OID in relation "${rel.name}"`,
      detail: `OID candidates have been checked ${tries} times, but no unused OID has been found yet.`,
    });
    reportAt += Math.min(reportAt, REPORT_INTERVAL_LIMIT);
  }
}
/** A number for a new file: also a free OID of pg_class if that is given (open), so that both can be the same. */
export function getNewRelFileNode(tablespace: Oid, pgClass: Relation | null, persistence: 'p' | 'u' | 't'): Oid {
  const backend = persistence === 't' ? myProcess.backendId : -1;
  for (;;) {
    checkForInterrupts();
    const oid = pgClass === null ? getNewObjectId() : getNewOidWithIndex(pgClass, CLASS_OID_INDEX, 1);
    const rnode = relFileNode(tablespace, false, oid);
    if (statIfExists(relationPath(rnode, backend, 0)) === undefined) return oid;
  }
}
