/** encoding-names.ts — the names by which character sets are known.
 *
 *  Counterpart: src/common/encnames.c */

/** Canonical names, each at its number (pg_database.encoding); every one is also known by its own letters and digits. */
const ENCODINGS = [
  'SQL_ASCII',
  'EUC_JP',
  'EUC_CN',
  'EUC_KR',
  'EUC_TW',
  'EUC_JIS_2004',
  'UTF8',
  'MULE_INTERNAL',
  'LATIN1',
  'LATIN2',
  'LATIN3',
  'LATIN4',
  'LATIN5',
  'LATIN6',
  'LATIN7',
  'LATIN8',
  'LATIN9',
  'LATIN10',
  'WIN1256',
  'WIN1258',
  'WIN866',
  'WIN874',
  'KOI8R',
  'WIN1251',
  'WIN1252',
  'ISO_8859_5',
  'ISO_8859_6',
  'ISO_8859_7',
  'ISO_8859_8',
  'WIN1250',
  'WIN1253',
  'WIN1254',
  'WIN1255',
  'WIN1257',
  'KOI8U',
  'SJIS',
  'BIG5',
  'GBK',
  'UHC',
  'GB18030',
  'JOHAB',
  'SHIFT_JIS_2004',
] as const;

const OTHER_NAMES: Readonly<Record<string, string>> = {
  unicode: 'UTF8',
  utf8: 'UTF8',
  abc: 'WIN1258',
  alt: 'WIN866',
  koi8: 'KOI8R',
  mskanji: 'SJIS',
  shiftjis: 'SJIS',
  tcvn: 'WIN1258',
  tcvn5712: 'WIN1258',
  vscii: 'WIN1258',
  win: 'WIN1251',
  win932: 'SJIS',
  win936: 'GBK',
  win949: 'UHC',
  win950: 'BIG5',
  windows932: 'SJIS',
  windows936: 'GBK',
  windows949: 'UHC',
  windows950: 'BIG5',
  iso88591: 'LATIN1',
  iso88592: 'LATIN2',
  iso88593: 'LATIN3',
  iso88594: 'LATIN4',
  iso88599: 'LATIN5',
  iso885910: 'LATIN6',
  iso885913: 'LATIN7',
  iso885914: 'LATIN8',
  iso885915: 'LATIN9',
  iso885916: 'LATIN10',
};

const letters = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '');

const byLetters = new Map<string, string>(Object.entries(OTHER_NAMES));
for (const name of ENCODINGS) {
  byLetters.set(letters(name), name);
  if (name.startsWith('WIN')) byLetters.set(`windows${name.slice(3)}`, name);
}

/** The name that PostgreSQL prints; undefined for no character set. Only letters and digits count, in any case. */
export const canonicalEncoding = (name: string): string | undefined => byLetters.get(letters(name));

/** pg_encoding_to_char(). */
export const encodingName = (number: number): string => ENCODINGS[number] ?? '';
