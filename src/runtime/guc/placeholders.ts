/** placeholders.ts — `prefix.name` settings whose owner is not loaded (yet): strings that anyone may set.
 *
 *  Counterpart: add_placeholder_variable(), valid_custom_variable_name() of src/backend/utils/misc/guc.c */
import { addRecord, Parameter } from '#runtime/guc/records.ts';

const reservedPrefixes: string[] = [];

const PART = '[A-Za-z_\\u0080-\\uffff][A-Za-z0-9_$\\u0080-\\uffff]*';
const VALID = new RegExp(`^${PART}(?:\\.${PART})+$`);

export const isValidCustomName = (name: string): boolean => VALID.test(name);

export interface CustomNameProblem {
  readonly message: string;
  readonly detail: string;
}

/** Why `name` cannot become a placeholder; undefined if it can. */
export function customNameProblem(name: string): CustomNameProblem | 'unqualified' | undefined {
  const dot = name.indexOf('.');
  if (dot < 0) return 'unqualified';
  const message = `invalid configuration parameter name "${name}"`;
  if (!isValidCustomName(name)) {
    return { message, detail: 'Custom parameter names must be two or more simple identifiers separated by dots.' };
  }
  const prefix = name.slice(0, dot);
  if (reservedPrefixes.includes(prefix)) return { message, detail: `"${prefix}" is a reserved prefix.` };
  return undefined;
}

export function reservePrefix(prefix: string): void {
  if (!reservedPrefixes.includes(prefix)) reservedPrefixes.push(prefix);
}

export function addPlaceholder(name: string): Parameter {
  const placeholder = new Parameter(
    name,
    {
      type: 'string',
      context: 'user',
      category: 'Customized Options',
      short: 'GUC placeholder variable',
      boot: null,
      flags: ['NO_SHOW_ALL', 'NOT_IN_SAMPLE', 'CUSTOM_PLACEHOLDER'],
    },
    false,
  );
  addRecord(placeholder);
  return placeholder;
}
