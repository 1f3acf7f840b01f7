/** null-counts.ts — num_nulls() and num_nonnulls().
 *  Counterpart: count_nulls() of src/backend/utils/adt/misc.c */
import type { ArrayDatum, Datum } from '#adt/datum.ts';
import { type CallInfo, registerCallInfoBuiltins } from '#adt/fmgr.ts';

/** [arguments, nulls among them]; null when VARIADIC was given a null array. */
function count(info: CallInfo, args: readonly Datum[]): readonly [number, number] | null {
  let values = args;
  if (info.variadic) {
    const array = args[0] as ArrayDatum | null;
    if (array === null) return null;
    values = array.elements;
  }
  return [values.length, values.filter((value) => value === null).length];
}

registerCallInfoBuiltins({
  pg_num_nulls: (info, ...args: Datum[]) => count(info, args)?.[1] ?? null,
  pg_num_nonnulls: (info, ...args: Datum[]) => {
    const counted = count(info, args);
    return counted === null ? null : counted[0] - counted[1];
  },
});
