/** variable-set.ts — SET, RESET and SHOW, from the statement to the parameter.
 *
 *  Counterpart: ExecSetVariableStmt(), flatten_set_variable_args(), GetPGVariable() of src/backend/utils/misc/guc.c */
import '#commands/session-user.ts';
import '#commands/variable-checks.ts';
import type { DefElem, Node, TypeName, VariableSetStmt } from '@pgsql/types';
import { builtin } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import { isSuperuser } from '#catalog/roles.ts';
import { quoteIdentifier } from '#catalog/quote.ts';
import type { DestReceiver, ResultColumn } from '#nodes/exec-nodes.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import type { GucAction } from '#runtime/guc/define.ts';
import {
  findOption,
  getConfigOptionByName,
  mayRead,
  resetAllOptions,
  setConfigOptionExt,
  showOption,
} from '#runtime/guc/guc.ts';
import { gucEnvironment } from '#runtime/guc/hooks.ts';
import { allParameters } from '#runtime/guc/records.ts';
import { importSnapshot } from '#transam/snapshot-export.ts';
import { warnNoTransactionBlock } from '#transam/xact-block.ts';

const TEXT = 25 as Oid;

interface Constant {
  readonly isnull?: boolean;
  readonly ival?: { readonly ival?: number };
  readonly fval?: { readonly fval?: string };
  readonly sval?: { readonly sval?: string };
  readonly boolval?: { readonly boolval?: boolean };
}

const constantOf = (node: Node): Constant | undefined =>
  'A_Const' in node ? (node.A_Const as unknown as Constant) : undefined;

/** Typmod of `interval hour to minute`, `interval(3)`: range in the high half, precision in the low one. */
function intervalTypmod(type: TypeName): number {
  const numbers = (type.typmods ?? []).map((node) => constantOf(node)?.ival?.ival ?? 0);
  if (numbers.length === 0) return -1;
  const [range = 0, precision = 0xffff] = numbers;
  return ((range & 0x7fff) << 16) | (precision & 0xffff);
}

/** SET TIME ZONE INTERVAL '…': the interval is normalised and kept as a literal. */
function intervalLiteral(text: string, type: TypeName): string {
  const input = builtin('interval_in');
  const output = builtin('interval_out');
  if (input?.style !== 'plain' || output?.style !== 'plain') throw new Error('intervals are not loaded');
  return `INTERVAL '${output.call(input.call(text, 0, intervalTypmod(type)))}'`;
}

function argumentText(node: Node, quotes: boolean): string {
  const cast = 'TypeCast' in node ? node.TypeCast : undefined;
  const constant = constantOf(cast?.arg ?? node);
  if (constant?.sval !== undefined) {
    const text = constant.sval.sval ?? '';
    if (cast?.typeName !== undefined) return intervalLiteral(text, cast.typeName);
    return quotes ? quoteIdentifier(text) : text;
  }
  if (constant?.fval !== undefined) return constant.fval.fval ?? '0';
  if (constant?.ival !== undefined) return String(constant.ival.ival ?? 0);
  if (constant?.boolval !== undefined) return constant.boolval.boolval === true ? 'true' : 'false';
  throw new Error('unrecognized argument of SET');
}

/** The arguments of SET as the one text that the parameter gets; null for none (DEFAULT). */
export function setArgumentsText(name: string, args: readonly Node[] | undefined): string | null {
  if (args === undefined || args.length === 0) return null;
  // An unknown name is complained about when the value is set.
  const parameter = findOption(name, true, null);
  if (parameter?.has('LIST_INPUT') !== true && args.length !== 1) {
    report('ERROR', { code: SQLSTATE.invalidParameterValue, message: `SET ${name} takes only one argument` });
  }
  const quotes = parameter?.has('LIST_QUOTE') === true;
  return args.map((arg) => argumentText(arg, quotes)).join(', ');
}

const setAs = (name: string, value: string | null, action: GucAction): void => {
  setConfigOptionExt(name, value, isSuperuser() ? 'superuser' : 'user', 'session', { action });
};

/** SET TRANSACTION and SET SESSION CHARACTERISTICS: several parameters in one statement. */
function setMulti(stmt: VariableSetStmt, isTopLevel: boolean): void {
  const local = stmt.is_local === true;
  const action = local ? 'local' : 'set';
  const set = (prefix: string): void => {
    for (const node of stmt.args ?? []) {
      if (!('DefElem' in node)) continue;
      const { defname, arg } = node.DefElem as DefElem;
      const name = `${prefix}${defname}`;
      setAs(name, setArgumentsText(name, arg === undefined ? [] : [arg]), action);
    }
  };
  switch (stmt.name) {
    case 'TRANSACTION':
      warnNoTransactionBlock(isTopLevel, 'SET TRANSACTION');
      set('');
      return;
    case 'SESSION CHARACTERISTICS':
      set('default_');
      return;
    case 'TRANSACTION SNAPSHOT':
      if (local) {
        report('ERROR', {
          code: SQLSTATE.featureNotSupported,
          message: 'SET LOCAL TRANSACTION SNAPSHOT is not implemented',
        });
      }
      warnNoTransactionBlock(isTopLevel, 'SET TRANSACTION');
      importSnapshot(argumentText(stmt.args![0]!, false));
  }
}

/** Runs a VariableSetStmt. */
export function setVariable(stmt: VariableSetStmt, isTopLevel: boolean): void {
  if (gucEnvironment.inParallelMode()) {
    report('ERROR', {
      code: SQLSTATE.invalidTransactionState,
      message: 'cannot set parameters during a parallel operation',
    });
  }
  const name = stmt.name ?? '';
  const action: GucAction = stmt.is_local === true ? 'local' : 'set';
  switch (stmt.kind ?? 'VAR_SET_VALUE') {
    case 'VAR_SET_VALUE':
    case 'VAR_SET_CURRENT':
      if (action === 'local') warnNoTransactionBlock(isTopLevel, 'SET LOCAL');
      setAs(name, setClauseValue(stmt), action);
      return;
    case 'VAR_SET_MULTI':
      setMulti(stmt, isTopLevel);
      return;
    case 'VAR_SET_DEFAULT':
    case 'VAR_RESET':
      if (stmt.kind === 'VAR_SET_DEFAULT' && action === 'local') warnNoTransactionBlock(isTopLevel, 'SET LOCAL');
      if (name === 'transaction_isolation') warnNoTransactionBlock(isTopLevel, 'RESET TRANSACTION');
      setAs(name, null, action);
      return;
    case 'VAR_RESET_ALL':
      resetAllOptions();
  }
}

/** The value that a SET clause carries: its arguments, or the current one (FROM CURRENT); null to reset. */
export function setClauseValue(stmt: VariableSetStmt): string | null {
  const name = stmt.name ?? '';
  switch (stmt.kind ?? 'VAR_SET_VALUE') {
    case 'VAR_SET_VALUE':
      return setArgumentsText(name, stmt.args);
    case 'VAR_SET_CURRENT':
      return getConfigOptionByName(name)!.value;
    default:
      return null;
  }
}

const textColumn = (name: string): ResultColumn => ({
  name,
  type: TEXT,
  typmod: -1,
  tableOid: 0 as Oid,
  attributeNumber: 0,
});

/** The columns of SHOW, before it runs: the parameter's own spelling heads a single one. */
export function showColumns(name: string): ResultColumn[] {
  if (name.toLowerCase() === 'all') return ['name', 'setting', 'description'].map(textColumn);
  return [textColumn(getConfigOptionByName(name)!.name)];
}

/** Runs SHOW. */
export function showVariable(name: string, dest: DestReceiver): void {
  dest.start(showColumns(name));
  if (name.toLowerCase() === 'all') {
    for (const parameter of allParameters()) {
      if (parameter.has('NO_SHOW_ALL') || !mayRead(parameter)) continue;
      if (!dest.receive([parameter.name, showOption(parameter, true), parameter.short])) break;
    }
  } else dest.receive([getConfigOptionByName(name)!.value]);
  dest.finish();
}
