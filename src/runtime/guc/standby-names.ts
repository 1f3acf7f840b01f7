/** standby-names.ts — the little language of synchronous_standby_names.
 *
 *      a, b            the first of a and b, by priority
 *      2 (a, b, c)     the first two, by priority; FIRST 2 (…) says the same
 *      ANY 2 (a, b, c) any two
 *
 *  A name is an identifier in any case, a quoted identifier, a number, or `*` for every standby.
 *  Counterpart: src/backend/replication/syncrep_gram.y, syncrep_scanner.l */

export interface StandbyNames {
  readonly method: 'priority' | 'quorum';
  readonly count: number;
  readonly names: readonly string[];
}
export type StandbyNamesResult = StandbyNames | { readonly error: string };

interface Word {
  readonly kind: 'name' | 'number' | 'any' | 'first' | 'mark' | 'end';
  readonly text: string;
}
const WORD = /([A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*)|"((?:[^"]|"")*)"|(\*)|([0-9]+)|(\S)/gy;

function words(text: string): Word[] | { error: string } {
  const out: Word[] = [];
  const blanks = /[ \t\n\v\f\r]*/y;
  for (let at = 0; ; ) {
    blanks.lastIndex = at;
    at += blanks.exec(text)![0].length;
    if (at >= text.length) break;
    WORD.lastIndex = at;
    const [whole, identifier, quoted, star, digits] = WORD.exec(text)!;
    at += whole.length;
    if (identifier !== undefined) {
      const lower = identifier.toLowerCase();
      out.push({ kind: lower === 'any' || lower === 'first' ? lower : 'name', text: identifier });
    } else if (quoted !== undefined) out.push({ kind: 'name', text: quoted.replaceAll('""', '"') });
    else if (star !== undefined) out.push({ kind: 'name', text: '*' });
    else if (digits !== undefined) out.push({ kind: 'number', text: digits });
    else if (whole === '"') return { error: 'unterminated quoted identifier at end of input' };
    else out.push({ kind: 'mark', text: whole });
  }
  out.push({ kind: 'end', text: '' });
  return out;
}

export function parseStandbyNames(text: string): StandbyNamesResult {
  const list = words(text);
  if (!Array.isArray(list)) return list;
  let at = 0;
  const wrong = (word: Word): { error: string } => ({
    error: word.kind === 'end' ? 'syntax error at end of input' : `syntax error at or near "${word.text}"`,
  });
  const names: string[] = [];
  /** Names up to `closing`; the offending word if there is one. */
  const readNames = (closing: string): Word | undefined => {
    for (;;) {
      const name = list[at++]!;
      if (name.kind !== 'name' && name.kind !== 'number') return name;
      names.push(name.text);
      const next = list[at++]!;
      if (next.text === closing && (closing !== '' || next.kind === 'end')) return undefined;
      if (next.kind !== 'mark' || next.text !== ',') return next;
    }
  };
  const first = list[0]!;
  const keyword = first.kind === 'any' || first.kind === 'first';
  const counted = keyword ? list[1]! : first;
  const opening = list[keyword ? 2 : 1];
  if (keyword && counted.kind !== 'number') return wrong(counted);
  if (keyword && opening?.text !== '(') return wrong(opening!);
  if (counted.kind === 'number' && opening?.kind === 'mark' && opening.text === '(') {
    at = keyword ? 3 : 2;
    const bad = readNames(')') ?? (list[at]!.kind === 'end' ? undefined : list[at]!);
    if (bad !== undefined) return wrong(bad);
    return { method: first.kind === 'any' ? 'quorum' : 'priority', count: Number(counted.text), names };
  }
  const bad = readNames('');
  return bad === undefined ? { method: 'priority', count: 1, names } : wrong(bad);
}
