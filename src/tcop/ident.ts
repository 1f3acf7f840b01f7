/** ident.ts — pg_ident.conf: which operating-system users may log in as which roles.
 *
 *  A line is `map system-user role`. A system user that begins with `/` is a regular expression, whose first group may
 *  stand as `\1` in the role.
 *  Counterpart: parse_ident_line(), check_usermap() of src/backend/libpq/hba.c */
import { type Level, report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { lineContext } from '#tcop/hba-parse.ts';
import { type AuthLine, tokenizeFile } from '#tcop/hba-tokens.ts';

export interface IdentLine {
  readonly lineNumber: number;
  readonly map: string;
  readonly systemUser: string;
  readonly role: string;
  /** Of a system user that begins with `/`. */
  readonly pattern: RegExp | undefined;
}
export interface ParsedIdentLine {
  readonly lineNumber: number;
  readonly line: IdentLine | undefined;
  readonly error: string | undefined;
}

let lines: readonly IdentLine[] = [];

export function parseIdentLine(source: AuthLine, level: Level): ParsedIdentLine {
  const { lineNumber, fields } = source;
  const failed = (error: string): ParsedIdentLine => ({ lineNumber, line: undefined, error });
  const words: string[] = [];
  for (let i = 0; i < 3; i++) {
    const field = fields[i];
    if (field === undefined) {
      report(level, {
        code: SQLSTATE.configFileError,
        message: `missing entry in file "${settings.ident_file}" at end of line ${lineNumber}`,
      });
      return failed('missing entry at end of line');
    }
    if (field.length > 1) {
      const message = 'multiple values in ident field';
      report(level, {
        code: SQLSTATE.configFileError,
        message,
        context: lineContext(lineNumber, settings.ident_file),
      });
      return failed(message);
    }
    words.push(field[0]!.text);
  }
  const [map, systemUser, role] = words as [string, string, string];
  let pattern: RegExp | undefined;
  if (systemUser.startsWith('/')) {
    try {
      pattern = new RegExp(systemUser.slice(1), 's');
    } catch (caught) {
      if (!(caught instanceof SyntaxError)) throw caught;
      const message = `invalid regular expression "${systemUser.slice(1)}": ${regexProblem(caught)}`;
      report(level, { code: SQLSTATE.invalidRegularExpression, message });
      return failed(message);
    }
  }
  return { lineNumber, line: { lineNumber, map, systemUser, role, pattern }, error: undefined };
}

/** The engine's complaint in the words of PostgreSQL's. */
function regexProblem({ message }: SyntaxError): string {
  if (/group|parenthes/i.test(message)) return 'parentheses () not balanced';
  if (/character class|bracket/i.test(message)) return 'brackets [] not balanced';
  if (/repeat|quantifier/i.test(message)) return 'quantifier operand invalid';
  return 'invalid escape \\ sequence';
}

export function parseIdentFile(level: Level): ParsedIdentLine[] | undefined {
  const tokenized = tokenizeFile(settings.ident_file, level);
  if (!Array.isArray(tokenized)) return undefined;
  return tokenized.map((line) =>
    line.error === undefined
      ? parseIdentLine(line, level)
      : { lineNumber: line.lineNumber, line: undefined, error: line.error },
  );
}

/** false: the file could not be read or holds errors, and the lines known so far stay. */
export function loadIdent(): boolean {
  const parsed = parseIdentFile('LOG');
  if (parsed === undefined || parsed.some(({ error }) => error !== undefined)) return false;
  lines = parsed.map(({ line }) => line!);
  return true;
}
export function useIdentLines(some: readonly IdentLine[]): void {
  lines = some;
}

function matches(line: IdentLine, role: string, systemUser: string): boolean | 'error' {
  if (line.pattern === undefined) return line.systemUser === systemUser && line.role === role;
  const match = line.pattern.exec(systemUser);
  if (match === null) return false;
  if (!line.role.includes('\\1')) return line.role === role;
  const group = match[1];
  if (group === undefined) {
    report('LOG', {
      code: SQLSTATE.invalidRegularExpression,
      message: `regular expression "${line.systemUser.slice(1)}" has no subexpressions as requested by backreference in "${line.role}"`,
    });
    return 'error';
  }
  return line.role.replace('\\1', () => group) === role;
}

/** May `systemUser` log in as `role`? The reason of a refusal goes to the log. */
export function checkUserMap(map: string | undefined, role: string, systemUser: string): boolean {
  if (map === undefined || map === '') {
    if (role === systemUser) return true;
    report('LOG', { message: `provided user name (${role}) and authenticated user name (${systemUser}) do not match` });
    return false;
  }
  for (const line of lines) {
    if (line.map !== map) continue;
    const found = matches(line, role, systemUser);
    if (found === 'error') return false;
    if (found) return true;
  }
  report('LOG', { message: `no match in usermap "${map}" for user "${role}" authenticated as "${systemUser}"` });
  return false;
}
