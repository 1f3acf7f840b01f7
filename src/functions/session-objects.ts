/** session-objects.ts — what this session has open: prepared statements and cursors.
 *  Counterpart: pg_prepared_statement() of src/backend/commands/prepare.c, pg_cursor() of src/backend/utils/mmgr/portalmem.c */
import type { Datum } from '#adt/datum.ts';
import { registerSetBuiltins } from '#adt/fmgr.ts';
import { arrayOf, rowIterator } from '#functions/set-iterator.ts';
import { allPortals } from '#portal/portal.ts';
import { allPreparedStatements } from '#portal/prepared.ts';

const REGTYPE_OID = 2206;

function preparedStatements(): Datum[][] {
  return [...allPreparedStatements()].map(({ name, source, fromSql, prepareTime }) => [
    name,
    source.text,
    prepareTime,
    arrayOf(REGTYPE_OID, source.paramTypes),
    fromSql,
    source.genericPlans,
    source.customPlans,
  ]);
}

function cursors(): Datum[][] {
  return [...allPortals()]
    .filter((portal) => portal.visible)
    .map((portal) => [
      portal.name,
      portal.sourceText,
      portal.options.hold,
      portal.options.binary,
      portal.options.scroll,
      portal.creationTime,
    ]);
}

registerSetBuiltins({
  pg_prepared_statement: () => rowIterator(preparedStatements()),
  pg_cursor: () => rowIterator(cursors()),
});
