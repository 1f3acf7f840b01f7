/** describe-config.ts — `postgres --describe-config`: the settings that may stand in a file, for programs to read.
 *
 *  The default shown is the real one; PostgreSQL prints zeros there, because it has not initialised anything yet.
 *  Counterpart: src/backend/utils/misc/help_config.c */
import { rawValueText } from '#runtime/guc/guc.ts';
import { allParameters, type Parameter } from '#runtime/guc/records.ts';

function typeColumns(parameter: Parameter): string[] {
  const { type, bootValue, min, max } = parameter;
  const boot = rawValueText(parameter, bootValue) ?? '';
  if (type === 'bool') return ['BOOLEAN', bootValue === true ? 'TRUE' : 'FALSE', '', ''];
  if (type === 'string' || type === 'enum') return [type.toUpperCase(), boot, '', ''];
  const limits = [rawValueText(parameter, min) ?? '', rawValueText(parameter, max) ?? ''];
  return [type === 'int' ? 'INTEGER' : 'REAL', boot, ...limits];
}

export function describeConfig(): string {
  const hidden = (parameter: Parameter): boolean =>
    parameter.has('NO_SHOW_ALL') || parameter.has('NOT_IN_SAMPLE') || parameter.has('DISALLOW_IN_FILE');
  return allParameters()
    .filter((parameter) => !hidden(parameter))
    .map((parameter) => {
      const { name, context, category, short, extraDescription = '' } = parameter;
      return `${[name, context, category, ...typeColumns(parameter), short, extraDescription].join('\t')}\n`;
    })
    .join('');
}
