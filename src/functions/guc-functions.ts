/** guc-functions.ts — settings as SQL sees them: current_setting, set_config, and the functions under pg_settings and
 *  pg_file_settings.
 *
 *  Counterpart: show_config_by_name(), set_config_by_name(), show_all_settings(), show_all_file_settings() of
 *  src/backend/utils/misc/guc.c */
import type { ArrayDatum, Datum } from '#adt/datum.ts';
import { registerBuiltins, registerSetBuiltins, type SetIterator } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import { isSuperuser } from '#catalog/roles.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { type GucFlag, SOURCE_LABELS, VARTYPES } from '#runtime/guc/define.ts';
import { getConfigOptionByName, mayRead, rawValueText, setConfigOptionExt, showOption } from '#runtime/guc/guc.ts';
import { inspectConfigFiles } from '#runtime/guc/guc-file.ts';
import { gucEnvironment } from '#runtime/guc/hooks.ts';
import { allParameters, type Parameter, recordByName } from '#runtime/guc/records.ts';

const TEXT = 25 as Oid;

export const textArray = (elements: readonly Datum[]): ArrayDatum => ({
  kind: 'array',
  elementType: TEXT,
  dims: elements.length === 0 ? [] : [elements.length],
  lowerBounds: elements.length === 0 ? [] : [1],
  elements,
});

/** Rows that exist already, one after the other. */
export function iterate(rows: readonly (readonly Datum[])[]): SetIterator {
  let next = 0;
  return {
    value: null,
    next() {
      const row = rows[next++];
      if (row === undefined) return false;
      this.value = row;
      return true;
    },
  };
}

function currentSetting(name: string, missingOk = false): Datum {
  return getConfigOptionByName(name, missingOk)?.value ?? null;
}

function setConfig(name: string | null, value: string | null, isLocal: boolean | null): Datum {
  if (name === null) {
    return report('ERROR', { code: SQLSTATE.nullValueNotAllowed, message: 'SET requires parameter name' });
  }
  const action = isLocal === true ? 'local' : 'set';
  setConfigOptionExt(name, value, isSuperuser() ? 'superuser' : 'user', 'session', { action });
  return getConfigOptionByName(name)!.value;
}

function settingRow(parameter: Parameter): Datum[] {
  const { type } = parameter;
  const numeric = type === 'int' || type === 'real';
  const showsFile = parameter.source === 'file' && gucEnvironment.canReadAllSettings();
  return [
    parameter.name,
    showOption(parameter, false),
    parameter.unit ?? null,
    parameter.category,
    parameter.short,
    parameter.extraDescription ?? null,
    parameter.context,
    VARTYPES[type],
    SOURCE_LABELS[parameter.source],
    numeric ? rawValueText(parameter, parameter.min) : null,
    numeric ? rawValueText(parameter, parameter.max) : null,
    type === 'enum' ? textArray(parameter.values) : null,
    rawValueText(parameter, parameter.bootValue),
    rawValueText(parameter, parameter.resetValue),
    showsFile ? parameter.sourceFile : null,
    showsFile ? parameter.sourceLine : null,
    parameter.pendingRestart,
  ];
}

const allSettings = (): SetIterator =>
  iterate(
    allParameters()
      .filter((parameter) => !parameter.has('NO_SHOW_ALL') && mayRead(parameter))
      .map(settingRow),
  );

const allFileSettings = (): SetIterator =>
  iterate(
    inspectConfigFiles().map((item, i) => [
      item.fileName,
      item.fileName === null ? null : item.sourceLine,
      i + 1,
      item.name,
      item.value,
      item.applied,
      item.errorMessage,
    ]),
  );

const SHOWN_FLAGS: readonly GucFlag[] = ['EXPLAIN', 'NO_RESET_ALL', 'NO_SHOW_ALL', 'NOT_IN_SAMPLE', 'RUNTIME_COMPUTED'];

function settingFlags(name: string): Datum {
  const parameter = recordByName(name);
  return parameter === undefined ? null : textArray(SHOWN_FLAGS.filter((flag) => parameter.has(flag)));
}

registerBuiltins({
  show_config_by_name: (name: string) => currentSetting(name),
  show_config_by_name_missing_ok: currentSetting,
  set_config_by_name: setConfig,
  pg_settings_get_flags: settingFlags,
});
registerSetBuiltins({ show_all_settings: allSettings, show_all_file_settings: allFileSettings });
