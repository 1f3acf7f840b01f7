/** lists.ts — comma lists inside setting values: identifiers (search_path), words (log_destination).
 *
 *  Counterpart: SplitIdentifierString(), SplitGUCList() of src/backend/utils/adt/varlena.c */

const BLANK = /[ \t\n\v\f\r]/;

/** `folds`: unquoted words are lower-cased and cut to 63 bytes, as identifiers are. undefined: bad syntax. */
function split(text: string, folds: boolean): string[] | undefined {
  const words: string[] = [];
  let at = 0;
  const skipBlanks = (): void => {
    while (at < text.length && BLANK.test(text[at]!)) at++;
  };
  skipBlanks();
  if (at === text.length) return words;
  for (;;) {
    let word = '';
    if (text[at] === '"') {
      for (;;) {
        const end = text.indexOf('"', at + 1);
        if (end < 0) return undefined;
        word += text.slice(at + 1, end);
        at = end + 1;
        if (text[at] !== '"') break;
        word += '"';
      }
    } else {
      const start = at;
      while (at < text.length && text[at] !== ',' && !BLANK.test(text[at]!)) at++;
      if (at === start) return undefined;
      word = text.slice(start, at);
      if (folds) word = word.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
    }
    words.push(folds ? cutName(word) : word);
    skipBlanks();
    if (at === text.length) return words;
    if (text[at] !== ',') return undefined;
    at++;
    skipBlanks();
  }
}

/** At most 63 bytes, cut at a character. */
export function cutName(name: string): string {
  if (Buffer.byteLength(name) <= 63) return name;
  const encoded = Buffer.from(name);
  let end = 63;
  while ((encoded[end]! & 0xc0) === 0x80) end--;
  return encoded.toString('utf8', 0, end);
}
export const splitIdentifierList = (text: string): string[] | undefined => split(text, true);
export const splitWordList = (text: string): string[] | undefined => split(text, false);
