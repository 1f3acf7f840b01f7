/** formatting.ts — the template language of to_char, to_date, to_timestamp, to_number: cutting a template into nodes.
 *
 *  Keywords match exactly in the case they are listed; the longest wins. What is no keyword stands for itself.
 *  Parsed templates are kept, since the same one serves every row.
 *  Counterpart: parse_format() of src/backend/utils/adt/formatting.c */
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export interface Keyword {
  readonly name: string;
  /** Upper-case id shared by the spellings; sign of case is in `name`. */
  readonly id: string;
  readonly length: number;
  readonly isDigit: boolean;
  readonly mode: 'none' | 'gregorian' | 'isoweek';
}
export interface FormatNode {
  readonly type: 'action' | 'char' | 'separator' | 'space';
  readonly text: string;
  readonly key: Keyword | null;
  readonly fill: boolean;
  readonly translate: boolean;
  readonly th: '' | 'TH' | 'th';
}

const GREGORIAN = [
  'CC',
  'DDD',
  'DD',
  'D',
  'MM',
  'MONTH',
  'MON',
  'WW',
  'W',
  'Y,YYY',
  'YYYY',
  'YYY',
  'YY',
  'Y',
  'Q',
  'RM',
];
const ISO_WEEK = ['IDDD', 'ID', 'IW', 'IYYY', 'IYY', 'IY', 'I'];
const NOT_DIGITS = [
  'A.D.',
  'A.M.',
  'AD',
  'AM',
  'B.C.',
  'BC',
  'P.M.',
  'PM',
  'DAY',
  'DY',
  'MONTH',
  'MON',
  'FX',
  'OF',
  'RM',
  'TZH',
  'TZ',
];
const DATE_IDS =
  'A.D. A.M. AD AM B.C. BC CC DAY DDD DD DY D FF1 FF2 FF3 FF4 FF5 FF6 FX HH24 HH12 HH IDDD ID IW IYYY IYY IY I J MI MM MONTH MON MS OF P.M. PM Q RM SSSSS SSSS SS TZH TZM TZ US WW W Y,YYY YYYY YYY YY Y';
const CAPITALIZED = ['Day', 'Dy', 'Month', 'Mon'];

/** Keywords by first character, longest first. */
type Table = ReadonlyMap<string, readonly Keyword[]>;
function buildTable(keywords: readonly Keyword[]): Table {
  const table = new Map<string, Keyword[]>();
  for (const keyword of keywords) {
    const list = table.get(keyword.name[0]!) ?? [];
    list.push(keyword);
    table.set(keyword.name[0]!, list);
  }
  for (const list of table.values()) list.sort((a, b) => b.length - a.length);
  return table;
}
function dateKeyword(name: string): Keyword {
  const id = name.toUpperCase();
  const mode = GREGORIAN.includes(id) ? 'gregorian' : ISO_WEEK.includes(id) ? 'isoweek' : 'none';
  return { name, id, length: name.length, isDigit: !NOT_DIGITS.includes(id), mode };
}
const DATE_TABLE = buildTable(
  [...DATE_IDS.split(' '), ...DATE_IDS.toLowerCase().split(' '), ...CAPITALIZED].map(dateKeyword),
);
const NUMBER_IDS = 'B C D EEEE FM G L MI PL PR RN SG SP S TH V'.split(' ');
const NUMBER_TABLE = buildTable(
  [',', '.', '0', '9', ...NUMBER_IDS, ...NUMBER_IDS.map((id) => id.toLowerCase())].map((name) => ({
    name,
    id: name === 'TH' || name === 'th' || name === 'RN' || name === 'rn' ? name : name.toUpperCase(),
    length: name.length,
    isDigit: false,
    mode: 'none',
  })),
);

function findKeyword(table: Table, text: string, at: number): Keyword | null {
  const list = table.get(text[at]!);
  return list?.find((keyword) => text.startsWith(keyword.name, at)) ?? null;
}
const isSpace = (char: string): boolean => /^[ \t\n\v\f\r]$/.test(char);
/** Printable ASCII that is neither letter nor digit. */
export const isSeparator = (char: string): boolean => /^[!-/:-@[-`{-~]$/.test(char);

function literal(type: FormatNode['type'], text: string): FormatNode {
  return { type, text, key: null, fill: false, translate: false, th: '' };
}

/** Reads a "quoted" run into nodes; returns the position behind it. */
function quoted(text: string, from: number, nodes: FormatNode[]): number {
  let at = from + 1;
  while (at < text.length) {
    if (text[at] === '"') return at + 1;
    if (text[at] === '\\' && at + 1 < text.length) at++;
    const char = String.fromCodePoint(text.codePointAt(at)!);
    nodes.push(literal('char', char));
    at += char.length;
  }
  return at;
}

function parse(text: string, table: Table, isDate: boolean): FormatNode[] {
  const nodes: FormatNode[] = [];
  let at = 0;
  while (at < text.length) {
    let fill = false;
    let translate = false;
    if (isDate && /^(FM|fm|TM|tm)/.test(text.slice(at, at + 2))) {
      if (text[at] === 'F' || text[at] === 'f') fill = true;
      else translate = true;
      at += 2;
      if (at >= text.length) break;
    }
    const key = findKeyword(table, text, at);
    if (key !== null) {
      at += key.length;
      let th: FormatNode['th'] = '';
      if (isDate) {
        const suffix = text.slice(at, at + 2);
        if (suffix === 'TH' || suffix === 'th') th = suffix;
        if (th !== '' || suffix === 'SP') at += 2;
      }
      nodes.push({ type: 'action', text: key.name, key, fill, translate, th });
      continue;
    }
    if (text[at] === '"') {
      at = quoted(text, at, nodes);
      continue;
    }
    if (text[at] === '\\' && text[at + 1] === '"') at++;
    const char = String.fromCodePoint(text.codePointAt(at)!);
    const type = isDate && isSeparator(char) ? 'separator' : isSpace(char) ? 'space' : 'char';
    nodes.push(literal(type, char));
    at += char.length;
  }
  return nodes;
}

const CACHE_MAX = 64;
function cached(parseText: (text: string) => FormatNode[]): (text: string) => readonly FormatNode[] {
  const cache = new Map<string, FormatNode[]>();
  return (text) => {
    let nodes = cache.get(text);
    if (nodes === undefined) {
      if (cache.size >= CACHE_MAX) cache.delete(cache.keys().next().value!);
      nodes = parseText(text);
      cache.set(text, nodes);
    }
    return nodes;
  };
}
export const parseDateFormat = cached((text) => parse(text, DATE_TABLE, true));
export const parseNumberFormat = cached((text) => parse(text, NUMBER_TABLE, false));

/** "ST", "ND", "RD", "TH" for a number's text. */
export function ordinal(number: string, upper: boolean): string {
  if (!/[0-9]$/.test(number))
    report('ERROR', { code: SQLSTATE.invalidTextRepresentation, message: `"${number}" is not a number` });
  const last = number[number.length - 2] === '1' ? '0' : number[number.length - 1];
  const suffix = last === '1' ? 'st' : last === '2' ? 'nd' : last === '3' ? 'rd' : 'th';
  return upper ? suffix.toUpperCase() : suffix;
}
export const ROMAN_MONTHS = ['XII', 'XI', 'X', 'IX', 'VIII', 'VII', 'VI', 'V', 'IV', 'III', 'II', 'I'] as const;
