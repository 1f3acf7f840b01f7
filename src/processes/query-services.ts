/** query-services.ts — joins what ranks keep apart: the executor gets its relations and SQL functions, types get their
 *  clock. Importing it is enough, and it happens before any fork.
 *  Every line is an inverted dependency that ARCHITECTURE.md lists. */
import { setClockSource } from '#adt/datetime-clock.ts';
import '#adt/load.ts';
import '#catalog/catalog-functions.ts';
import '#catalog/privilege-functions.ts';
import '#catalog/reg-types.ts';
import '#catalog/type-cache.ts';
import '#functions/load.ts';
import { installQueryServices } from '#optimizer/sql-language.ts';
import { rewriteQuery } from '#rewrite/rewrite.ts';
import { setRowTypeLookup } from '#adt/record.ts';
import { loadLibrary } from '#bgworker/load-library.ts';
import { typeResult } from '#catalog/function-result.ts';
import { loadHooks } from '#commands/load.ts';
import { statementTimestamp, transactionTimestamp } from '#transam/xact.ts';

/** Columns of a composite type; undefined for any other. */
setRowTypeLookup((type) => {
  const result = typeResult(type);
  return result.kind === 'composite' ? result.columns : undefined;
});
loadHooks.loadLibrary = (name) => void loadLibrary(name);
setClockSource({ transactionTimestamp, statementTimestamp });
installQueryServices(rewriteQuery);
