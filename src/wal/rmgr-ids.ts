/** rmgr-ids.ts — the numbers of the resource managers, as they stand in xl_rmid.
 *  Counterpart: src/include/access/rmgrlist.h */
export const RM = {
  xlog: 0,
  xact: 1,
  smgr: 2,
  clog: 3,
  dbase: 4,
  tblspc: 5,
  multixact: 6,
  relmap: 7,
  standby: 8,
  heap2: 9,
  heap: 10,
  btree: 11,
  hash: 12,
  gin: 13,
  gist: 14,
  seq: 15,
  spgist: 16,
  brin: 17,
  commitTs: 18,
  replOrigin: 19,
  generic: 20,
  logicalMsg: 21,
} as const satisfies Record<string, number>;
export type RmgrId = (typeof RM)[keyof typeof RM];
/** Built-in ids end here; custom resource managers have 128 to 255. */
export const RM_MAX_BUILTIN_ID = 21;
export const RM_MIN_CUSTOM_ID = 128;
export const RM_MAX_ID = 255;
