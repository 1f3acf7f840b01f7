/** initdb-options.ts — what the command line and the environment ask of initdb, checked in PostgreSQL's order with its
 *  complaints.
 *  Counterpart: main(), setup_pgdata(), setlocales(), check_authmethod_valid() of src/bin/initdb/initdb.c */
import { userInfo } from 'node:os';
import type { OptionSpec, ParsedOption } from '#cli/getopt.ts';
import { parseCommandLine } from '#cli/getopt.ts';

/** A complaint that ends initdb. */
export class InitdbError extends Error {
  constructor(
    message: string,
    readonly detail?: string,
    readonly hint?: string,
  ) {
    super(message);
  }
}

export const INITDB_OPTIONS: readonly OptionSpec[] = [
  { name: 'auth', short: 'A', long: 'auth', value: true },
  { name: 'auth-host', long: 'auth-host', value: true },
  { name: 'auth-local', long: 'auth-local', value: true },
  { name: 'pgdata', short: 'D', long: 'pgdata', value: true },
  { name: 'encoding', short: 'E', long: 'encoding', value: true },
  { name: 'group', short: 'g', long: 'allow-group-access' },
  { name: 'checksums', short: 'k', long: 'data-checksums' },
  { name: 'locale', long: 'locale', value: true },
  { name: 'lc-collate', long: 'lc-collate', value: true },
  { name: 'lc-ctype', long: 'lc-ctype', value: true },
  { name: 'lc-messages', long: 'lc-messages', value: true },
  { name: 'lc-monetary', long: 'lc-monetary', value: true },
  { name: 'lc-numeric', long: 'lc-numeric', value: true },
  { name: 'lc-time', long: 'lc-time', value: true },
  { name: 'no-locale', long: 'no-locale' },
  { name: 'pwfile', long: 'pwfile', value: true },
  { name: 'text-search', short: 'T', long: 'text-search-config', value: true },
  { name: 'username', short: 'U', long: 'username', value: true },
  { name: 'pwprompt', short: 'W', long: 'pwprompt' },
  { name: 'waldir', short: 'X', long: 'waldir', value: true },
  { name: 'wal-segsize', long: 'wal-segsize', value: true },
  { name: 'no-clean', short: 'n', long: 'no-clean' },
  { name: 'no-sync', short: 'N', long: 'no-sync' },
  { name: 'no-instructions', long: 'no-instructions' },
  { name: 'show', short: 's', long: 'show' },
  { name: 'sync-only', short: 'S', long: 'sync-only' },
  { name: 'version', short: 'V', long: 'version' },
  { name: 'help', short: '?', long: 'help' },
];

export const LOCALE_CATEGORIES = ['collate', 'ctype', 'messages', 'monetary', 'numeric', 'time'] as const;
export type LocaleCategory = (typeof LOCALE_CATEGORIES)[number];

export interface InitdbOptions {
  readonly dataDirectory: string;
  readonly user: string;
  /** Name of the operating-system user, who will own the files. */
  readonly owner: string;
  readonly authLocal: string;
  readonly authHost: string;
  /** No method was given, so the default deserves a warning. */
  readonly authDefaulted: boolean;
  readonly locales: Readonly<Record<LocaleCategory, string>>;
  /** The environment's locale that could not be used. */
  readonly localeReplaced: string | undefined;
  readonly encodingGiven: boolean;
  readonly textSearch: string;
  readonly passwordFile: string | undefined;
  readonly passwordPrompt: boolean;
  readonly groupAccess: boolean;
  readonly checksums: boolean;
  readonly walSegmentMegabytes: number;
  readonly walDirectory: string | undefined;
  readonly sync: boolean;
  readonly syncOnly: boolean;
  readonly clean: boolean;
  readonly instructions: boolean;
  readonly show: boolean;
}

/** Methods that pg_hba.conf accepts here: built without GSSAPI, SSPI, PAM, BSD, LDAP and RADIUS. */
const HOST_METHODS = ['trust', 'reject', 'scram-sha-256', 'md5', 'password', 'ident'];
const LOCAL_METHODS = [...HOST_METHODS, 'peer'];
const SUPPORTED_ENCODING = /^(utf-?8|unicode)$/i;
/** What PostgreSQL could store text in and we cannot; any other name is none, or a client's encoding only. */
const SERVER_ENCODING =
  /^(sql_?ascii|euc_?(jp|cn|kr|tw|jis_?2004)|mule_?internal|latin([1-9]|10)|iso_?8859_?\d+|win\d{3,4}|koi8_?[ru]?|windows-?\d+)$/i;

function checkMethod(method: string, kind: 'local' | 'host'): void {
  const known = kind === 'local' ? LOCAL_METHODS : HOST_METHODS;
  const base = method.split(/\s/)[0] ?? '';
  if (!known.includes(base))
    throw new InitdbError(`invalid authentication method "${method}" for "${kind}" connections`);
}

/** Name as setlocale would return it, undefined where it is none of ours. */
function supportedLocale(name: string): string | undefined {
  if (name === 'C' || name === 'POSIX') return 'C';
  return /^C\.utf-?8$/i.test(name) ? name : undefined;
}
const categoryVariable = (category: LocaleCategory): string => `LC_${category.toUpperCase()}`;
function environmentLocale(category: LocaleCategory, env: NodeJS.ProcessEnv): string {
  for (const variable of ['LC_ALL', categoryVariable(category), 'LANG']) {
    const value = env[variable];
    if (value !== undefined && value !== '') return value;
  }
  return 'C';
}

interface LocaleChoice {
  readonly locales: Record<LocaleCategory, string>;
  readonly replaced: string | undefined;
}
function chooseLocales(given: ReadonlyMap<string, string>, env: NodeJS.ProcessEnv): LocaleChoice {
  const general = given.has('no-locale') ? 'C' : given.get('locale');
  let replaced: string | undefined;
  const locales = {} as Record<LocaleCategory, string>;
  for (const category of LOCALE_CATEGORIES) {
    const asked = given.get(`lc-${category}`) ?? general;
    if (asked !== undefined) {
      const locale = supportedLocale(asked);
      if (locale === undefined) {
        const hint = 'Supported locales are "C", "POSIX" and "C.UTF-8".';
        throw new InitdbError(`invalid locale name "${asked}"`, undefined, hint);
      }
      locales[category] = locale;
    } else {
      const fromEnvironment = environmentLocale(category, env);
      const locale = supportedLocale(fromEnvironment);
      if (locale === undefined) replaced = fromEnvironment;
      locales[category] = locale ?? 'C.UTF-8';
    }
  }
  return { locales, replaced };
}

function checkEncoding(encoding: string | undefined): void {
  if (encoding === undefined || SUPPORTED_ENCODING.test(encoding)) return;
  if (!SERVER_ENCODING.test(encoding)) throw new InitdbError(`"${encoding}" is not a valid server encoding name`);
  throw new InitdbError(`encoding "${encoding}" is not supported`, undefined, 'Databases are encoded in UTF8.');
}

function walSegmentMegabytes(text: string | undefined): number {
  if (text === undefined) return 16;
  if (!/^\s*[-+]?\d+$/.test(text)) throw new InitdbError('argument of --wal-segsize must be a number');
  const size = Number(text);
  if (size < 1 || size > 1024 || (size & (size - 1)) !== 0) {
    throw new InitdbError('argument of --wal-segsize must be a power of 2 between 1 and 1024');
  }
  return size;
}

const needsPassword = (method: string): boolean => ['md5', 'password', 'scram-sha-256'].includes(method);

function lastValues(options: readonly ParsedOption[]): Map<string, string> {
  return new Map(options.map(({ name, value }) => [name, value]));
}

/** 'help' and 'version' are answered by the caller. */
export function readInitdbOptions(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  owner: string = userInfo().username,
): InitdbOptions | 'help' | 'version' {
  const first = argv[0];
  if (first === '--help' || first === '-?') return 'help';
  if (first === '--version' || first === '-V') return 'version';
  const { options, operands } = parseCommandLine(argv, INITDB_OPTIONS);
  const given = lastValues(options);
  if (given.has('help')) return 'help';
  if (given.has('version')) return 'version';
  const walSegment = walSegmentMegabytes(given.get('wal-segsize'));
  const rest = [...operands];
  const dataDirectory = given.get('pgdata') ?? rest.shift() ?? env['PGDATA'] ?? '';
  const surplus = rest[0];
  if (surplus !== undefined) {
    const hint = 'Try "initdb --help" for more information.';
    throw new InitdbError(`too many command-line arguments (first is "${surplus}")`, undefined, hint);
  }
  if (given.has('pwprompt') && given.has('pwfile')) {
    throw new InitdbError('password prompt and password file cannot be specified together');
  }
  const auth = given.get('auth');
  const authLocal = given.get('auth-local') ?? (auth === 'ident' ? 'peer' : auth) ?? 'trust';
  const authHost = given.get('auth-host') ?? (auth === 'peer' ? 'ident' : auth) ?? 'trust';
  checkMethod(authLocal, 'local');
  checkMethod(authHost, 'host');
  const hasPassword = given.has('pwprompt') || given.has('pwfile');
  if (!given.has('sync-only') && !hasPassword && (needsPassword(authLocal) || needsPassword(authHost))) {
    throw new InitdbError('must specify a password for the superuser to enable password authentication');
  }
  if (dataDirectory === '') {
    throw new InitdbError(
      'no data directory specified',
      undefined,
      'You must identify the directory where the data for this database system will reside.  Do this with either the invocation option -D or the environment variable PGDATA.',
    );
  }
  const user = given.get('username') ?? owner;
  if (user === '') throw new InitdbError('superuser name must not be empty');
  if (user.startsWith('pg_')) {
    throw new InitdbError(`superuser name "${user}" is disallowed; role names cannot begin with "pg_"`);
  }
  checkEncoding(given.get('encoding'));
  const { locales, replaced } = chooseLocales(given, env);
  return {
    dataDirectory,
    user,
    owner,
    authLocal,
    authHost,
    authDefaulted: auth === undefined && (!given.has('auth-local') || !given.has('auth-host')),
    locales,
    localeReplaced: replaced,
    encodingGiven: given.has('encoding'),
    textSearch: given.get('text-search') ?? 'english',
    passwordFile: given.get('pwfile'),
    passwordPrompt: given.has('pwprompt'),
    groupAccess: given.has('group'),
    checksums: given.has('checksums'),
    walSegmentMegabytes: walSegment,
    walDirectory: given.get('waldir'),
    sync: !given.has('no-sync'),
    syncOnly: given.has('sync-only'),
    clean: !given.has('no-clean'),
    instructions: !given.has('no-instructions'),
    show: given.has('show'),
  };
}
