/** value-errors.ts — the complaints that many types share, worded once.
 *  Counterpart: ereport calls of src/backend/utils/adt/numutils.c, int.c, float.c */
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export function invalidInput(typeName: string, text: string): never {
  report('ERROR', {
    code: SQLSTATE.invalidTextRepresentation,
    message: `invalid input syntax for type ${typeName}: "${text}"`,
  });
}
export function inputOutOfRange(typeName: string, text: string): never {
  report('ERROR', {
    code: SQLSTATE.numericValueOutOfRange,
    message: `value "${text}" is out of range for type ${typeName}`,
  });
}
/** `what` is "integer", "bigint", "value: overflow" … as the message starts. */
export function outOfRange(what: string): never {
  report('ERROR', { code: SQLSTATE.numericValueOutOfRange, message: `${what} out of range` });
}
export function divisionByZero(): never {
  report('ERROR', { code: SQLSTATE.divisionByZero, message: 'division by zero' });
}
export function invalidParameter(message: string, hint?: string): never {
  report('ERROR', { code: SQLSTATE.invalidParameterValue, message, hint });
}
export function programLimit(message: string): never {
  report('ERROR', { code: SQLSTATE.programLimitExceeded, message });
}
export function notSupported(message: string): never {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message });
}
export function invalidWindowOffset(): never {
  report('ERROR', {
    code: SQLSTATE.invalidPrecedingOrFollowingSize,
    message: 'invalid preceding or following size in window function',
  });
}
