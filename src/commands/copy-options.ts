/** copy-options.ts — the options of COPY, checked against each other.
 *  Counterpart: ProcessCopyOptions() of src/backend/commands/copy.c */
import type { DefElem, Node } from '@pgsql/types';
import { encodingName, encodingNumber } from '#catalog/encodings.ts';
import { bodyOf, isTag, stringOf } from '#parser/ast.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import type { SqlState } from '#runtime/error/sqlstate.ts';

export interface CopyOptions {
  readonly format: 'text' | 'csv' | 'binary';
  readonly freeze: boolean;
  readonly header: false | true | 'match';
  /** One byte each. */
  readonly delimiter: string;
  readonly quote: string;
  readonly escape: string;
  readonly nullText: string;
  /** Column names; 'all' for `*`. */
  readonly forceQuote: readonly string[] | 'all';
  readonly forceNotNull: readonly string[];
  readonly forceNull: readonly string[];
  /** null: the client's. */
  readonly encoding: string | null;
}

const fail = (code: SqlState, message: string): never => report('ERROR', { code, message });
const { syntaxError, invalidParameterValue, featureNotSupported } = SQLSTATE;

/** The text of an option's argument as the grammar gives it. */
function argumentText(arg: Node | undefined): string | null {
  if (arg === undefined) return null;
  if (isTag(arg, 'String')) return stringOf(arg);
  if (isTag(arg, 'Integer')) return String(bodyOf(arg, 'Integer').ival ?? 0);
  if (isTag(arg, 'Float')) return bodyOf(arg, 'Float').fval ?? '';
  if (isTag(arg, 'Boolean')) return bodyOf(arg, 'Boolean').boolval === true ? 'true' : 'false';
  if (isTag(arg, 'A_Star')) return '*';
  return null;
}
function requireText(option: DefElem): string {
  const text = argumentText(option.arg);
  return text ?? fail(syntaxError, `${option.defname} requires a parameter`);
}
function booleanOf(option: DefElem): boolean {
  const text = argumentText(option.arg)?.toLowerCase();
  if (text === undefined || text === 'true' || text === 'on' || text === '1') return true;
  if (text === 'false' || text === 'off' || text === '0') return false;
  return fail(syntaxError, `${option.defname} requires a Boolean value`);
}
function headerOf(option: DefElem, isFrom: boolean): CopyOptions['header'] {
  const text = argumentText(option.arg)?.toLowerCase();
  if (text === undefined || text === 'true' || text === 'on' || text === '1') return true;
  if (text === 'false' || text === 'off' || text === '0') return false;
  if (text === 'match')
    return isFrom ? 'match' : fail(featureNotSupported, 'cannot use "match" with HEADER in COPY TO');
  return fail(syntaxError, `${option.defname} requires a Boolean value or "match"`);
}
function columnsOf(option: DefElem): string[] {
  if (option.arg !== undefined && isTag(option.arg, 'List'))
    return (bodyOf(option.arg, 'List').items ?? []).map((item) => stringOf(item));
  return fail(invalidParameterValue, `argument to option "${option.defname}" must be a list of column names`);
}

/** Letters that mean something after a backslash, and the backslash. */
const NOT_A_DELIMITER = '\\.abcdefghijklmnopqrstuvwxyz0123456789';
const isOneByte = (text: string): boolean => Buffer.byteLength(text) === 1;

export function readCopyOptions(list: readonly Node[], isFrom: boolean): CopyOptions {
  const given = new Map<string, DefElem>();
  for (const node of list) {
    const option = bodyOf(node, 'DefElem');
    const name = option.defname ?? '';
    if (given.has(name)) fail(syntaxError, 'conflicting or redundant options');
    given.set(name, option);
  }
  let format: CopyOptions['format'] = 'text';
  let freeze = false;
  let header: CopyOptions['header'] = false;
  let delimiter: string | undefined;
  let nullText: string | undefined;
  let quote: string | undefined;
  let escapeByte: string | undefined;
  let forceQuote: CopyOptions['forceQuote'] | undefined;
  let forceNotNull: string[] | undefined;
  let forceNull: string[] | undefined;
  let encoding: string | null = null;
  for (const [name, option] of given) {
    switch (name) {
      case 'format': {
        const text = requireText(option);
        if (text !== 'text' && text !== 'csv' && text !== 'binary')
          fail(invalidParameterValue, `COPY format "${text}" not recognized`);
        format = text as CopyOptions['format'];
        break;
      }
      case 'freeze':
        freeze = booleanOf(option);
        break;
      case 'header':
        header = headerOf(option, isFrom);
        break;
      case 'delimiter':
        delimiter = requireText(option);
        break;
      case 'null':
        nullText = requireText(option);
        break;
      case 'quote':
        quote = requireText(option);
        break;
      case 'escape':
        escapeByte = requireText(option);
        break;
      case 'force_quote':
        forceQuote = option.arg !== undefined && isTag(option.arg, 'A_Star') ? 'all' : columnsOf(option);
        break;
      case 'force_not_null':
        forceNotNull = columnsOf(option);
        break;
      case 'force_null':
        forceNull = columnsOf(option);
        break;
      case 'encoding': {
        const text = requireText(option);
        const found = encodingNumber(text);
        if (found < 0) fail(invalidParameterValue, `argument to option "${name}" must be a valid encoding name`);
        encoding = encodingName(found);
        break;
      }
      default:
        fail(syntaxError, `option "${name}" not recognized`);
    }
  }
  const isCsv = format === 'csv';
  if (format === 'binary') {
    if (delimiter !== undefined) fail(syntaxError, 'cannot specify DELIMITER in BINARY mode');
    if (nullText !== undefined) fail(syntaxError, 'cannot specify NULL in BINARY mode');
  }
  const separator = delimiter ?? (isCsv ? ',' : '\t');
  const absent = nullText ?? (isCsv ? '' : '\\N');
  const mark = quote ?? '"';
  const escapeMark = escapeByte ?? mark;
  if (!isOneByte(separator)) fail(featureNotSupported, 'COPY delimiter must be a single one-byte character');
  if (/[\r\n]/.test(separator)) fail(invalidParameterValue, 'COPY delimiter cannot be newline or carriage return');
  if (/[\r\n]/.test(absent))
    fail(invalidParameterValue, 'COPY null representation cannot use newline or carriage return');
  if (!isCsv && NOT_A_DELIMITER.includes(separator))
    fail(invalidParameterValue, `COPY delimiter cannot be "${separator}"`);
  if (format === 'binary' && header !== false) fail(featureNotSupported, 'cannot specify HEADER in BINARY mode');
  if (!isCsv && quote !== undefined) fail(featureNotSupported, 'COPY quote available only in CSV mode');
  if (isCsv && !isOneByte(mark)) fail(featureNotSupported, 'COPY quote must be a single one-byte character');
  if (isCsv && separator === mark) fail(invalidParameterValue, 'COPY delimiter and quote must be different');
  if (!isCsv && escapeByte !== undefined) fail(featureNotSupported, 'COPY escape available only in CSV mode');
  if (isCsv && !isOneByte(escapeMark)) fail(featureNotSupported, 'COPY escape must be a single one-byte character');
  if (forceQuote !== undefined) {
    if (!isCsv) fail(featureNotSupported, 'COPY force quote available only in CSV mode');
    if (isFrom) fail(featureNotSupported, 'COPY force quote only available using COPY TO');
  }
  if (forceNotNull !== undefined) {
    if (!isCsv) fail(featureNotSupported, 'COPY force not null available only in CSV mode');
    if (!isFrom) fail(featureNotSupported, 'COPY force not null only available using COPY FROM');
  }
  if (forceNull !== undefined) {
    if (!isCsv) fail(featureNotSupported, 'COPY force null available only in CSV mode');
    if (!isFrom) fail(featureNotSupported, 'COPY force null only available using COPY FROM');
  }
  if (absent.includes(separator)) fail(featureNotSupported, 'COPY delimiter must not appear in the NULL specification');
  if (isCsv && absent.includes(mark))
    fail(featureNotSupported, 'CSV quote character must not appear in the NULL specification');
  return {
    format,
    freeze,
    header,
    delimiter: separator,
    quote: mark,
    escape: escapeMark,
    nullText: absent,
    forceQuote: forceQuote ?? [],
    forceNotNull: forceNotNull ?? [],
    forceNull: forceNull ?? [],
    encoding,
  };
}
