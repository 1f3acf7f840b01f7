/** variable-checks.ts — the checks of settings whose meaning lies in encodings and catalogs: client_encoding,
 *  default_tablespace and their like. Loading this file registers them; those of dates lie in adt/datetime-guc.ts.
 *
 *  Counterpart: src/backend/commands/variable.c, tablespace.c (check_default_tablespace), ts_cache.c */
import { builtin } from '#adt/fmgr.ts';
import { quoteQualified } from '#catalog/quote.ts';
import { store } from '#catalog/rows.ts';
import { canonicalEncoding } from '#commands/encoding-names.ts';
import { clientCodec } from '#libpq/text-encoding.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { SOURCES } from '#runtime/guc/define.ts';
import type { CheckContext } from '#runtime/guc/hooks.ts';
import { splitIdentifierList } from '#runtime/guc/lists.ts';
import { registerGucHooks } from '#runtime/guc/records.ts';

registerGucHooks('timezone_abbreviations', {
  check: (value, context) => (['Default', 'Australia', 'India'].includes(value) ? value : context.fail()),
});

registerGucHooks('client_encoding', {
  check: (value, context) => {
    const encoding = canonicalEncoding(value) ?? context.fail();
    // Text is UTF8 inside, so what cannot be made of it cannot be sent.
    return clientCodec(encoding) !== undefined
      ? encoding
      : context.fail({
          code: SQLSTATE.featureNotSupported,
          detail: `Conversion between ${encoding} and UTF8 is not supported.`,
        });
  },
});

/** Values of files and the command line are taken on trust: no catalog can be read yet. */
const isInteractive = ({ source }: CheckContext): boolean => SOURCES[source] >= SOURCES.client;
const tablespaceExists = (name: string): boolean => store.tablespace.by('spcname', name).length > 0;

registerGucHooks('default_tablespace', {
  check: (value, context) =>
    value === '' || !isInteractive(context) || tablespaceExists(value)
      ? value
      : context.fail({ detail: `Tablespace "${value}" does not exist.` }),
});
registerGucHooks('temp_tablespaces', {
  check: (value, context) => {
    const names = splitIdentifierList(value) ?? context.fail({ detail: 'List syntax is invalid.' });
    const unknown = isInteractive(context) ? names.find((name) => name !== '' && !tablespaceExists(name)) : undefined;
    if (unknown !== undefined) {
      context.fail({ code: SQLSTATE.undefinedObject, message: `tablespace "${unknown}" does not exist` });
    }
    return value;
  },
});
registerGucHooks('default_table_access_method', {
  check: (value, context) => {
    if (value === '') context.fail({ detail: 'default_table_access_method cannot be empty.' });
    const known = store.am.by('amname', value).some(({ amtype }) => amtype === 't');
    return !isInteractive(context) || known
      ? value
      : context.fail({ detail: `Table access method "${value}" does not exist.` });
  },
});
registerGucHooks('default_text_search_config', {
  check: (value, context) => {
    if (!isInteractive(context)) return value;
    const names = value.split('.').map((name) => name.trim().replace(/^"(.*)"$/, '$1'));
    const [schema, name] = names.length > 1 ? names : ['pg_catalog', names[0]];
    if (name === undefined || name === '') {
      return context.fail({ code: SQLSTATE.invalidName, message: 'invalid name syntax' });
    }
    const known = schema === 'pg_catalog' && store.tsConfig.by('cfgname', name).length > 0;
    return known ? quoteQualified(schema, name) : context.fail();
  },
});

const LOCALE = /^(?:C|POSIX|C\.UTF-?8|[a-z]{2,3}_[A-Z]{2}(?:\.[A-Za-z0-9-]+)?(?:@\w+)?)$/i;
for (const name of ['lc_messages', 'lc_monetary', 'lc_numeric', 'lc_time'] as const) {
  registerGucHooks(name, {
    check: (value, context) => {
      const empty = value === '' && (name !== 'lc_messages' || context.source === 'default');
      return empty || LOCALE.test(value) ? value : context.fail();
    },
  });
}

registerGucHooks('seed', {
  check: (value, context) => {
    context.extra = SOURCES[context.source] >= SOURCES.interactive;
    return value;
  },
  assign: (value, extra) => {
    if (extra !== true) return;
    const setseed = builtin('setseed');
    if (setseed?.style === 'plain') setseed.call(value);
  },
  show: () => 'unavailable',
});
