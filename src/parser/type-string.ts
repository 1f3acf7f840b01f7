/** type-string.ts — reads a type from a text: what regtype's input and to_regtype() are asked.
 *  Counterpart: typeStringToTypeName of src/backend/parser/parse_type.c */
import { setTypeTextParser } from '#catalog/reg-types.ts';
import { bodyOf, isTag } from '#parser/ast.ts';
import { parseText } from '#parser/parse.ts';
import { resolveTypeName, type TypeAndTypmod } from '#parser/type-name.ts';
import { PgError, report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export function parseTypeString(text: string): TypeAndTypmod {
  const bad = (): never =>
    report('ERROR', {
      code: SQLSTATE.syntaxError,
      message: text.trim() === '' ? 'invalid type name ""' : `syntax error at or near "${text.trim().split(/\s+/)[0]}"`,
      context: `invalid type name "${text}"`,
    });
  let statements: ReturnType<typeof parseText>;
  try {
    statements = parseText(`SELECT NULL::${text}`);
  } catch (caught) {
    if (!(caught instanceof PgError)) throw caught;
    throw new PgError('ERROR', { ...caught.fields, position: undefined, context: `invalid type name "${text}"` });
  }
  const first = statements[0];
  if (statements.length !== 1 || first === undefined || !isTag(first.node, 'SelectStmt')) return bad();
  const select = bodyOf(first.node, 'SelectStmt');
  const target = select.targetList?.length === 1 ? bodyOf(select.targetList[0]!, 'ResTarget') : undefined;
  if (select.fromClause !== undefined || target?.val === undefined || target.name !== undefined) return bad();
  if (!isTag(target.val, 'TypeCast')) return bad();
  const cast = bodyOf(target.val, 'TypeCast');
  if (!isTag(cast.arg, 'A_Const')) return bad();
  return resolveTypeName(null, cast.typeName!);
}
setTypeTextParser(parseTypeString);
