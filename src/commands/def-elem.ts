/** def-elem.ts — values of options as the grammar gives them: name = value.
 *  Counterpart: src/backend/commands/define.c */
import type { DefElem, Node, TypeName } from '@pgsql/types';
import { stringsOf } from '#parser/ast.ts';
import { fail, type ParseState } from '#parser/parse-state.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

const syntaxError = (message: string): never => report('ERROR', { code: SQLSTATE.syntaxError, message });

export const defElems = (options: readonly Node[] | undefined): DefElem[] =>
  (options ?? []).flatMap((node) => ('DefElem' in node ? [node.DefElem] : []));

export function conflictingOption(p: ParseState | null, option: DefElem): never {
  fail(p, SQLSTATE.syntaxError, 'conflicting or redundant options', option.location ?? -1);
}

export function defGetString(option: DefElem): string {
  const { arg } = option;
  if (arg === undefined) return syntaxError(`${option.defname} requires a parameter`);
  if ('Integer' in arg) return String(arg.Integer.ival ?? 0);
  if ('Float' in arg) return arg.Float.fval ?? '0';
  if ('Boolean' in arg) return arg.Boolean.boolval === true ? 'true' : 'false';
  if ('String' in arg) return arg.String.sval ?? '';
  if ('TypeName' in arg) return stringsOf(arg.TypeName.names).join('.');
  if ('List' in arg) return stringsOf(arg.List.items).join('.');
  if ('A_Star' in arg) return '*';
  return report('ERROR', { message: `unrecognized node type in option "${option.defname ?? ''}"` });
}

const TRUE_WORDS: ReadonlySet<string> = new Set(['true', 'on']);
const FALSE_WORDS: ReadonlySet<string> = new Set(['false', 'off']);
export function defGetBoolean(option: DefElem): boolean {
  const { arg } = option;
  if (arg === undefined) return true;
  if ('Integer' in arg) {
    const value = arg.Integer.ival ?? 0;
    if (value === 0 || value === 1) return value === 1;
  } else {
    const word = defGetString(option).toLowerCase();
    if (TRUE_WORDS.has(word)) return true;
    if (FALSE_WORDS.has(word)) return false;
  }
  return syntaxError(`${option.defname} requires a Boolean value`);
}

export function defGetInt64(option: DefElem): bigint {
  const { arg } = option;
  if (arg !== undefined && 'Integer' in arg) return BigInt(arg.Integer.ival ?? 0);
  if (arg !== undefined && 'Float' in arg) {
    // Too long for an int4, or not whole.
    const text = arg.Float.fval ?? '';
    if (!/^[+-]?\d+$/.test(text)) {
      return report('ERROR', {
        code: SQLSTATE.invalidTextRepresentation,
        message: `invalid input syntax for type bigint: "${text}"`,
      });
    }
    const value = BigInt(text);
    if (value < -(2n ** 63n) || value >= 2n ** 63n) {
      return report('ERROR', {
        code: SQLSTATE.numericValueOutOfRange,
        message: `value "${text}" is out of range for type bigint`,
      });
    }
    return value;
  }
  return syntaxError(`${option.defname} requires a numeric value`);
}

export function defGetTypeName(option: DefElem): TypeName {
  const { arg } = option;
  if (arg === undefined) return syntaxError(`${option.defname} requires a parameter`);
  if ('TypeName' in arg) return arg.TypeName;
  if ('String' in arg) return { names: [arg], typemod: -1, location: -1 };
  return syntaxError(`argument of ${option.defname} must be a type name`);
}
