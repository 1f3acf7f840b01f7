/** xml.ts — SQL/XML constructors. PostgreSQL built without libxml knows their syntax and refuses them; so do we.
 *  Counterpart: transformXmlExpr of src/backend/parser/parse_expr.c */
import type { XmlExpr, XmlSerialize } from '@pgsql/types';
import type { Expr } from '#nodes/primitives.ts';
import { fail, type ParseState } from '#parser/parse-state.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

const DETAIL = { detail: 'This functionality requires the server to be built with libxml support.' };

export function transformXmlExpr(p: ParseState, x: XmlExpr): Expr {
  return fail(p, SQLSTATE.featureNotSupported, 'unsupported XML feature', x.location ?? 0, DETAIL);
}
export function transformXmlSerialize(p: ParseState, x: XmlSerialize): Expr {
  return fail(p, SQLSTATE.featureNotSupported, 'unsupported XML feature', x.location ?? 0, DETAIL);
}
