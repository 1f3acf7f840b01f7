/** xmins.ts — two xids that say how far back this process has to look.
 *
 *  transactionXmin: the xmin of this transaction's oldest live snapshot; pg_subtrans is kept from there on.
 *  recentXmin: of the latest snapshot; every older xid is known to have ended.
 *  Counterpart: TransactionXmin, RecentXmin of src/backend/utils/time/snapmgr.c */
import type { TransactionId } from '#base/ids.ts';
import { FIRST_NORMAL_XID } from '#base/xid.ts';

export const xmins = {
  transaction: FIRST_NORMAL_XID as TransactionId,
  recent: FIRST_NORMAL_XID as TransactionId,
};
