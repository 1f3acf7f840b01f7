/** misc-pseudo-types.ts — input and output functions of pseudo-types: they exist so that the catalog is complete, and
 *  refuse.
 *  Counterpart: src/backend/utils/adt/pseudotypes.c */
import { type BuiltinFunction, registerBuiltins } from '#adt/fmgr.ts';
import { notSupported } from '#adt/value-errors.ts';

const BOTH = [
  'any',
  'anyelement',
  'anynonarray',
  'anycompatible',
  'anycompatiblenonarray',
  'trigger',
  'event_trigger',
  'language_handler',
  'fdw_handler',
  'table_am_handler',
  'index_am_handler',
  'tsm_handler',
  'internal',
] as const;
/** Values of these have a text form, but none is accepted. */
const INPUT_ONLY = [
  'anyarray',
  'anycompatiblearray',
  'anyenum',
  'anyrange',
  'anycompatiblerange',
  'anymultirange',
  'anycompatiblemultirange',
  'pg_node_tree',
  'pg_ddl_command',
] as const;

const refuseInput =
  (type: string): BuiltinFunction =>
  () =>
    notSupported(`cannot accept a value of type ${type}`);
const refuseOutput =
  (type: string): BuiltinFunction =>
  () =>
    notSupported(`cannot display a value of type ${type}`);

const table: Record<string, BuiltinFunction> = {};
for (const type of BOTH) {
  table[`${type}_in`] = refuseInput(type);
  table[`${type}_out`] = refuseOutput(type);
}
for (const type of INPUT_ONLY) table[`${type}_in`] = refuseInput(type);
for (const type of ['anyarray', 'anycompatiblearray', 'pg_node_tree', 'pg_ddl_command'])
  table[`${type}_recv`] = refuseInput(type);
table['shell_in'] = () => notSupported('cannot accept a value of a shell type');
table['shell_out'] = () => notSupported('cannot display a value of a shell type');
table['pg_ddl_command_out'] = refuseOutput('pg_ddl_command');
table['pg_ddl_command_send'] = refuseOutput('pg_ddl_command');
table['pg_node_tree_out'] = (text: string) => text;
table['pg_node_tree_send'] = (text: string) => Buffer.from(text, 'utf8');
registerBuiltins(table);
