/** records.ts — the live state of every parameter: one record each, and the `settings` object that mirrors them.
 *
 *  Reading a setting is a plain property read of `settings`; everything else (who set it, what RESET goes back to, what
 *  the enclosing subtransactions had) lies in the record. Only `storeValue` writes either.
 *  Counterpart: struct config_generic of src/include/utils/guc_tables.h, build_guc_variables() of guc.c */
import {
  FLAGS,
  type GucContext,
  type GucFlag,
  type GucSource,
  type GucUnit,
  type GucValue,
  type ParameterDefinition,
} from '#runtime/guc/define.ts';
import { CheckRefused, type CheckContext, type CheckFailure, type GucHooks } from '#runtime/guc/hooks.ts';
import { PARAMETERS, type ParameterName, type ParameterValue, type Settings } from '#runtime/guc/parameters/index.ts';

/** What one (sub)transaction level must put back, newest level first. */
export interface StackEntry {
  readonly prev: StackEntry | null;
  nestLevel: number;
  /** Entered by SET, by SET LOCAL, by SET and then SET LOCAL, or by a function's SET clause. */
  state: 'set' | 'local' | 'setLocal' | 'save';
  source: GucSource;
  context: GucContext;
  maskedContext: GucContext;
  priorValue: GucValue;
  priorExtra: unknown;
  /** The plain SET under a later SET LOCAL. */
  maskedValue: GucValue;
  maskedExtra: unknown;
}

export class Parameter {
  readonly type: ParameterDefinition['type'];
  readonly context: GucContext;
  readonly category: string;
  readonly short: string;
  readonly extraDescription: string | undefined;
  readonly unit: GucUnit | undefined;
  readonly min: number;
  readonly max: number;
  readonly values: readonly string[];
  readonly aliases: Readonly<Record<string, string>>;
  flags = 0;
  /** Never changes for a table row; a custom variable may be defined with another one in another process. */
  bootValue: GucValue;
  value: GucValue;
  resetValue: GucValue;
  extra: unknown = undefined;
  resetExtra: unknown = undefined;
  source: GucSource = 'default';
  resetSource: GucSource = 'default';
  /** Under which authority the value was set; spawned children repeat the assignment with it. */
  setContext: GucContext = 'internal';
  resetContext: GucContext = 'internal';
  inFile = false;
  pendingRestart = false;
  needsReport = false;
  lastReported: string | null = null;
  stack: StackEntry | null = null;
  sourceFile: string | null = null;
  sourceLine = 0;
  hooks: GucHooks<GucValue> = {};

  constructor(
    readonly name: string,
    definition: ParameterDefinition,
    readonly builtin: boolean,
  ) {
    this.type = definition.type;
    this.context = definition.context;
    this.category = definition.category;
    this.short = definition.short;
    this.extraDescription = definition.extra;
    const numeric = definition.type === 'int' || definition.type === 'real';
    this.unit = numeric ? definition.unit : undefined;
    this.min = numeric ? definition.min : 0;
    this.max = numeric ? definition.max : 0;
    this.values = definition.type === 'enum' ? definition.values : [];
    this.aliases = (definition.type === 'enum' ? definition.aliases : undefined) ?? {};
    for (const flag of definition.flags ?? []) this.flags |= FLAGS[flag];
    this.bootValue = definition.boot;
    this.value = definition.boot;
    this.resetValue = definition.boot;
  }

  has(flag: GucFlag): boolean {
    return (this.flags & FLAGS[flag]) !== 0;
  }
}

/** By lower-cased name: names of settings are case-insensitive in ASCII. */
const records = new Map<string, Parameter>();
/** Records with a stack entry: what the end of a (sub)transaction must look at. */
export const stackedParameters = new Set<Parameter>();

const fold = (name: string): string => name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());

/** Names that PostgreSQL still understands. */
const OLD_NAMES: Readonly<Record<string, string>> = {
  sort_mem: 'work_mem',
  vacuum_mem: 'maintenance_work_mem',
};

/** Every property exists from the start; a read costs 1 to 3 ns. */
function makeSettings(): Record<string, boolean | number | string> {
  const made: Record<string, boolean | number | string> = {};
  for (const [name, row] of Object.entries(PARAMETERS)) made[name] = row.boot ?? '';
  return made;
}
const liveSettings = makeSettings();
/** The current value of every built-in parameter, in its base unit. */
export const settings: Settings = liveSettings as unknown as Settings;

for (const [name, row] of Object.entries(PARAMETERS)) {
  records.set(fold(name), new Parameter(name, row, true));
}

export function recordByName(name: string): Parameter | undefined {
  const folded = fold(name);
  return records.get(folded) ?? (Object.hasOwn(OLD_NAMES, folded) ? records.get(OLD_NAMES[folded]!) : undefined);
}
export function record<K extends ParameterName>(name: K): Parameter {
  return records.get(fold(name))!;
}
export function addRecord(parameter: Parameter): void {
  records.set(fold(parameter.name), parameter);
  sorted = undefined;
}
export function removeRecord(parameter: Parameter): void {
  records.delete(fold(parameter.name));
  stackedParameters.delete(parameter);
  sorted = undefined;
}

let sorted: readonly Parameter[] | undefined;
/** Every record in guc_name_compare order, the order of pg_settings and of SHOW ALL. */
export function allParameters(): readonly Parameter[] {
  sorted ??= [...records.entries()].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, parameter]) => parameter);
  return sorted;
}

/** Makes `value` effective. The assign hook comes first, as in PostgreSQL: it may read the old value. */
export function storeValue(parameter: Parameter, value: GucValue, extra: unknown): void {
  parameter.hooks.assign?.(value ?? '', extra);
  parameter.value = value;
  parameter.extra = extra;
  if (parameter.builtin) liveSettings[parameter.name] = value ?? '';
}

export type Checked =
  | { readonly ok: true; readonly value: GucValue; readonly extra: unknown }
  | { readonly ok: false; readonly failure: CheckFailure };

/** Runs the check hook. A missing value (null) has nothing to be checked. */
export function checkValue(parameter: Parameter, value: GucValue, source: GucSource): Checked {
  const check = parameter.hooks.check;
  if (check === undefined || value === null) return { ok: true, value, extra: undefined };
  const context: CheckContext = {
    source,
    extra: undefined,
    fail: (failure = {}) => {
      throw new CheckRefused(failure);
    },
  };
  try {
    const normal = check(value, context);
    return { ok: true, value: normal, extra: context.extra };
  } catch (caught) {
    if (caught instanceof CheckRefused) return { ok: false, failure: caught.failure };
    throw caught;
  }
}

/** Adds hooks to a parameter. The value it has now is checked and assigned at once, so that the owner's state matches
 *  whatever was configured before the owner was loaded. */
export function registerGucHooks<K extends ParameterName>(name: K, hooks: GucHooks<ParameterValue<K>>): void {
  adoptHooks(record(name), hooks as unknown as GucHooks<GucValue>);
}

export function adoptHooks(parameter: Parameter, hooks: GucHooks<GucValue>): void {
  for (const key of ['check', 'assign', 'show'] as const) {
    if (hooks[key] !== undefined && parameter.hooks[key] !== undefined) {
      throw new Error(`parameter ${parameter.name} has two ${key} hooks`);
    }
  }
  parameter.hooks = { ...parameter.hooks, ...hooks };
  if (hooks.check === undefined && hooks.assign === undefined) return;
  const reset = checkValue(parameter, parameter.resetValue, parameter.resetSource);
  if (reset.ok) {
    parameter.resetValue = reset.value;
    parameter.resetExtra = reset.extra;
  }
  const current = checkValue(parameter, parameter.value, parameter.source);
  if (current.ok) storeValue(parameter, current.value, current.extra);
}
