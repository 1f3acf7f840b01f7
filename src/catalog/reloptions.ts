/** reloptions.ts — pg_class.reloptions as values: `fillfactor=70` is a number, `autovacuum_enabled=false` a boolean.
 *
 *  What was stored has been checked when it was set (commands/), so it is only read here.
 *  Counterpart: src/backend/access/common/reloptions.c */

const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/;
const BOOLEANS: Readonly<Record<string, boolean>> = {
  true: true,
  on: true,
  yes: true,
  false: false,
  off: false,
  no: false,
};
const NO_OPTIONS: Readonly<Record<string, unknown>> = Object.freeze({});

export function parseRelOptions(options: readonly string[] | null): Readonly<Record<string, unknown>> {
  if (options === null || options.length === 0) return NO_OPTIONS;
  const parsed: Record<string, unknown> = {};
  for (const option of options) {
    const equals = option.indexOf('=');
    const name = equals < 0 ? option : option.slice(0, equals);
    const text = equals < 0 ? 'true' : option.slice(equals + 1);
    parsed[name] = NUMBER.test(text) ? Number(text) : (BOOLEANS[text.toLowerCase()] ?? text);
  }
  return parsed;
}
