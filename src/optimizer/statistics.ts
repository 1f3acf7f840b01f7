/** statistics.ts — what ANALYZE has found out about a column.
 *  Counterpart: get_attstatsslot() of src/backend/utils/cache/lsyscache.c, the readers of pg_statistic in selfuncs.c */
import type { ArrayDatum, Datum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';
import { forgetOnChange } from '#catalog/catalog-change.ts';
import { scanCatalogRows } from '#catalog/systable.ts';

const PG_STATISTIC = 2619 as Oid;
const RELID_ATT_INH_INDEX = 2696 as Oid;
export const STATISTIC_KIND = { mcv: 1, histogram: 2, correlation: 3, mcelem: 4, dechist: 5 } as const;

export interface StatisticSlot {
  readonly kind: number;
  readonly operator: Oid;
  readonly collation: Oid;
  readonly numbers: readonly number[];
  readonly values: readonly Datum[];
}
export interface ColumnStatistics {
  readonly nullFraction: number;
  readonly width: number;
  /** Positive: that many; negative: this share of the rows, times -1; 0: unknown. */
  readonly distinct: number;
  readonly slots: readonly StatisticSlot[];
}

const known = new Map<number, ColumnStatistics | null>();
forgetOnChange([PG_STATISTIC], () => known.clear());

/** Statistics of a column (from 1) of a table or an index; undefined if there are none. */
export function columnStatistics(relid: Oid, column: number): ColumnStatistics | undefined {
  const key = relid * 4096 + column;
  let found = known.get(key);
  if (found === undefined) {
    found = readStatistics(relid, column);
    known.set(key, found);
  }
  return found ?? undefined;
}

const elementsOf = (value: Datum): readonly Datum[] => (value === null ? [] : (value as ArrayDatum).elements);

function readStatistics(relid: Oid, column: number): ColumnStatistics | null {
  let found: ColumnStatistics | null = null;
  const keys = [
    { attnum: 1, value: relid },
    { attnum: 2, value: column },
    { attnum: 3, value: false },
  ];
  scanCatalogRows(PG_STATISTIC, RELID_ATT_INH_INDEX, keys, (scan) => {
    const row = scan.values();
    const slots: StatisticSlot[] = [];
    for (let slot = 0; slot < 5; slot++) {
      const kind = row[6 + slot] as number;
      if (kind === 0) continue;
      slots.push({
        kind,
        operator: row[11 + slot] as Oid,
        collation: row[16 + slot] as Oid,
        numbers: elementsOf(row[21 + slot]!) as number[],
        values: elementsOf(row[26 + slot]!),
      });
    }
    found = {
      nullFraction: row[3] as number,
      width: row[4] as number,
      distinct: row[5] as number,
      slots,
    };
    return false;
  });
  return found;
}

export const statisticSlot = (statistics: ColumnStatistics, kind: number): StatisticSlot | undefined =>
  statistics.slots.find((slot) => slot.kind === kind);
