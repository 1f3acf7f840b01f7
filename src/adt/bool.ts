/** bool.ts — the type boolean and the aggregates over it.
 *  Counterpart: src/backend/utils/adt/bool.c */
import type { Internal } from '#adt/datum.ts';
import { registerBuiltins } from '#adt/fmgr.ts';
import { invalidInput } from '#adt/value-errors.ts';
import { expectLength } from '#adt/wire.ts';

const WORDS: readonly (readonly [string, boolean, number])[] = [
  ['true', true, 1],
  ['false', false, 1],
  ['yes', true, 1],
  ['no', false, 1],
  ['on', true, 2], // "o" alone could mean both
  ['off', false, 2],
  ['1', true, 1],
  ['0', false, 1],
];

/** The boolean that `text` abbreviates, or undefined. Surrounding white space is not accepted here. */
export function parseBool(text: string): boolean | undefined {
  const folded = text.toLowerCase();
  for (const [word, value, least] of WORDS) {
    if (folded.length >= least && word.startsWith(folded)) return value;
  }
  return undefined;
}

export function boolIn(text: string): boolean {
  const value = text === 't' ? true : text === 'f' ? false : parseBool(text.replace(/^[ \t-\r]+|[ \t-\r]+$/g, ''));
  return value ?? invalidInput('boolean', text);
}

/** Counts of a moving bool_and/bool_or. */
class BoolState implements Internal {
  readonly kind = 'internal';
  count = 0;
  trueCount = 0;
}

registerBuiltins({
  boolin: boolIn,
  boolout: (value: boolean) => (value ? 't' : 'f'),
  boolrecv: (bytes: Uint8Array) => {
    expectLength(bytes, 1);
    return bytes[0] !== 0;
  },
  boolsend: (value: boolean) => Uint8Array.of(value ? 1 : 0),
  booltext: (value: boolean) => (value ? 'true' : 'false'),
  booleq: (a: boolean, b: boolean) => a === b,
  boolne: (a: boolean, b: boolean) => a !== b,
  boollt: (a: boolean, b: boolean) => a < b,
  boolgt: (a: boolean, b: boolean) => a > b,
  boolle: (a: boolean, b: boolean) => a <= b,
  boolge: (a: boolean, b: boolean) => a >= b,
  btboolcmp: (a: boolean, b: boolean) => (a === b ? 0 : a ? 1 : -1),
  bool_int4: (value: boolean) => (value ? 1 : 0),
  int4_bool: (value: number) => value !== 0,
  booland_statefunc: (a: boolean, b: boolean) => a && b,
  boolor_statefunc: (a: boolean, b: boolean) => a || b,
  bool_accum: (state: BoolState | null, value: boolean | null) => {
    const result = state ?? new BoolState();
    if (value !== null) {
      result.count++;
      if (value) result.trueCount++;
    }
    return result;
  },
  bool_accum_inv: (state: BoolState, value: boolean | null) => {
    if (value !== null) {
      state.count--;
      if (value) state.trueCount--;
    }
    return state;
  },
  bool_alltrue: (state: BoolState | null) =>
    state === null || state.count === 0 ? null : state.trueCount === state.count,
  bool_anytrue: (state: BoolState | null) => (state === null || state.count === 0 ? null : state.trueCount > 0),
});
