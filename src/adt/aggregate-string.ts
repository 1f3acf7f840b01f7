/** aggregate-string.ts — string_agg over text and bytea.
 *  Counterpart: string_agg_transfn() of src/backend/utils/adt/varlena.c */
import type { Internal } from '#adt/datum.ts';
import { registerBuiltins } from '#adt/fmgr.ts';

class StringState implements Internal {
  readonly kind = 'internal';
  constructor(public text: string) {}
}
class BytesState implements Internal {
  readonly kind = 'internal';
  constructor(readonly parts: Uint8Array[]) {}
}

registerBuiltins({
  // The delimiter stands before every value but the first, whose own delimiter is not used.
  string_agg_transfn: (state: StringState | null, value: string | null, delimiter: string | null) => {
    if (value === null) return state;
    if (state === null) return new StringState(value);
    state.text += delimiter === null ? value : delimiter + value;
    return state;
  },
  string_agg_finalfn: (state: StringState | null) => (state === null ? null : state.text),
  bytea_string_agg_transfn: (state: BytesState | null, value: Uint8Array | null, delimiter: Uint8Array | null) => {
    if (value === null) return state;
    if (state === null) return new BytesState([value]);
    if (delimiter !== null) state.parts.push(delimiter);
    state.parts.push(value);
    return state;
  },
  bytea_string_agg_finalfn: (state: BytesState | null) => (state === null ? null : Buffer.concat(state.parts)),
});
