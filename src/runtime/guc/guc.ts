/** guc.ts — setting and showing parameters: who may set what when, which source wins, and the exact complaints.
 *
 *  Everything that changes a parameter ends in `setConfigOptionExt`: command line, files, startup packet, SET, reload,
 *  functions. It answers 'applied', 'ignored' (valid, but a stronger source holds the parameter) or 'failed' (only when
 *  the level is below ERROR). The stack of SET/SET LOCAL is in guc-stack.ts, files in guc-file.ts.
 *  Counterpart: set_config_option(), parse_and_validate_value(), ShowGUCOption() of src/backend/utils/misc/guc.c */
import '#runtime/guc/builtin-hooks.ts';
import { type Level, report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import {
  CONTEXTS,
  type GucAction,
  type GucContext,
  type GucSource,
  type GucValue,
  SOURCES,
} from '#runtime/guc/define.ts';
import { pushOldValue } from '#runtime/guc/guc-stack.ts';
import { gucEnvironment } from '#runtime/guc/hooks.ts';
import { cutName } from '#runtime/guc/lists.ts';
import { addPlaceholder, customNameProblem } from '#runtime/guc/placeholders.ts';
import { allParameters, checkValue, type Parameter, recordByName, settings, storeValue } from '#runtime/guc/records.ts';
import {
  formatG,
  intWithUnit,
  parseBool,
  parseIntSetting,
  parseRealSetting,
  realWithUnit,
} from '#runtime/guc/units.ts';

export { settings };

export type SetResult = 'applied' | 'ignored' | 'failed';

const unrecognized = (name: string, level: Level | null): undefined => {
  if (level === null) return undefined;
  report(level, { code: SQLSTATE.undefinedObject, message: `unrecognized configuration parameter "${name}"` });
  return undefined;
};

/** The record of `name`; a dotted name that does not exist becomes a placeholder if `create`. What cannot be found is
 *  complained about at `level`, or not at all if that is null. */
export function findOption(name: string, create: boolean, level: Level | null): Parameter | undefined {
  const found = recordByName(name);
  if (found !== undefined) return found;
  if (!create) return unrecognized(name, level);
  const problem = customNameProblem(name);
  if (problem === undefined) return addPlaceholder(name);
  if (problem === 'unqualified') return unrecognized(name, level);
  if (level !== null) report(level, { code: SQLSTATE.invalidName, ...problem });
  return undefined;
}

const invalidValue = (name: string, value: string): string => `invalid value for parameter "${name}": "${value}"`;

/** The value as the error message of a failed check hook shows it. */
function candidateText(parameter: Parameter, value: GucValue): string {
  if (parameter.type === 'bool') return value === true ? '1' : '0';
  if (parameter.type === 'int') return String(value);
  if (parameter.type === 'real') return formatG(value as number);
  return `"${value ?? ''}"`;
}

function runCheck(parameter: Parameter, value: GucValue, source: GucSource, level: Level): NewValue | undefined {
  const checked = checkValue(parameter, value, source);
  if (checked.ok) return checked;
  const { code, message, detail, hint } = checked.failure;
  report(level, {
    code: code ?? SQLSTATE.invalidParameterValue,
    message: message ?? `invalid value for parameter "${parameter.name}": ${candidateText(parameter, value)}`,
    detail,
    hint,
  });
  return undefined;
}

interface NewValue {
  readonly value: GucValue;
  readonly extra: unknown;
}

const shownRange = (parameter: Parameter, text: (value: number) => string): string =>
  `(${text(parameter.min)} .. ${text(parameter.max)})`;

function parseNumber(parameter: Parameter, name: string, text: string, level: Level): number | undefined {
  const isInt = parameter.type === 'int';
  const parsed = isInt ? parseIntSetting(text, parameter.unit) : parseRealSetting(text, parameter.unit);
  if (!parsed.ok) {
    report(level, {
      code: SQLSTATE.invalidParameterValue,
      message: invalidValue(name, text),
      hint: parsed.hint,
    });
    return undefined;
  }
  if (parsed.value >= parameter.min && parsed.value <= parameter.max) return parsed.value;
  const show = isInt ? String : formatG;
  const unit = parameter.unit === undefined ? '' : ` ${parameter.unit}`;
  report(level, {
    code: SQLSTATE.invalidParameterValue,
    message: `${show(parsed.value)}${unit} is outside the valid range for parameter "${name}" ${shownRange(parameter, show)}`,
  });
  return undefined;
}

function parseEnum(parameter: Parameter, name: string, text: string, level: Level): string | undefined {
  const word = text.toLowerCase();
  if (Object.hasOwn(parameter.aliases, word)) return parameter.aliases[word];
  const found = parameter.values.find((value) => value.toLowerCase() === word);
  if (found !== undefined) return found;
  report(level, {
    code: SQLSTATE.invalidParameterValue,
    message: invalidValue(name, text),
    hint: `Available values: ${parameter.values.join(', ')}.`,
  });
  return undefined;
}

/** truncate_identifier with its notice: at most 63 bytes, cut at a character. */
function truncateName(text: string): string {
  const cut = cutName(text);
  if (cut !== text) {
    report('NOTICE', {
      code: SQLSTATE.nameTooLong,
      message: `identifier "${text}" will be truncated to "${cut}"`,
    });
  }
  return cut;
}

/** Text to value, with `name` as the user spelled it: syntax, range, then the check hook. */
export function parseAndValidate(
  parameter: Parameter,
  name: string,
  text: string,
  source: GucSource,
  level: Level,
): NewValue | undefined {
  let value: GucValue | undefined;
  switch (parameter.type) {
    case 'bool':
      value = parseBool(text);
      if (value === undefined) {
        report(level, {
          code: SQLSTATE.invalidParameterValue,
          message: `parameter "${name}" requires a Boolean value`,
        });
      }
      break;
    case 'int':
    case 'real':
      value = parseNumber(parameter, name, text, level);
      break;
    case 'enum':
      value = parseEnum(parameter, name, text, level);
      break;
    case 'string':
      value = parameter.has('IS_NAME') ? truncateName(text) : text;
      break;
  }
  return value === undefined ? undefined : runCheck(parameter, value, source, level);
}

const refuse = (level: Level, message: string): 'failed' => {
  report(level, { code: SQLSTATE.cantChangeRuntimeParam, message });
  return 'failed';
};

function deniedToSet(parameter: Parameter, name: string, level: Level): boolean {
  if (gucEnvironment.mayManage(parameter.name, 'SET')) return false;
  report(level, {
    code: SQLSTATE.insufficientPrivilege,
    message: `permission denied to set parameter "${name}"`,
  });
  return true;
}

/** May `context` set this parameter now? 'only-compare' is the reload of a postmaster parameter: nothing changes, but a
 *  new value in the file must be told. */
function admit(
  parameter: Parameter,
  name: string,
  context: GucContext,
  options: { isReload: boolean; change: boolean; source: GucSource },
  level: Level,
): SetResult | 'only-compare' | 'go' {
  const at = CONTEXTS[context];
  switch (parameter.context) {
    case 'internal':
      return context === 'internal' ? 'go' : refuse(level, `parameter "${name}" cannot be changed`);
    case 'postmaster':
      if (context === 'sighup') return 'only-compare';
      return at > CONTEXTS.postmaster
        ? refuse(level, `parameter "${name}" cannot be changed without restarting the server`)
        : 'go';
    case 'sighup':
      return at > CONTEXTS.sighup ? refuse(level, `parameter "${name}" cannot be changed now`) : 'go';
    case 'superuser-backend':
    case 'backend':
      if (parameter.context === 'superuser-backend' && context === 'backend' && deniedToSet(parameter, name, level)) {
        return 'failed';
      }
      // A running session keeps what it started with; only new ones see the file's new value.
      if (context === 'sighup')
        return gucEnvironment.isUnderPostmaster && options.change && !options.isReload ? 'ignored' : 'go';
      return at > CONTEXTS.backend && options.source !== 'client'
        ? refuse(level, `parameter "${name}" cannot be set after connection start`)
        : 'go';
    case 'superuser':
      if ((context === 'user' || context === 'backend') && deniedToSet(parameter, name, level)) return 'failed';
      return 'go';
    case 'user':
      return 'go';
  }
}

function refuseUnderRestriction(parameter: Parameter, name: string): void {
  if (!parameter.has('NOT_WHILE_SEC_REST')) return;
  const where = gucEnvironment.inLocalUserIdChange()
    ? 'security-definer function'
    : gucEnvironment.inSecurityRestrictedOperation()
      ? 'security-restricted operation'
      : undefined;
  if (where === undefined) return;
  report('ERROR', {
    code: SQLSTATE.insufficientPrivilege,
    message: `cannot set parameter "${name}" within ${where}`,
  });
}

function defaultLevel(source: GucSource): Level {
  if (source === 'default' || source === 'file') return gucEnvironment.isUnderPostmaster ? 'DEBUG3' : 'LOG';
  if (source === 'global' || source === 'database' || source === 'user' || source === 'databaseUser') return 'WARNING';
  return 'ERROR';
}

export interface SetOptions {
  readonly action?: GucAction;
  /** false: only ask whether it would work. */
  readonly change?: boolean;
  readonly level?: Level;
  /** The value repeats what the postmaster decided, in a child that just started. */
  readonly isReload?: boolean;
}

/** Sets `name` to the text `value`; null means the boot value (source default) or the reset value (anything else). */
export function setConfigOptionExt(
  name: string,
  value: string | null,
  context: GucContext,
  source: GucSource,
  options: SetOptions = {},
): SetResult {
  const action = options.action ?? 'set';
  let change = options.change ?? true;
  const level = options.level ?? defaultLevel(source);
  if (change && action !== 'save' && gucEnvironment.inParallelMode()) {
    report(level, {
      code: SQLSTATE.invalidTransactionState,
      message: 'cannot set parameters during a parallel operation',
    });
    return 'failed';
  }
  const parameter = findOption(name, true, level);
  if (parameter === undefined) return 'failed';
  const admitted = admit(parameter, name, context, { isReload: options.isReload ?? false, change, source }, level);
  if (admitted !== 'go' && admitted !== 'only-compare') return admitted;
  refuseUnderRestriction(parameter, name);

  const makeDefault = change && SOURCES[source] <= SOURCES.override && (value !== null || source === 'default');
  if (SOURCES[parameter.source] > SOURCES[source]) {
    if (change && !makeDefault) {
      report('DEBUG3', { message: `"${name}": setting ignored because previous source is higher priority` });
      return 'ignored';
    }
    change = false;
  }
  return applyValue(parameter, name, value, { context, source, action, change, makeDefault, level }, admitted);
}

interface Assignment {
  readonly context: GucContext;
  readonly source: GucSource;
  readonly action: GucAction;
  readonly change: boolean;
  readonly makeDefault: boolean;
  readonly level: Level;
}

function applyValue(
  parameter: Parameter,
  name: string,
  value: string | null,
  how: Assignment,
  admitted: 'go' | 'only-compare',
): SetResult {
  let { source, context } = how;
  let next: NewValue | undefined;
  if (value !== null) next = parseAndValidate(parameter, name, value, source, how.level);
  else if (source === 'default') next = runCheck(parameter, parameter.bootValue, source, how.level);
  else {
    next = { value: parameter.resetValue, extra: parameter.resetExtra };
    source = parameter.resetSource;
    context = parameter.resetContext;
  }
  if (next === undefined) return 'failed';
  if (admitted === 'only-compare') {
    if ((parameter.value ?? '') === (next.value ?? '')) {
      parameter.pendingRestart = false;
      return 'ignored';
    }
    parameter.pendingRestart = true;
    return refuse(how.level, `parameter "${name}" cannot be changed without restarting the server`);
  }
  if (how.change) {
    if (!how.makeDefault) pushOldValue(parameter, how.action);
    storeValue(parameter, next.value, next.extra);
    parameter.source = source;
    parameter.setContext = context;
  }
  if (how.makeDefault) becomeDefault(parameter, next, source, context);
  if (how.change && parameter.has('REPORT')) parameter.needsReport = true;
  return how.change ? 'applied' : 'ignored';
}

/** The value is also what RESET, and the ends of the transactions that now run, go back to. */
function becomeDefault(parameter: Parameter, next: NewValue, source: GucSource, context: GucContext): void {
  if (SOURCES[parameter.resetSource] <= SOURCES[source]) {
    parameter.resetValue = next.value;
    parameter.resetExtra = next.extra;
    parameter.resetSource = source;
    parameter.resetContext = context;
  }
  for (let entry = parameter.stack; entry !== null; entry = entry.prev) {
    if (SOURCES[entry.source] > SOURCES[source]) continue;
    entry.priorValue = next.value;
    entry.priorExtra = next.extra;
    entry.source = source;
    entry.context = context;
  }
}

/** The common case: a problem is an ERROR, or LOG/WARNING for the weak sources. */
export function setConfigOption(name: string, value: string | null, context: GucContext, source: GucSource): SetResult {
  return setConfigOptionExt(name, value, context, source);
}

/** The value as SHOW prints it; without units it is pg_settings.setting. */
export function showOption(parameter: Parameter, useUnits: boolean): string {
  const shown = parameter.hooks.show?.();
  if (shown !== undefined) return shown;
  const value = parameter.value;
  const unit = useUnits ? parameter.unit : undefined;
  switch (parameter.type) {
    case 'bool':
      return value === true ? 'on' : 'off';
    case 'int':
      return unit !== undefined && (value as number) > 0 ? intWithUnit(value as number, unit) : String(value);
    case 'real':
      return unit !== undefined && (value as number) > 0
        ? realWithUnit(value as number, unit)
        : formatG(value as number);
    default:
      return String(value ?? '');
  }
}

/** A stored value as text, without hooks: what pg_settings prints for boot_val and reset_val. */
export function rawValueText(parameter: Parameter, value: GucValue): string | null {
  if (value === null) return null;
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  if (parameter.type === 'real') return formatG(value as number);
  return String(value);
}

export function mayRead(parameter: Parameter): boolean {
  return !parameter.has('SUPERUSER_ONLY') || gucEnvironment.canReadAllSettings();
}
function requireReadable(parameter: Parameter): void {
  if (mayRead(parameter)) return;
  report('ERROR', {
    code: SQLSTATE.insufficientPrivilege,
    message: `must be superuser or have privileges of pg_read_all_settings to examine "${parameter.name}"`,
  });
}

/** The value without units, as other code compares it; undefined for an unknown name if `missingOk`. */
export function getConfigOption(name: string, missingOk = false, restrictPrivileged = false): string | undefined {
  const parameter = recordByName(name) ?? (missingOk ? undefined : findOption(name, false, 'ERROR'));
  if (parameter === undefined) return undefined;
  if (restrictPrivileged) requireReadable(parameter);
  return rawValueText(parameter, parameter.value) ?? '';
}

/** What SHOW and current_setting() print, with the parameter's own spelling of its name. */
export function getConfigOptionByName(name: string, missingOk = false): { name: string; value: string } | undefined {
  const parameter = recordByName(name) ?? (missingOk ? undefined : findOption(name, false, 'ERROR'));
  if (parameter === undefined) return undefined;
  requireReadable(parameter);
  return { name: parameter.name, value: showOption(parameter, true) };
}

export function getConfigOptionResetString(name: string): string | undefined {
  const parameter = recordByName(name);
  return parameter === undefined ? undefined : (rawValueText(parameter, parameter.resetValue) ?? '');
}

/** RESET ALL: back to the session's defaults, as far as a session could have left them. */
export function resetAllOptions(): void {
  for (const parameter of allParameters()) {
    if (parameter.context !== 'superuser' && parameter.context !== 'user') continue;
    if (parameter.has('NO_RESET_ALL')) continue;
    if (SOURCES[parameter.source] <= SOURCES.override) continue;
    pushOldValue(parameter, 'set');
    storeValue(parameter, parameter.resetValue, parameter.resetExtra);
    parameter.source = parameter.resetSource;
    parameter.setContext = parameter.resetContext;
    if (parameter.has('REPORT')) parameter.needsReport = true;
  }
}

/** Sets an internal fact (server_version, is_superuser, data_directory_mode …), beyond all rules but the parser's. */
export function setInternalOption(name: string, value: string, source: GucSource = 'dynamicDefault'): void {
  setConfigOptionExt(name, value, 'internal', source, { level: 'ERROR' });
}
