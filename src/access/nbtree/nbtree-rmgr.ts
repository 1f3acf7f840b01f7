/** nbtree-rmgr.ts — the resource manager Btree: redo, description, names. Row 11 of recovery/rmgr-list.ts. */
import type { RmgrRow } from '#wal/rmgr.ts';
import { btreeIdentify, describeBtree } from '#access/nbtree/describe.ts';
import { maskBtreePage, redoBtree } from '#access/nbtree/redo.ts';

export const btreeRmgr: RmgrRow = {
  name: 'Btree',
  redo: redoBtree,
  describe: describeBtree,
  identify: btreeIdentify,
  mask: maskBtreePage,
};
