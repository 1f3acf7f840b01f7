/** with-check.ts — WITH CHECK OPTION of views and the policies of row security: conditions that new rows must meet.
 *  Counterpart: ExecWithCheckOptions() of src/backend/executor/execMain.c */
import type { Relation } from '#access/common/relation-descriptor.ts';
import type { Eval, ExprContext, Row } from '#executor/estate.ts';
import { type CompileScope, compileExpr } from '#executor/expr-compile.ts';
import { failingRow } from '#executor/row-constraints.ts';
import type { WithCheckOption } from '#nodes/parse-nodes.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export interface CompiledCheckOption {
  readonly option: WithCheckOption;
  readonly holds: Eval;
}
export function compileCheckOptions(
  options: readonly WithCheckOption[],
  scope: CompileScope,
): readonly CompiledCheckOption[] {
  return options
    .filter((option) => option.qual !== null)
    .map((option) => ({ option, holds: compileExpr(option.qual!, scope) }));
}

/** Raises if the row fails an option of this kind. Unknown is a failure here, unlike in a CHECK constraint. */
export function checkWithCheckOptions(
  options: readonly CompiledCheckOption[],
  kind: WithCheckOption['wcoKind'],
  row: Row,
  context: ExprContext,
  relation: Relation,
): void {
  for (let i = 0; i < options.length; i++) {
    const { option, holds } = options[i]!;
    if (option.wcoKind !== kind) continue;
    context.scan = row;
    if (holds(context) === true) continue;
    if (kind === 'view') {
      report('ERROR', {
        code: SQLSTATE.withCheckOptionViolation,
        message: `new row violates check option for view "${option.relname}"`,
        detail: failingRow(relation, row),
      });
    }
    const policy = option.polname === null ? '' : ` "${option.polname}"`;
    const using = kind === 'rls_conflict' ? ' (USING expression)' : '';
    report('ERROR', {
      code: SQLSTATE.insufficientPrivilege,
      message: `new row violates row-level security policy${policy}${using} for table "${option.relname}"`,
    });
  }
}
