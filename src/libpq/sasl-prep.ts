/** sasl-prep.ts — the form of a password that SCRAM hashes (RFC 4013): look-alike spellings become one.
 *
 *  A password that the rules prohibit is used as it is, byte for byte, on both sides; so preparing never fails.
 *  Counterpart: src/common/saslprep.c */
import {
  LEFT_TO_RIGHT,
  MAPPED_TO_NOTHING,
  NON_ASCII_SPACES,
  PROHIBITED,
  RIGHT_TO_LEFT,
  UNASSIGNED,
} from '#libpq/sasl-prep-tables.generated.ts';

/** `ranges` are pairs of first and last member, ascending. */
function isIn(ranges: readonly number[], code: number): boolean {
  let low = 0;
  let high = ranges.length >>> 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (code < ranges[2 * middle]!) high = middle;
    else if (code > ranges[2 * middle + 1]!) low = middle + 1;
    else return true;
  }
  return false;
}

const codes = (text: string): number[] => [...text].map((character) => character.codePointAt(0)!);

/** undefined where RFC 4013 has no prepared form. */
export function saslPrepStrict(password: string): string | undefined {
  let mapped = '';
  for (const character of password) {
    const code = character.codePointAt(0)!;
    if (isIn(NON_ASCII_SPACES, code)) mapped += ' ';
    else if (!isIn(MAPPED_TO_NOTHING, code)) mapped += character;
  }
  if (mapped === '') return undefined;
  const prepared = mapped.normalize('NFKC');
  const all = codes(prepared);
  if (all.some((code) => isIn(PROHIBITED, code) || isIn(UNASSIGNED, code))) return undefined;
  if (all.some((code) => isIn(RIGHT_TO_LEFT, code))) {
    // RFC 3454 §6: right-to-left text stands alone and between right-to-left characters.
    if (all.some((code) => isIn(LEFT_TO_RIGHT, code))) return undefined;
    if (!isIn(RIGHT_TO_LEFT, all[0]!) || !isIn(RIGHT_TO_LEFT, all[all.length - 1]!)) return undefined;
  }
  return prepared;
}

export function saslPrep(password: string): string {
  return /^[\x00-\x7f]*$/.test(password) ? password : (saslPrepStrict(password) ?? password);
}
