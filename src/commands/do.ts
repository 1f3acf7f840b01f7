/** do.ts — DO: an anonymous block of a procedural language.
 *  Counterpart: ExecuteDoStmt() of src/backend/commands/functioncmds.c */
import { store } from '#catalog/rows.ts';
import { type Body, isTag } from '#parser/ast.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export function doStatement(stmt: Body<'DoStmt'>): never {
  let language: string | undefined;
  let source: string | undefined;
  for (const item of stmt.args ?? []) {
    if (!isTag(item, 'DefElem')) continue;
    const { defname, arg } = item.DefElem;
    const text = isTag(arg, 'String') ? (arg.String.sval ?? '') : '';
    if (defname === 'as') source = once(source, text);
    else if (defname === 'language') language = once(language, text);
  }
  if (source === undefined) report('ERROR', { code: SQLSTATE.syntaxError, message: 'no inline code specified' });
  const name = language ?? 'plpgsql';
  const row = store.language.by('lanname', name)[0];
  if (row === undefined)
    report('ERROR', { code: SQLSTATE.undefinedObject, message: `language "${name}" does not exist` });
  return report('ERROR', {
    code: SQLSTATE.featureNotSupported,
    message:
      row!.lanplcallfoid !== 0
        ? `DO in language "${name}" is not supported yet`
        : `language "${name}" does not support inline code execution`,
  });
}
function once(before: string | undefined, value: string): string {
  if (before !== undefined)
    report('ERROR', { code: SQLSTATE.syntaxError, message: 'conflicting or redundant options' });
  return value;
}
