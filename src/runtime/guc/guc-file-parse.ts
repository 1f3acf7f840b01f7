/** guc-file-parse.ts — a configuration file and everything it includes, as one list of assignments.
 *
 *  Nothing is looked up and nothing set here: a value's fate is decided in guc-file.ts. Errors are reported where they
 *  are found and kept as items too, which pg_file_settings shows.
 *  Counterpart: ParseConfigFile(), ParseConfigFp(), ParseConfigDirectory() of src/backend/utils/misc/guc-file.l */
import { FileError, listDirectory, readTextFile, statFile } from '#platform/file-system.ts';
import { LEVELS, type Level, report } from '#runtime/error/report.ts';
import { SQLSTATE, type SqlState } from '#runtime/error/sqlstate.ts';
import { ConfigLexer, type Token, unquote } from '#runtime/guc/config-lexer.ts';
import { absoluteConfigLocation, joinPath } from '#runtime/guc/config-paths.ts';

/** The sample allows ten files above one another; a file that includes itself stops there at the latest. */
const MAX_DEPTH = 10;
const MAX_ERRORS = 100;

export interface ConfigItem {
  readonly name: string | null;
  readonly value: string | null;
  errorMessage: string | null;
  readonly fileName: string | null;
  readonly sourceLine: number;
  ignore: boolean;
  applied: boolean;
}

/** errcode_for_file_access(). */
export function fileAccessCode(errorCode: string): SqlState {
  switch (errorCode) {
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return SQLSTATE.insufficientPrivilege;
    case 'ENOENT':
      return SQLSTATE.undefinedFile;
    case 'EEXIST':
      return SQLSTATE.duplicateFile;
    case 'ENOTDIR':
    case 'EISDIR':
    case 'ENOTEMPTY':
      return SQLSTATE.wrongObjectType;
    case 'ENOSPC':
      return SQLSTATE.diskFull;
    case 'ENOMEM':
      return SQLSTATE.outOfMemory;
    case 'ENFILE':
    case 'EMFILE':
      return SQLSTATE.insufficientResources;
    case 'EIO':
      return SQLSTATE.ioError;
    default:
      return SQLSTATE.internalError;
  }
}

export class ConfigFileParser {
  readonly items: ConfigItem[] = [];
  constructor(
    private readonly level: Level,
    private readonly dataDirectory: string,
  ) {}

  #fail(code: SqlState, message: string, itemMessage: string, file: string | null, line: number): false {
    report(this.level, { code, message });
    this.#error(itemMessage, file, line);
    return false;
  }
  #error(errorMessage: string, fileName: string | null, sourceLine: number): void {
    this.items.push({ name: null, value: null, errorMessage, fileName, sourceLine, ignore: true, applied: false });
  }

  /** `strict`: a missing file is an error. */
  parseFile(
    location: string,
    strict: boolean,
    callingFile: string | null,
    callingLine: number,
    depth: number,
  ): boolean {
    if (/^[ \t\r\n]*$/.test(location)) {
      return this.#fail(
        SQLSTATE.invalidParameterValue,
        `empty configuration file name: "${location}"`,
        'empty configuration file name',
        callingFile,
        callingLine,
      );
    }
    if (depth > MAX_DEPTH) {
      return this.#fail(
        SQLSTATE.programLimitExceeded,
        `could not open configuration file "${location}": maximum nesting depth exceeded`,
        'nesting depth exceeded',
        callingFile,
        callingLine,
      );
    }
    const path = absoluteConfigLocation(location, callingFile, this.dataDirectory);
    if (path === callingFile) {
      return this.#fail(
        SQLSTATE.invalidParameterValue,
        `configuration file recursion in "${callingFile}"`,
        'configuration file recursion',
        callingFile,
        callingLine,
      );
    }
    let text: string;
    try {
      text = readTextFile(path);
    } catch (caught) {
      if (!(caught instanceof FileError)) throw caught;
      if (strict) {
        return this.#fail(
          fileAccessCode(caught.code),
          `could not open configuration file "${path}": ${caught.reason}`,
          `could not open file "${path}"`,
          callingFile,
          callingLine,
        );
      }
      report('LOG', { message: `skipping missing configuration file "${path}"` });
      return true;
    }
    return this.parseText(text, path, depth);
  }

  parseText(text: string, path: string, depth: number): boolean {
    const lexer = new ConfigLexer(text);
    let fine = true;
    let errors = 0;
    for (;;) {
      const first = lexer.next();
      if (first.kind === 'end') return fine;
      if (first.kind === 'eol') continue;
      const line = readAssignment(lexer, first);
      if ('unexpected' in line) {
        this.#syntaxError(path, line.unexpected);
        fine = false;
        if (++errors >= MAX_ERRORS || LEVELS[this.level] <= LEVELS.DEBUG1) {
          report(this.level, {
            code: SQLSTATE.programLimitExceeded,
            message: `too many syntax errors found, abandoning file "${path}"`,
          });
          return false;
        }
        if (line.unexpected.kind === 'end') return false;
        if (line.unexpected.kind !== 'eol') lexer.skipLine();
        continue;
      }
      if (!this.#directiveOrItem(line.name, line.value, path, first.line, depth)) fine = false;
      if (line.atEnd) return fine;
    }
  }

  #syntaxError(path: string, token: Token): void {
    // A last line without a newline is reported one too low, as PostgreSQL does.
    const line = token.kind === 'end' ? token.line - 1 : token.line;
    const where = token.kind === 'eol' || token.kind === 'end' ? 'near end of line' : `near token "${token.text}"`;
    this.#fail(
      SQLSTATE.syntaxError,
      `syntax error in file "${path}" line ${line}, ${where}`,
      'syntax error',
      path,
      line,
    );
  }

  #directiveOrItem(name: string, value: string, path: string, line: number, depth: number): boolean {
    switch (name.toLowerCase()) {
      case 'include_dir':
        return this.parseDirectory(value, path, line, depth + 1);
      case 'include_if_exists':
        return this.parseFile(value, false, path, line, depth + 1);
      case 'include':
        return this.parseFile(value, true, path, line, depth + 1);
    }
    this.items.push({
      name,
      value,
      errorMessage: null,
      fileName: path,
      sourceLine: line,
      ignore: false,
      applied: false,
    });
    return true;
  }

  /** Every *.conf of the folder, in C order, hidden ones excepted. */
  parseDirectory(location: string, callingFile: string, callingLine: number, depth: number): boolean {
    if (/^[ \t\r\n]*$/.test(location)) {
      return this.#fail(
        SQLSTATE.invalidParameterValue,
        `empty configuration directory name: "${location}"`,
        'empty configuration directory name',
        callingFile,
        callingLine,
      );
    }
    const folder = absoluteConfigLocation(location, callingFile, this.dataDirectory);
    let names: string[];
    try {
      names = listDirectory(folder).filter(
        (name) =>
          name.length > 5 &&
          !name.startsWith('.') &&
          name.endsWith('.conf') &&
          !statFile(joinPath(folder, name)).isDirectory,
      );
    } catch (caught) {
      if (!(caught instanceof FileError)) throw caught;
      return this.#fail(
        fileAccessCode(caught.code),
        `could not open configuration directory "${folder}": ${caught.reason}`,
        `could not open directory "${folder}"`,
        callingFile,
        callingLine,
      );
    }
    names.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    return names.every((name) => this.parseFile(joinPath(folder, name), true, callingFile, callingLine, depth));
  }
}

type Assignment = { name: string; value: string; atEnd: boolean } | { unexpected: Token };

const VALUE_KINDS: ReadonlySet<string> = new Set(['id', 'string', 'integer', 'real', 'unquotedString']);

/** name [=] value, up to the end of the line. */
function readAssignment(lexer: ConfigLexer, first: Token): Assignment {
  if (first.kind !== 'id' && first.kind !== 'qualifiedId') return { unexpected: first };
  let token = lexer.next();
  if (token.kind === 'equals') token = lexer.next();
  if (!VALUE_KINDS.has(token.kind)) return { unexpected: token };
  const value = token.kind === 'string' ? unquote(token.text) : token.text;
  const after = lexer.next();
  if (after.kind !== 'eol' && after.kind !== 'end') return { unexpected: after };
  return { name: first.text, value, atEnd: after.kind === 'end' };
}
