/** custom-variables.ts — settings that extensions define: `prefix.name`, real ones in the place of placeholders.
 *
 *  A placeholder may already hold values from the file, from SET and from enclosing transactions; all of them are set
 *  again on the real variable, as if it had been there all the time. What it refuses is warned about and dropped.
 *  Counterpart: define_custom_variable(), reapply_stacked_values(), MarkGUCPrefixReserved() of guc.c */
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import type { GucContext, GucFlag, GucSource, GucUnit, GucValue, ParameterDefinition } from '#runtime/guc/define.ts';
import { setConfigOptionExt } from '#runtime/guc/guc.ts';
import { type GucHooks, gucEnvironment } from '#runtime/guc/hooks.ts';
import { isValidCustomName, reservePrefix } from '#runtime/guc/placeholders.ts';
import {
  addRecord,
  adoptHooks,
  allParameters,
  Parameter,
  recordByName,
  removeRecord,
  type StackEntry,
} from '#runtime/guc/records.ts';

/** What the definer keeps: `value` is always the current one. */
export interface CustomVariable<V> {
  readonly name: string;
  readonly value: V;
}
interface CommonOptions<V> {
  readonly context?: GucContext;
  readonly flags?: readonly GucFlag[];
  readonly extra?: string;
  readonly hooks?: GucHooks<V>;
}
export interface NumericOptions extends CommonOptions<number> {
  readonly unit?: GucUnit;
  readonly min: number;
  readonly max: number;
}

function common<V>(short: string, options: CommonOptions<V>) {
  return {
    context: options.context ?? 'user',
    category: 'Customized Options',
    short,
    ...(options.extra === undefined ? {} : { extra: options.extra }),
    flags: options.flags ?? [],
  } as const;
}

export function defineCustomBoolVariable(
  name: string,
  short: string,
  boot: boolean,
  options: CommonOptions<boolean> = {},
): CustomVariable<boolean> {
  return define(name, { ...common(short, options), type: 'bool', boot }, options.hooks);
}
export function defineCustomIntVariable(
  name: string,
  short: string,
  boot: number,
  options: NumericOptions,
): CustomVariable<number> {
  const unit = options.unit === undefined ? {} : { unit: options.unit };
  return define(
    name,
    { ...common(short, options), ...unit, type: 'int', boot, min: options.min, max: options.max },
    options.hooks,
  );
}
export function defineCustomRealVariable(
  name: string,
  short: string,
  boot: number,
  options: NumericOptions,
): CustomVariable<number> {
  const unit = options.unit === undefined ? {} : { unit: options.unit };
  return define(
    name,
    { ...common(short, options), ...unit, type: 'real', boot, min: options.min, max: options.max },
    options.hooks,
  );
}
export function defineCustomStringVariable(
  name: string,
  short: string,
  boot: string | null,
  options: CommonOptions<string> = {},
): CustomVariable<string> {
  return define(name, { ...common(short, options), type: 'string', boot }, options.hooks);
}
export function defineCustomEnumVariable<const V extends string>(
  name: string,
  short: string,
  boot: V,
  options: CommonOptions<V> & { readonly values: readonly V[]; readonly aliases?: Readonly<Record<string, V>> },
): CustomVariable<V> {
  const { values, aliases = {} } = options;
  return define(name, { ...common(short, options), type: 'enum', boot, values, aliases }, options.hooks);
}

function checkDefinition(name: string, definition: ParameterDefinition): void {
  const problem = (message: string): never => report('FATAL', { message });
  if (!isValidCustomName(name)) {
    report('ERROR', {
      code: SQLSTATE.invalidName,
      message: `invalid configuration parameter name "${name}"`,
      detail: 'Custom parameter names must be two or more simple identifiers separated by dots.',
    });
  }
  if (definition.context === 'postmaster' && !gucEnvironment.loadingSharedPreloadLibraries()) {
    problem('cannot create PGC_POSTMASTER variables after startup');
  }
  if (definition.flags?.includes('LIST_QUOTE')) problem('extensions cannot define GUC_LIST_QUOTE variables');
}

class Handle<V> implements CustomVariable<V> {
  readonly #parameter: Parameter;
  constructor(parameter: Parameter) {
    this.#parameter = parameter;
  }
  get name(): string {
    return this.#parameter.name;
  }
  get value(): V {
    return (this.#parameter.value ?? '') as V;
  }
}

function define<V>(name: string, definition: ParameterDefinition, hooks?: GucHooks<V>): CustomVariable<V> {
  checkDefinition(name, definition);
  const old = recordByName(name);
  if (old !== undefined && !old.has('CUSTOM_PLACEHOLDER')) {
    report('ERROR', { code: SQLSTATE.internalError, message: `attempt to redefine parameter "${name}"` });
  }
  const variable = new Parameter(name, definition, false);
  if (hooks !== undefined) adoptHooks(variable, hooks as unknown as GucHooks<GucValue>);
  if (old !== undefined) removeRecord(old);
  addRecord(variable);
  if (old !== undefined) takeOver(variable, old);
  return new Handle<V>(variable);
}

function apply(
  name: string,
  value: GucValue,
  context: GucContext,
  source: GucSource,
  action: 'set' | 'local' | 'save',
) {
  if (value !== null) setConfigOptionExt(name, String(value), context, source, { action, level: 'WARNING' });
}

function takeOver(variable: Parameter, placeholder: Parameter): void {
  apply(variable.name, placeholder.resetValue, placeholder.resetContext, placeholder.resetSource, 'set');
  reapplyStack(variable, placeholder, placeholder.stack, placeholder.value, placeholder.setContext, placeholder.source);
  variable.sourceFile = placeholder.sourceFile;
  variable.sourceLine = placeholder.sourceLine;
  variable.inFile = placeholder.inFile;
}

/** Oldest level first, each with the value that was current while it was the newest. */
function reapplyStack(
  variable: Parameter,
  placeholder: Parameter,
  entry: StackEntry | null,
  value: GucValue,
  context: GucContext,
  source: GucSource,
): void {
  const before = variable.stack;
  if (entry === null) {
    if (value !== placeholder.resetValue || source !== placeholder.resetSource) {
      apply(variable.name, value, context, source, 'set');
      // A value from before any transaction: nothing is to be undone.
      variable.stack = null;
    }
    return;
  }
  reapplyStack(variable, placeholder, entry.prev, entry.priorValue, entry.context, entry.source);
  if (entry.state === 'setLocal') {
    apply(variable.name, entry.maskedValue, entry.maskedContext, 'session', 'set');
    apply(variable.name, value, context, source, 'local');
  } else {
    apply(variable.name, value, context, source, entry.state);
  }
  if (variable.stack !== null && variable.stack !== before) variable.stack.nestLevel = entry.nestLevel;
}

/** No placeholder may begin with `prefix.` any more; those that do are misspellings, and go. */
export function markGucPrefixReserved(prefix: string): void {
  for (const parameter of allParameters()) {
    if (!parameter.has('CUSTOM_PLACEHOLDER') || !parameter.name.startsWith(`${prefix}.`)) continue;
    report('WARNING', {
      code: SQLSTATE.invalidName,
      message: `invalid configuration parameter name "${parameter.name}", removing it`,
      detail: `"${prefix}" is now a reserved prefix.`,
    });
    removeRecord(parameter);
  }
  reservePrefix(prefix);
}
