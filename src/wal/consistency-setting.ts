/** consistency-setting.ts — wal_consistency_checking: of which resource managers every page is logged for comparison.
 *  Counterpart: check_wal_consistency_checking() of src/backend/utils/misc/guc.c */
import { settings } from '#runtime/guc/guc.ts';
import { RM } from '#wal/rmgr-ids.ts';

/** Managers that can hide what may differ between a page and its twin, by the names the setting uses. */
const CHECKABLE: Readonly<Record<string, number>> = {
  heap2: RM.heap2,
  heap: RM.heap,
  btree: RM.btree,
  hash: RM.hash,
  gin: RM.gin,
  gist: RM.gist,
  sequence: RM.seq,
  spgist: RM.spgist,
  brin: RM.brin,
  generic: RM.generic,
};
const checked = new Uint8Array(256);
let parsedFrom = '';

export function isConsistencyChecked(rmid: number): boolean {
  const text = settings.wal_consistency_checking;
  if (text === '' && parsedFrom === '') return false;
  if (text !== parsedFrom) {
    parsedFrom = text;
    checked.fill(0);
    for (const word of text.split(',')) {
      const name = word.trim().toLowerCase();
      const ids = name === 'all' ? Object.values(CHECKABLE) : [CHECKABLE[name]];
      for (const id of ids) if (id !== undefined) checked[id] = 1;
    }
  }
  return checked[rmid] === 1;
}
