/** like-prefix.ts — the beginning that every match of a pattern has, as a range of strings.
 *  Counterpart: like_fixed_prefix(), make_greater_string() of src/backend/utils/adt/like_support.c */
import type { Oid } from '#base/ids.ts';
import { C_COLLATION_OID, DEFAULT_COLLATION_OID } from '#nodes/node-funcs.ts';
import type { Const } from '#nodes/primitives.ts';
import { settings } from '#runtime/guc/guc.ts';

/** ~~ of name, text, bpchar; ^@. */
const LIKE: ReadonlySet<number> = new Set([1207, 1209, 1211]);
const STARTS_WITH = 3877;
/** text_pattern_ops, bpchar_pattern_ops: sorted byte by byte. */
const PATTERN_FAMILIES: ReadonlySet<number> = new Set([2095, 2097]);
/** text_ops, bpchar_ops. */
const TEXT_FAMILIES: ReadonlySet<number> = new Set([1994, 426]);

export interface PrefixRange {
  readonly exact: boolean;
  readonly low: string;
  /** First string beyond; null if there is none. */
  readonly high: string | null;
}

const sortsByBytes = (collation: Oid): boolean =>
  collation === C_COLLATION_OID ||
  collation === 951 ||
  (collation === DEFAULT_COLLATION_OID && (settings.lc_collate === 'C' || settings.lc_collate === 'POSIX'));

export function prefixRange(
  operator: Oid,
  pattern: Const,
  family: Oid,
  indexCollation: Oid,
  inputCollation: Oid,
): PrefixRange | null {
  const byBytes = PATTERN_FAMILIES.has(family);
  if (!byBytes && !TEXT_FAMILIES.has(family)) return null;
  const text = pattern.constvalue;
  if (typeof text !== 'string') return null;
  let fixed: { prefix: string; exact: boolean };
  if (LIKE.has(operator)) fixed = fixedPrefix(text);
  else if (operator === STARTS_WITH) fixed = { prefix: text, exact: false };
  else return null;
  if (fixed.prefix === '') return null;
  if (fixed.exact) {
    if (!byBytes && indexCollation !== inputCollation) return null;
    return { exact: true, low: fixed.prefix, high: null };
  }
  if (!byBytes && !sortsByBytes(indexCollation)) return null;
  return { exact: false, low: fixed.prefix, high: greaterString(fixed.prefix) };
}

function fixedPrefix(pattern: string): { prefix: string; exact: boolean } {
  let prefix = '';
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i]!;
    if (char === '%' || char === '_') return { prefix, exact: false };
    if (char === '\\') {
      i++;
      if (i >= pattern.length) break;
    }
    prefix += pattern[i]!;
  }
  return { prefix, exact: true };
}

const LAST_CODE_POINT = 0x10ffff;
/** A string after all those that begin with `prefix`. */
function greaterString(prefix: string): string | null {
  const points = Array.from(prefix, (char) => char.codePointAt(0)!);
  while (points.length > 0) {
    const last = points.pop()!;
    if (last >= LAST_CODE_POINT) continue;
    // Surrogates are no characters.
    const next = last + 1 >= 0xd800 && last + 1 <= 0xdfff ? 0xe000 : last + 1;
    return String.fromCodePoint(...points, next);
  }
  return null;
}
