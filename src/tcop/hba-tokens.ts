/** hba-tokens.ts — pg_hba.conf and pg_ident.conf as lines of fields of words.
 *
 *  A field is a comma list of words; blanks end it. Double quotes keep blanks, commas and `#`, and take away any special
 *  meaning of the whole word. `@file` stands for the words of another file; a backslash at the end of a line continues it.
 *  Counterpart: next_token(), next_field_expand(), tokenize_auth_file() of src/backend/libpq/hba.c */
import { FileError, readTextFile } from '#platform/file-system.ts';
import { type Level, report } from '#runtime/error/report.ts';
import { absoluteConfigLocation } from '#runtime/guc/config-paths.ts';
import type { SqlState } from '#runtime/error/sqlstate.ts';
import { fileAccessCode } from '#runtime/guc/guc-file-parse.ts';
import { settings } from '#runtime/guc/guc.ts';

export interface AuthToken {
  readonly text: string;
  /** Began with a quote: no keyword, no +group. */
  readonly quoted: boolean;
}
export interface AuthLine {
  readonly fields: readonly (readonly AuthToken[])[];
  readonly lineNumber: number;
  readonly rawLine: string;
  error: string | undefined;
}

export const isKeyword = (token: AuthToken, keyword: string): boolean => !token.quoted && token.text === keyword;

const isBlank = (character: string): boolean => character === ' ' || character === '\t' || character === '\r';

class LineReader {
  at = 0;
  constructor(
    readonly line: string,
    readonly fileName: string,
    readonly level: Level,
  ) {}
  error: string | undefined;

  /** One word; `more` tells that a comma follows. undefined at the end of the line. */
  word(): (AuthToken & { more: boolean }) | undefined {
    const { line } = this;
    while (this.at < line.length && (isBlank(line[this.at]!) || line[this.at] === ',')) this.at++;
    let text = '';
    let inQuote = false;
    let wasQuote = false;
    let sawQuote = false;
    let quoted = false;
    let more = false;
    for (; this.at < line.length; this.at++) {
      const character = line[this.at]!;
      if (isBlank(character) && !inQuote) break;
      if (character === '#' && !inQuote) {
        this.at = line.length;
        break;
      }
      if (character === ',' && !inQuote) {
        more = true;
        this.at++;
        break;
      }
      if (character !== '"' || wasQuote) text += character;
      wasQuote = inQuote && character === '"' ? !wasQuote : false;
      if (character === '"') {
        inQuote = !inQuote;
        sawQuote = true;
        if (text === '') quoted = true;
      }
    }
    return sawQuote || text !== '' ? { text, quoted, more } : undefined;
  }

  field(): AuthToken[] {
    const tokens: AuthToken[] = [];
    for (let next = this.word(); next !== undefined; next = this.word()) {
      const { text, quoted, more } = next;
      if (!quoted && text.startsWith('@') && text.length > 1) tokens.push(...this.#included(text.slice(1)));
      else tokens.push({ text, quoted });
      if (!more || this.error !== undefined) break;
    }
    return tokens;
  }

  #included(name: string): AuthToken[] {
    const path = absoluteConfigLocation(name, this.fileName, settings.data_directory);
    let text: string;
    try {
      text = readTextFile(path);
    } catch (caught) {
      if (!(caught instanceof FileError)) throw caught;
      this.error = `could not open secondary authentication file "@${name}" as "${path}": ${caught.reason}`;
      report(this.level, { code: fileAccessCode(caught.code), message: this.error });
      return [];
    }
    const tokens: AuthToken[] = [];
    for (const line of tokenizeText(text, path, this.level)) {
      if (line.error !== undefined) {
        this.error = line.error;
        break;
      }
      tokens.push(...line.fields.flat());
    }
    return tokens;
  }
}

/** The lines that say something; problems of inclusion were reported and stand in `error`. */
export function tokenizeText(text: string, fileName: string, level: Level): AuthLine[] {
  const lines: AuthLine[] = [];
  const physical = text.split('\n');
  if (physical[physical.length - 1] === '') physical.pop();
  for (let i = 0; i < physical.length; i++) {
    const lineNumber = i + 1;
    let rawLine = physical[i]!.replace(/\r$/, '');
    while (rawLine.endsWith('\\') && i + 1 < physical.length) {
      rawLine = rawLine.slice(0, -1) + physical[++i]!.replace(/\r$/, '');
    }
    const reader = new LineReader(rawLine, fileName, level);
    const fields: AuthToken[][] = [];
    while (reader.at < rawLine.length && reader.error === undefined) {
      const field = reader.field();
      if (field.length > 0) fields.push(field);
    }
    if (fields.length > 0 || reader.error !== undefined) {
      lines.push({ fields, lineNumber, rawLine, error: reader.error });
    }
  }
  return lines;
}

/** undefined (reported at `level`) if the file cannot be read. */
export function tokenizeFile(path: string, level: Level): AuthLine[] | { error: string; code: SqlState } {
  try {
    return tokenizeText(readTextFile(path), path, level);
  } catch (caught) {
    if (!(caught instanceof FileError)) throw caught;
    const message = `could not open configuration file "${path}": ${caught.reason}`;
    report(level, { code: fileAccessCode(caught.code), message });
    return { error: message, code: fileAccessCode(caught.code) };
  }
}
