/** guc-stack.ts — what SET, SET LOCAL and a function's SET clause must undo, level by level.
 *
 *  Level 0 is outside transactions, 1 a transaction, each subtransaction or function with SET one more. The first change
 *  of a parameter at a level remembers the value before it; at the level's end it is put back (abort, SET LOCAL, SAVE),
 *  handed to the enclosing level, or forgotten (commit of SET).
 *  Counterpart: push_old_value(), AtEOXact_GUC(), NewGUCNestLevel() of src/backend/utils/misc/guc.c */
import type { GucAction, GucContext, GucSource, GucValue } from '#runtime/guc/define.ts';
import { type Parameter, type StackEntry, stackedParameters, storeValue } from '#runtime/guc/records.ts';

let nestLevel = 0;

/** Start of a transaction. */
export function atStartGuc(): void {
  nestLevel = 1;
}
export function newGucNestLevel(): number {
  return ++nestLevel;
}
export const gucNestLevel = (): number => nestLevel;

const STATE_OF = { set: 'set', local: 'local', save: 'save' } as const satisfies Record<GucAction, StackEntry['state']>;

export function pushOldValue(parameter: Parameter, action: GucAction): void {
  if (nestLevel === 0) return;
  const top = parameter.stack;
  if (top !== null && top.nestLevel >= nestLevel) {
    if (action === 'set') top.state = 'set';
    else if (action === 'local' && top.state === 'set') {
      top.maskedContext = parameter.setContext;
      top.maskedValue = parameter.value;
      top.maskedExtra = parameter.extra;
      top.state = 'setLocal';
    }
    return;
  }
  parameter.stack = {
    prev: top,
    nestLevel,
    state: STATE_OF[action],
    source: parameter.source,
    context: parameter.setContext,
    maskedContext: parameter.setContext,
    priorValue: parameter.value,
    priorExtra: parameter.extra,
    maskedValue: null,
    maskedExtra: undefined,
  };
  stackedParameters.add(parameter);
}

/** The entry ends together with its enclosing one, which takes over what must still be undone. */
function mergeInto(prev: StackEntry, entry: StackEntry): void {
  switch (entry.state) {
    case 'set':
      prev.state = 'set';
      break;
    case 'local':
      if (prev.state === 'set') {
        prev.maskedContext = entry.context;
        prev.maskedValue = entry.priorValue;
        prev.maskedExtra = entry.priorExtra;
        prev.state = 'setLocal';
      }
      break;
    case 'setLocal':
      prev.maskedContext = entry.maskedContext;
      prev.maskedValue = entry.maskedValue;
      prev.maskedExtra = entry.maskedExtra;
      prev.state = 'setLocal';
      break;
    case 'save':
      throw new Error('a saved setting was committed');
  }
}

function restore(parameter: Parameter, value: GucValue, extra: unknown, source: GucSource, context: GucContext): void {
  if (parameter.value !== value || parameter.extra !== extra) {
    storeValue(parameter, value, extra);
    if (parameter.has('REPORT')) parameter.needsReport = true;
  }
  parameter.source = source;
  parameter.setContext = context;
}

function unwind(parameter: Parameter, isCommit: boolean, downTo: number): void {
  for (let entry = parameter.stack; entry !== null && entry.nestLevel >= downTo; entry = parameter.stack) {
    const prev: StackEntry | null = entry.prev;
    if (!isCommit || entry.state === 'save' || (entry.nestLevel === 1 && entry.state === 'local')) {
      restore(parameter, entry.priorValue, entry.priorExtra, entry.source, entry.context);
    } else if (entry.nestLevel === 1) {
      if (entry.state === 'setLocal') {
        restore(parameter, entry.maskedValue, entry.maskedExtra, 'session', entry.maskedContext);
      }
    } else if (prev === null || prev.nestLevel < entry.nestLevel - 1) {
      entry.nestLevel--;
      return;
    } else {
      mergeInto(prev, entry);
    }
    parameter.stack = prev;
  }
}

/** End of a transaction (downTo 1), of a subtransaction, or of a function with SET. */
export function atEoxactGuc(isCommit: boolean, downTo: number): void {
  for (const parameter of stackedParameters) {
    unwind(parameter, isCommit, downTo);
    if (parameter.stack === null) stackedParameters.delete(parameter);
  }
  nestLevel = downTo - 1;
}
