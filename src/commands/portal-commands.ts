/** portal-commands.ts — DECLARE, FETCH, MOVE, CLOSE: cursors in SQL.
 *  Counterpart: src/backend/commands/portalcmds.c */
import type { BoundParams, DestReceiver, ResultColumn } from '#nodes/exec-nodes.ts';
import type { Body } from '#parser/ast.ts';
import type { RawStatement } from '#parser/parse.ts';
import type { QueryCompletion } from '#portal/command-tags.ts';
import { analyzeAndRewrite, planQueries } from '#portal/plan-cache.ts';
import {
  createPortal,
  definePortalQuery,
  dropAllPortals,
  dropPortal,
  findPortal,
  type Portal,
} from '#portal/portal.ts';
import { FETCH_ALL, fetchPortal, startPortal, supportsBackwardScan } from '#portal/portal-run.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { requireTransactionBlock } from '#transam/xact-block.ts';

/** Bits of DeclareCursorStmt.options. */
const CURSOR = { binary: 0x01, scroll: 0x02, noScroll: 0x04, insensitive: 0x08, asensitive: 0x10, hold: 0x20 } as const;

const both = (what: string): never =>
  report('ERROR', { code: SQLSTATE.invalidCursorDefinition, message: `cannot specify both ${what}` });

const needName = (name: string | undefined): string => {
  if (name === undefined || name === '')
    report('ERROR', { code: SQLSTATE.invalidCursorName, message: 'invalid cursor name: must not be empty' });
  return name!;
};

export function declareCursor(
  stmt: Body<'DeclareCursorStmt'>,
  text: string,
  start: number,
  end: number,
  params: BoundParams | null,
  isTopLevel: boolean,
): void {
  const options = stmt.options ?? 0;
  const has = (bit: number): boolean => (options & bit) !== 0;
  if (has(CURSOR.scroll) && has(CURSOR.noScroll)) both('SCROLL and NO SCROLL');
  if (has(CURSOR.asensitive) && has(CURSOR.insensitive)) both('ASENSITIVE and INSENSITIVE');
  const name = needName(stmt.portalname);
  // Without a transaction around it the cursor would be gone at once.
  if (!has(CURSOR.hold)) requireTransactionBlock(isTopLevel, 'DECLARE CURSOR');
  const raw: RawStatement = { node: stmt.query!, start, end, text: text.slice(start, end).trim() };
  const { queries } = analyzeAndRewrite(raw, text, { types: params?.types.slice() ?? [], variable: false });
  const query = queries[0];
  if (queries.length !== 1 || query === undefined)
    report('ERROR', { message: 'non-SELECT statement in DECLARE CURSOR' });
  if (query!.commandType !== 'select') report('ERROR', { message: 'non-SELECT statement in DECLARE CURSOR' });
  if (query!.hasModifyingCTE)
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: 'DECLARE CURSOR must not contain data-modifying statements in WITH',
    });
  const locks = query!.rowMarks.length > 0;
  if (locks && has(CURSOR.hold))
    refuseLocking('DECLARE CURSOR WITH HOLD', 'Holdable cursors must be READ ONLY.', query!.rowMarks[0]!.strength);
  if (locks && has(CURSOR.scroll))
    refuseLocking('DECLARE SCROLL CURSOR', 'Scrollable cursors must be READ ONLY.', query!.rowMarks[0]!.strength);
  if (locks && has(CURSOR.insensitive))
    refuseLocking('DECLARE INSENSITIVE CURSOR', 'Insensitive cursors must be READ ONLY.', query!.rowMarks[0]!.strength);
  const plans = planQueries(queries, params);
  const portal = createPortal(name, false, false);
  definePortalQuery(portal, null, text, 'SELECT', plans);
  const scroll = has(CURSOR.scroll) || (!has(CURSOR.noScroll) && !locks && supportsBackwardScan(plans[0]!.planTree));
  portal.options = {
    binary: has(CURSOR.binary),
    scroll: has(CURSOR.scroll),
    noScroll: !scroll,
    hold: has(CURSOR.hold),
  };
  startPortal(portal, params);
  // pg_cursors and WITH HOLD see the decision, but only a declared SCROLL keeps rows from the first one on.
  portal.options.scroll = scroll;
}

const STRENGTH: Readonly<Record<string, string>> = {
  forkeyshare: 'FOR KEY SHARE',
  forshare: 'FOR SHARE',
  fornokeyupdate: 'FOR NO KEY UPDATE',
  forupdate: 'FOR UPDATE',
};
function refuseLocking(command: string, detail: string, strength: string): never {
  return report('ERROR', {
    code: SQLSTATE.featureNotSupported,
    message: `${command} ... ${STRENGTH[strength] ?? 'FOR UPDATE'} is not supported`,
    detail,
  });
}

function cursor(name: string): Portal {
  return (
    findPortal(name) ?? report('ERROR', { code: SQLSTATE.undefinedCursor, message: `cursor "${name}" does not exist` })
  );
}

/** The grammar's word for ALL is the largest int of the parser's build. */
const GRAMMAR_ALL = 0x7fff_ffff;
const DIRECTIONS = {
  FETCH_FORWARD: 'forward',
  FETCH_BACKWARD: 'backward',
  FETCH_ABSOLUTE: 'absolute',
  FETCH_RELATIVE: 'relative',
} as const;

export function performFetch(stmt: Body<'FetchStmt'>, dest: DestReceiver, completion: QueryCompletion | null): void {
  const portal = cursor(needName(stmt.portalname));
  const isMove = stmt.ismove === true;
  const wanted = Number(stmt.howMany ?? 0);
  const count = wanted >= GRAMMAR_ALL ? FETCH_ALL : wanted;
  const rows = fetchPortal(portal, DIRECTIONS[stmt.direction ?? 'FETCH_FORWARD'], count, isMove ? null : dest);
  if (completion !== null) {
    completion.tag = isMove ? 'MOVE' : 'FETCH';
    completion.rows = rows;
  }
}
/** Columns that FETCH gives: the cursor's. */
export function fetchColumns(stmt: Body<'FetchStmt'>): ResultColumn[] | null {
  if (stmt.ismove === true) return null;
  return findPortal(stmt.portalname ?? '')?.columns?.slice() ?? null;
}

export function closeCursor(stmt: Body<'ClosePortalStmt'>): void {
  if (stmt.portalname === undefined) dropAllPortals();
  else dropPortal(cursor(needName(stmt.portalname)));
}
