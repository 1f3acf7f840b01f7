/** rel-options.ts — WITH (…) of tables and indexes: which options there are, what values they take, how they are stored.
 *  Counterpart: src/backend/access/common/reloptions.c */
import type { DefElem, Node } from '@pgsql/types';
import { stringsOf } from '#parser/ast.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

type Rule =
  | { readonly kind: 'bool' }
  | { readonly kind: 'int' | 'real'; readonly min: number; readonly max: number }
  | { readonly kind: 'enum'; readonly values: readonly string[]; readonly detail: string };
const bool: Rule = { kind: 'bool' };
const int = (min: number, max: number): Rule => ({ kind: 'int', min, max });
const real = (min: number, max: number): Rule => ({ kind: 'real', min, max });
const INT_MAX = 2147483647;

const AUTOVACUUM: Readonly<Record<string, Rule>> = {
  autovacuum_enabled: bool,
  vacuum_truncate: bool,
  autovacuum_vacuum_threshold: int(0, INT_MAX),
  autovacuum_vacuum_insert_threshold: int(-1, INT_MAX),
  autovacuum_vacuum_cost_limit: int(1, 10000),
  autovacuum_freeze_min_age: int(0, 1000000000),
  autovacuum_multixact_freeze_min_age: int(0, 1000000000),
  autovacuum_freeze_max_age: int(100000, 2000000000),
  autovacuum_multixact_freeze_max_age: int(10000, 2000000000),
  autovacuum_freeze_table_age: int(0, 2000000000),
  autovacuum_multixact_freeze_table_age: int(0, 2000000000),
  log_autovacuum_min_duration: int(-1, INT_MAX),
  autovacuum_vacuum_cost_delay: real(0, 100),
  autovacuum_vacuum_scale_factor: real(0, 100),
  autovacuum_vacuum_insert_scale_factor: real(0, 100),
  vacuum_index_cleanup: {
    kind: 'enum',
    values: ['auto', 'on', 'off', 'true', 'false', 'yes', 'no', '1', '0'],
    detail: 'Valid values are "on", "off", and "auto".',
  },
};
const HEAP: Readonly<Record<string, Rule>> = {
  ...AUTOVACUUM,
  fillfactor: int(10, 100),
  user_catalog_table: bool,
  autovacuum_analyze_threshold: int(0, INT_MAX),
  autovacuum_analyze_scale_factor: real(0, 100),
  toast_tuple_target: int(128, 8160),
  parallel_workers: int(0, 1024),
};
const BTREE: Readonly<Record<string, Rule>> = {
  fillfactor: int(10, 100),
  vacuum_cleanup_index_scale_factor: real(0, 1e10),
  deduplicate_items: bool,
};
const VIEW: Readonly<Record<string, Rule>> = {
  security_barrier: bool,
  security_invoker: bool,
  check_option: {
    kind: 'enum',
    values: ['local', 'cascaded'],
    detail: 'Valid values are "local" and "cascaded".',
  },
};
const TABLESPACE: Readonly<Record<string, Rule>> = {
  random_page_cost: real(0, Number.MAX_VALUE),
  seq_page_cost: real(0, Number.MAX_VALUE),
  effective_io_concurrency: int(0, 1000),
  maintenance_io_concurrency: int(0, 1000),
};
const RULES = { heap: HEAP, toast: AUTOVACUUM, btree: BTREE, view: VIEW, tablespace: TABLESPACE } as const;
export type OptionFamily = keyof typeof RULES;

/** defGetString() of an option's value. */
function valueText(option: DefElem): string {
  const arg = option.arg as Node | undefined;
  if (arg === undefined) return 'true';
  if ('Integer' in arg) return String(arg.Integer.ival ?? 0);
  if ('Float' in arg) return arg.Float.fval ?? '0';
  if ('Boolean' in arg) return arg.Boolean.boolval === true ? 'true' : 'false';
  if ('String' in arg) return arg.String.sval ?? '';
  if ('TypeName' in arg) return stringsOf(arg.TypeName.names).join('.');
  if ('A_Star' in arg) return '*';
  if ('List' in arg) return stringsOf(arg.List.items).join('.');
  return report('ERROR', { message: `unrecognized node type in option "${option.defname ?? ''}"` });
}

const isBoolean = (text: string): boolean => {
  const lower = text.toLowerCase();
  if (lower === '0' || lower === '1') return true;
  if (lower === '' || lower === 'o') return false;
  return ['true', 'false', 'yes', 'no', 'on', 'off'].some((word) => word.startsWith(lower));
};
function invalid(message: string, detail?: string): never {
  report('ERROR', { code: SQLSTATE.invalidParameterValue, message, ...(detail === undefined ? {} : { detail }) });
}
/** %f of C, also of the largest numbers. */
const realText = (value: number): string => (value < 1e21 ? value.toFixed(6) : `${BigInt(value)}.000000`);
function check(name: string, rule: Rule, text: string): void {
  switch (rule.kind) {
    case 'bool':
      if (!isBoolean(text)) invalid(`invalid value for boolean option "${name}": ${text}`);
      return;
    case 'enum':
      if (!rule.values.includes(text.toLowerCase())) {
        invalid(`invalid value for enum option "${name}": ${text}`, rule.detail);
      }
      return;
    default: {
      const isInt = rule.kind === 'int';
      const pattern = isInt
        ? /^\s*[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?\s*$/
        : /^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$/;
      if (!pattern.test(text)) {
        invalid(`invalid value for ${isInt ? 'integer' : 'floating point'} option "${name}": ${text}`);
      }
      const value = Number(text);
      if (value < rule.min || value > rule.max) {
        const [low, high] = isInt ? [rule.min, rule.max] : [realText(rule.min), realText(rule.max)];
        invalid(`value ${text} out of bounds for option "${name}"`, `Valid values are between "${low}" and "${high}".`);
      }
    }
  }
}

/** The stored form after SET or (isReset) RESET: old options that are not named stay. `namespace` selects `toast.x`. */
export function transformRelOptions(
  old: readonly string[] | null,
  options: readonly Node[] | undefined,
  namespace: string | null,
  allowedNamespaces: readonly string[],
  isReset: boolean,
): string[] | null {
  const given = (options ?? []).flatMap((node) => ('DefElem' in node ? [node.DefElem] : []));
  const mine = given.filter((option) => {
    const space = option.defnamespace ?? null;
    if (space !== null && !allowedNamespaces.includes(space)) {
      invalid(`unrecognized parameter namespace "${space}"`);
    }
    return space === namespace;
  });
  const out = (old ?? []).filter((text) => !mine.some((option) => text.startsWith(`${option.defname ?? ''}=`)));
  for (const option of mine) {
    const name = option.defname ?? '';
    if (isReset) {
      if (option.arg !== undefined) {
        report('ERROR', { code: SQLSTATE.syntaxError, message: 'RESET must not include values for parameters' });
      }
      continue;
    }
    if (name.includes('=')) invalid(`invalid option name "${name}": must not contain "="`);
    if (name === 'oids' && namespace === null) {
      if (isBoolean(valueText(option)) && /^(t|y|on|1)/i.test(valueText(option))) {
        report('ERROR', {
          code: SQLSTATE.featureNotSupported,
          message: 'tables declared WITH OIDS are not supported',
        });
      }
      continue;
    }
    out.push(`${name}=${valueText(option)}`);
  }
  return out.length === 0 ? null : out;
}

/** heap_reloptions(), index_reloptions(): complains about options that do not exist or have no such value. */
export function validateRelOptions(family: OptionFamily, options: readonly string[] | null): void {
  for (const option of options ?? []) {
    const equals = option.indexOf('=');
    const name = option.slice(0, equals);
    const rule = (RULES[family] as Readonly<Record<string, Rule>>)[name];
    if (rule === undefined) invalid(`unrecognized parameter "${name}"`);
    check(name, rule, option.slice(equals + 1));
  }
}
