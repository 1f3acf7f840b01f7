/** unicode.ts — unistr(), normalize() and IS NORMALIZED; parse_ident().
 *  Counterpart: src/backend/utils/adt/varlena.c (unistr, unicode_normalize_func), misc.c (parse_ident) */
import { truncateName } from '#adt/char.ts';
import { toLower } from '#adt/collation.ts';
import type { ArrayDatum } from '#adt/datum.ts';
import { registerBuiltins } from '#adt/fmgr.ts';
import { invalidParameter } from '#adt/value-errors.ts';
import type { Oid } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

const TEXT_TYPE = 25 as Oid;

function badSurrogates(): never {
  report('ERROR', { code: SQLSTATE.syntaxError, message: 'invalid Unicode surrogate pair' });
}
function unistr(text: string): string {
  let result = '';
  let high = 0;
  for (let at = 0; at < text.length; ) {
    if (text[at] !== '\\') {
      if (high !== 0) badSurrogates();
      result += text[at++];
      continue;
    }
    if (text[at + 1] === '\\') {
      if (high !== 0) badSurrogates();
      result += '\\';
      at += 2;
      continue;
    }
    const match = /^\\(?:([0-9a-f]{4})|u([0-9a-f]{4})|\+([0-9a-f]{6})|U([0-9a-f]{8}))/i.exec(text.slice(at, at + 10));
    if (match === null) {
      report('ERROR', {
        code: SQLSTATE.syntaxError,
        message: 'invalid Unicode escape',
        hint: 'Unicode escapes must be \\XXXX, \\+XXXXXX, \\uXXXX, or \\UXXXXXXXX.',
      });
    }
    const point = Number.parseInt(match[1] ?? match[2] ?? match[3] ?? match[4]!, 16);
    if (point === 0 || point > 0x10ffff)
      invalidParameter(`invalid Unicode code point: ${point.toString(16).toUpperCase().padStart(4, '0')}`);
    const isHigh = point >= 0xd800 && point <= 0xdbff;
    const isLow = point >= 0xdc00 && point <= 0xdfff;
    if (high !== 0 ? !isLow : isLow) badSurrogates();
    if (isHigh) high = point;
    else {
      result += high !== 0 ? String.fromCharCode(high, point) : String.fromCodePoint(point);
      high = 0;
    }
    at += match[0].length;
  }
  if (high !== 0) badSurrogates();
  return result;
}

function normalize(text: string, form: string): string {
  const name = form.toUpperCase();
  if (name !== 'NFC' && name !== 'NFD' && name !== 'NFKC' && name !== 'NFKD')
    invalidParameter(`invalid normalization form: ${form}`);
  return text.normalize(name);
}

function badIdentifier(text: string, detail?: string): never {
  report('ERROR', {
    code: SQLSTATE.invalidParameterValue,
    message: `string is not a valid identifier: "${text}"`,
    detail,
  });
}
/** The names of a qualified identifier; what stands behind them is an error if `strict`. */
function parseIdentifier(text: string, strict: boolean): ArrayDatum {
  const names: string[] = [];
  let at = 0;
  const skipSpace = (): void => {
    while (at < text.length && /[ \t-\r]/.test(text[at]!)) at++;
  };
  skipSpace();
  for (let afterDot = false; ; afterDot = true) {
    if (text[at] === '"') {
      let name = '';
      for (at++; ; at++) {
        const end = text.indexOf('"', at);
        if (end < 0) badIdentifier(text, 'String has unclosed double quotes.');
        name += text.slice(at, end);
        at = end + 1;
        if (text[at] !== '"') break;
        name += '"';
      }
      if (name === '') badIdentifier(text, 'Quoted identifier must not be empty.');
      names.push(truncateName(name));
    } else {
      const bare = /^[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*/.exec(text.slice(at))?.[0];
      if (bare === undefined) {
        if (text[at] === '.') badIdentifier(text, 'No valid identifier before ".".');
        badIdentifier(text, afterDot ? 'No valid identifier after ".".' : undefined);
      }
      names.push(truncateName(toLower(bare)));
      at += bare.length;
    }
    skipSpace();
    if (text[at] !== '.') break;
    at++;
    skipSpace();
  }
  if (at < text.length && strict) badIdentifier(text);
  return { kind: 'array', elementType: TEXT_TYPE, dims: [names.length], lowerBounds: [1], elements: names };
}

registerBuiltins({
  unistr,
  unicode_normalize_func: normalize,
  unicode_is_normalized: (text: string, form: string) => normalize(text, form) === text,
  parse_ident: parseIdentifier,
});
