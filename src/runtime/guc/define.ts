/** define.ts — what a row of the parameter table may say, and the words that rows are written in.
 *
 *  A parameter is one row of parameters/<group>.ts; its type in `settings`, its line in postgresql.conf.sample, its row
 *  of pg_settings and the checks of SET are all derived from that row.
 *  Counterpart: src/include/utils/guc.h, guc_tables.h */

/** When a parameter may change, from never to always. The numbers order them. */
export const CONTEXTS = {
  internal: 0,
  postmaster: 1,
  sighup: 2,
  'superuser-backend': 3,
  backend: 4,
  superuser: 5,
  user: 6,
} as const satisfies Record<string, number>;
export type GucContext = keyof typeof CONTEXTS;

/** Where a value came from; a lower source never displaces a higher one. Up to `override` a value is also the default
 *  that RESET goes back to. */
export const SOURCES = {
  default: 0,
  dynamicDefault: 1,
  environment: 2,
  file: 3,
  commandLine: 4,
  global: 5,
  database: 6,
  user: 7,
  databaseUser: 8,
  client: 9,
  override: 10,
  interactive: 11,
  test: 12,
  session: 13,
} as const satisfies Record<string, number>;
export type GucSource = keyof typeof SOURCES;

/** pg_settings.source. */
export const SOURCE_LABELS = {
  default: 'default',
  dynamicDefault: 'default',
  environment: 'environment variable',
  file: 'configuration file',
  commandLine: 'command line',
  global: 'global',
  database: 'database',
  user: 'user',
  databaseUser: 'database user',
  client: 'client',
  override: 'override',
  interactive: 'interactive',
  test: 'test',
  session: 'session',
} as const satisfies Record<GucSource, string>;

/** SET, SET LOCAL, or the SET clause of a function. */
export type GucAction = 'set' | 'local' | 'save';

export const FLAGS = {
  /** The value is a comma list: SET takes several words. */
  LIST_INPUT: 1 << 0,
  /** The words of the list are identifiers, quoted when printed. */
  LIST_QUOTE: 1 << 1,
  NO_SHOW_ALL: 1 << 2,
  NO_RESET_ALL: 1 << 3,
  /** Changes are sent to the client as ParameterStatus. */
  REPORT: 1 << 4,
  NOT_IN_SAMPLE: 1 << 5,
  DISALLOW_IN_FILE: 1 << 6,
  CUSTOM_PLACEHOLDER: 1 << 7,
  SUPERUSER_ONLY: 1 << 8,
  /** Cut to 63 bytes like an identifier. */
  IS_NAME: 1 << 9,
  NOT_WHILE_SEC_REST: 1 << 10,
  DISALLOW_IN_AUTO_FILE: 1 << 11,
  EXPLAIN: 1 << 12,
  RUNTIME_COMPUTED: 1 << 13,
} as const satisfies Record<string, number>;
export type GucFlag = keyof typeof FLAGS;

export type MemoryUnit = 'B' | 'kB' | '8kB' | 'MB';
export type TimeUnit = 'ms' | 's' | 'min';
export type GucUnit = MemoryUnit | TimeUnit;

interface Common {
  readonly context: GucContext;
  readonly category: string;
  readonly flags?: readonly GucFlag[];
  readonly short: string;
  readonly extra?: string;
}
export interface BoolParameter extends Common {
  readonly type: 'bool';
  readonly boot: boolean;
}
export interface IntParameter extends Common {
  readonly type: 'int';
  readonly unit?: GucUnit;
  readonly boot: number;
  readonly min: number;
  readonly max: number;
}
export interface RealParameter extends Common {
  readonly type: 'real';
  readonly unit?: GucUnit;
  readonly boot: number;
  readonly min: number;
  readonly max: number;
}
export interface StringParameter extends Common {
  readonly type: 'string';
  /** null: no value at all, which reads as the empty string. */
  readonly boot: string | null;
}
export interface EnumParameter extends Common {
  readonly type: 'enum';
  readonly boot: string;
  readonly values: readonly string[];
  /** Accepted words that stand for one of the values, without being advertised. */
  readonly aliases?: Readonly<Record<string, string>>;
}
export type ParameterDefinition = BoolParameter | IntParameter | RealParameter | StringParameter | EnumParameter;
export type ParameterTable = Readonly<Record<string, ParameterDefinition>>;

/** An enum with `on` and `off` among its values also takes the other spellings of a boolean. */
export const BOOLEAN_ALIASES = {
  true: 'on',
  false: 'off',
  yes: 'on',
  no: 'off',
  '1': 'on',
  '0': 'off',
} as const satisfies Record<string, string>;

/** A raw value: in the base unit, as it lies in a record. */
export type GucValue = boolean | number | string | null;

export const VARTYPES = {
  bool: 'bool',
  int: 'integer',
  real: 'real',
  string: 'string',
  enum: 'enum',
} as const satisfies Record<ParameterDefinition['type'], string>;
