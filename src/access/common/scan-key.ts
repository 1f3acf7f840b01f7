/** scan-key.ts — one condition of a scan: column, strategy, argument.
 *  Counterpart: src/include/access/skey.h, src/backend/access/common/scankey.c */
import type { Datum } from '#adt/datum.ts';
import { INVALID_OID, type Oid } from '#base/ids.ts';

export const SK = {
  isNull: 0x0001,
  unary: 0x0002,
  rowHeader: 0x0004,
  rowMember: 0x0008,
  rowEnd: 0x0010,
  searchArray: 0x0020,
  searchNull: 0x0040,
  searchNotNull: 0x0080,
  orderBy: 0x0100,
  btRequiredForward: 0x0001_0000,
  btRequiredBackward: 0x0002_0000,
  btDesc: 0x0100_0000,
  btNullsFirst: 0x0200_0000,
} as const;

/** B-tree strategies. */
export const BT_STRATEGY = { less: 1, lessEqual: 2, equal: 3, greaterEqual: 4, greater: 5 } as const;

export interface ScanKey {
  flags: number;
  /** Column, from 1. */
  attno: number;
  strategy: number;
  subtype: Oid;
  collation: Oid;
  /** The operator's function (regproc), or the support function in an insertion scan key. */
  procOid: Oid;
  /** null with SK.isNull; the members of a row comparison; an ArrayDatum with SK.searchArray. */
  argument: Datum | ScanKey[];
  /** For heap scans and row comparisons: does (column, argument) satisfy the operator. */
  test: ((value: Datum, argument: Datum, collation: Oid) => boolean) | null;
  /** Three-way comparison (value of the column against the argument), for access methods that order. */
  compare: ((value: Datum, argument: Datum, collation: Oid) => number) | null;
}

export function makeScanKey(
  attno: number,
  strategy: number,
  procOid: Oid,
  argument: Datum,
  init: Partial<ScanKey> = {},
): ScanKey {
  return {
    flags: argument === null ? SK.isNull : 0,
    attno,
    strategy,
    subtype: INVALID_OID,
    collation: INVALID_OID,
    procOid,
    argument,
    test: null,
    compare: null,
    ...init,
  };
}
