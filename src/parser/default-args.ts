/** default-args.ts — default expressions of arguments: SQL texts of the catalog, analysed once per process.
 *  Functions of users have theirs as stored trees.
 *  Counterpart: proargdefaults, fetched by src/backend/utils/fmgr/funcapi.c */
import type { Oid } from '#base/ids.ts';
import { forgetOnChange } from '#catalog/catalog-change.ts';
import { RELATION } from '#catalog/oids.ts';
import type { ProcRow } from '#catalog/rows.ts';
import { functionArgumentDefault } from '#catalog/syscache.ts';
import { stringToNode } from '#nodes/node-text.ts';
import type { Expr } from '#nodes/primitives.ts';
import { bodyOf } from '#parser/ast.ts';
import { coerceToTargetType } from '#parser/coerce.ts';
import { transformExpr } from '#parser/expr.ts';
import { exprType } from '#nodes/node-funcs.ts';
import { parseText } from '#parser/parse.ts';
import { makeParseState } from '#parser/parse-state.ts';

const cache = new Map<string, Expr>();
forgetOnChange([RELATION.pgProc, RELATION.pgType], () => cache.clear());

/** The default of input argument `number` (0-based). The tree is shared: nobody may change it. */
export function defaultExpression(proc: ProcRow, number: number): Expr {
  const key = `${proc.oid} ${number}`;
  const hit = cache.get(key);
  if (hit !== undefined) return hit;
  const text = functionArgumentDefault(proc.oid, positionAmongAll(proc, number));
  if (text === undefined && proc.proargdefaults !== null) {
    // The list has the defaults of the last arguments.
    const list = stringToNode(proc.proargdefaults) as readonly Expr[];
    const stored = list[number - (proc.pronargs - proc.pronargdefaults)];
    if (stored !== undefined) {
      cache.set(key, stored);
      return stored;
    }
  }
  if (text === undefined) throw new Error(`function ${proc.proname} has no default for argument ${number + 1}`);
  const select = bodyOf(parseText(`SELECT ${text}`)[0]!.node, 'SelectStmt');
  const target = bodyOf(select.targetList![0]!, 'ResTarget');
  const p = makeParseState(null, '');
  const expr = transformExpr(p, target.val!, 'function_default');
  const type: Oid = proc.proargtypes[number]!;
  const made = coerceToTargetType(p, expr, exprType(expr), type, -1, 'assignment', 'implicit_cast', -1) ?? expr;
  cache.set(key, made);
  return made;
}

/** 1-based position of an input argument among all arguments, OUT ones included. */
function positionAmongAll(proc: ProcRow, number: number): number {
  if (proc.proargmodes === null) return number + 1;
  let seen = -1;
  for (let i = 0; i < proc.proargmodes.length; i++) {
    if ('ibv'.includes(proc.proargmodes[i]!)) seen++;
    if (seen === number) return i + 1;
  }
  return number + 1;
}
