/** portal.ts — the state of a running or runnable query: its plans, how far it has been read, and the table of all of
 *  a session's portals with what transactions do to them.
 *
 *  An unnamed portal serves the current statement; a named one is a cursor (DECLARE, Bind). A portal belongs to the
 *  subtransaction that made it, except a holdable one, which at commit keeps its rows in memory.
 *  Counterpart: src/backend/utils/mmgr/portalmem.c, src/include/utils/portal.h */
import type { BoundParams, DestReceiver, ResultColumn } from '#nodes/exec-nodes.ts';
import type { Datum } from '#adt/datum.ts';
import type { PlannedStmt } from '#nodes/plan-nodes.ts';
import type { QueryDesc } from '#executor/run.ts';
import type { QueryCompletion } from '#portal/command-tags.ts';
import type { Tuplestore } from '#portal/tuplestore.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { currentSubTransactionId, statementTimestamp } from '#transam/xact.ts';
import { registerXactParticipant, XACT_RANK } from '#transam/xact-callbacks.ts';

/** oneSelect runs as rows are asked for; oneReturning and utilSelect run to completion first, their rows are stored;
 *  multiQuery gives no rows (or the last statement's). */
export type PortalStrategy = 'oneSelect' | 'oneReturning' | 'oneModWith' | 'utilSelect' | 'multiQuery';
export type PortalStatus = 'new' | 'defined' | 'ready' | 'active' | 'done' | 'failed';

export interface CursorOptions {
  binary: boolean;
  /** Undecided until the plan is known when neither is set. */
  scroll: boolean;
  noScroll: boolean;
  hold: boolean;
}

/** Between executor and whoever wants the rows just now: a portal's destination changes from fetch to fetch. */
export class SwitchReceiver implements DestReceiver {
  target: DestReceiver | null = null;
  /** Also keeps the rows, for reading backward. */
  store: Tuplestore | null = null;
  start(): void {}
  receive(values: readonly Datum[]): boolean {
    if (this.store !== null) this.store.receive(values);
    return this.target === null || this.target.receive(values);
  }
  finish(): void {}
}

export class Portal {
  status: PortalStatus = 'new';
  strategy: PortalStrategy = 'multiQuery';
  /** Name of the prepared statement it was made from, for logs. */
  statementName: string | null = null;
  sourceText = '';
  completion: QueryCompletion = { tag: '???', rows: 0 };
  stmts: readonly PlannedStmt[] = [];
  params: BoundParams | null = null;
  options: CursorOptions = { binary: false, scroll: false, noScroll: true, hold: false };
  columns: readonly ResultColumn[] | null = null;
  /** Result formats, one per column; null means text. */
  formats: readonly number[] | null = null;
  queryDesc: QueryDesc | null = null;
  readonly receiver = new SwitchReceiver();
  /** Rows that were computed already; row i of the result is rows[i - storeBase]. */
  store: Tuplestore | null = null;
  storeBase = 0;
  /** The rows in the store are all there are: the executor is not needed any more. */
  storeComplete = false;
  atStart = true;
  atEnd = true;
  position = 0;
  /** Shown in pg_cursors. */
  visible = true;
  pinned = false;
  autoHeld = false;
  creationTime = 0;
  /** 0 once it is held beyond its transaction. */
  createSubid = 0;
  activeSubid = 0;
  /** The session's row writer for the columns and formats. */
  resultWriter: unknown = null;
  /** Releases what belongs to the execution; run once. */
  cleanup: ((portal: Portal) => void) | null = null;

  constructor(readonly name: string) {}
}

const portals = new Map<string, Portal>();

export const allPortals = (): IterableIterator<Portal> => portals.values();
export const findPortal = (name: string): Portal | undefined => portals.get(name);

export function createPortal(name: string, allowDuplicate: boolean, silently: boolean): Portal {
  const old = portals.get(name);
  if (old !== undefined) {
    if (!allowDuplicate)
      report('ERROR', { code: SQLSTATE.duplicateCursor, message: `cursor "${name}" already exists` });
    if (!silently) report('WARNING', { code: SQLSTATE.duplicateCursor, message: `closing existing cursor "${name}"` });
    dropPortal(old);
  }
  const portal = new Portal(name);
  portal.createSubid = currentSubTransactionId();
  portal.activeSubid = portal.createSubid;
  portal.creationTime = statementTimestamp();
  portals.set(name, portal);
  return portal;
}
let unnamedCount = 0;
/** For cursors that a language opens without a name. */
export function createNewPortal(): Portal {
  for (;;) {
    const name = `<unnamed portal ${++unnamedCount}>`;
    if (!portals.has(name)) return createPortal(name, false, false);
  }
}
export function definePortalQuery(
  portal: Portal,
  statementName: string | null,
  sourceText: string,
  tag: string,
  stmts: readonly PlannedStmt[],
): void {
  portal.statementName = statementName;
  portal.sourceText = sourceText;
  portal.completion = { tag, rows: 0 };
  portal.stmts = stmts;
  portal.status = 'defined';
}

export function markPortalActive(portal: Portal): void {
  if (portal.status !== 'ready')
    report('ERROR', {
      code: SQLSTATE.objectNotInPrerequisiteState,
      message: `portal "${portal.name}" cannot be run`,
    });
  portal.status = 'active';
  portal.activeSubid = currentSubTransactionId();
}
function runCleanup(portal: Portal): void {
  const { cleanup } = portal;
  portal.cleanup = null;
  cleanup?.(portal);
}
export function markPortalDone(portal: Portal): void {
  portal.status = 'done';
  runCleanup(portal);
}
export function markPortalFailed(portal: Portal): void {
  portal.status = 'failed';
  runCleanup(portal);
}

export function dropPortal(portal: Portal): void {
  const refuse = (state: string): never =>
    report('ERROR', { code: SQLSTATE.invalidCursorState, message: `cannot drop ${state} portal "${portal.name}"` });
  if (portal.pinned) refuse('pinned');
  if (portal.status === 'active') refuse('active');
  runCleanup(portal);
  portals.delete(portal.name);
  portal.store = null;
  portal.queryDesc = null;
}
/** CLOSE ALL, DISCARD ALL: everything but what runs just now. */
export function dropAllPortals(): void {
  for (const portal of [...portals.values()]) if (portal.status !== 'active') dropPortal(portal);
}

/** Makes a cursor's rows independent of its transaction; set by portal-run.ts. */
export const portalHooks: { persist: (portal: Portal) => void } = {
  persist() {},
};

function preCommit(isPrepare: boolean): boolean {
  let didSomething = false;
  for (const portal of [...portals.values()]) {
    if (!portals.has(portal.name)) continue;
    if (portal.pinned && !portal.autoHeld) report('ERROR', { message: 'cannot commit while a portal is pinned' });
    if (portal.status === 'active' || portal.createSubid === 0) continue;
    if (portal.options.hold && portal.status === 'ready') {
      if (isPrepare)
        report('ERROR', {
          code: SQLSTATE.featureNotSupported,
          message: 'cannot PREPARE a transaction that has created a cursor WITH HOLD',
        });
      portalHooks.persist(portal);
      portal.createSubid = 0;
      portal.activeSubid = 0;
    } else dropPortal(portal);
    didSomething = true;
  }
  return didSomething;
}

function atAbort(): void {
  for (const portal of portals.values()) {
    if (portal.createSubid === 0 || portal.autoHeld) continue;
    if (portal.status === 'ready') markPortalFailed(portal);
    runCleanup(portal);
  }
}
function atCleanup(): void {
  for (const portal of [...portals.values()]) {
    if (portal.status === 'active' || portal.createSubid === 0 || portal.autoHeld) continue;
    portal.pinned = false;
    dropPortal(portal);
  }
}

registerXactParticipant({
  name: 'portals',
  rank: XACT_RANK.portals,
  preCommit: (isPrepare) => portals.size > 0 && preCommit(isPrepare),
  atAbort() {
    if (portals.size > 0) atAbort();
  },
  atCleanup() {
    if (portals.size > 0) atCleanup();
  },
  atSubCommit(subId, parentId) {
    for (const portal of portals.values()) {
      if (portal.createSubid === subId) portal.createSubid = parentId;
      if (portal.activeSubid === subId) portal.activeSubid = parentId;
    }
  },
  atSubAbort(subId, parentId) {
    for (const portal of portals.values()) {
      if (portal.createSubid === subId) {
        if (portal.status === 'ready' || portal.status === 'active') markPortalFailed(portal);
        runCleanup(portal);
      } else if (portal.activeSubid === subId) {
        // An outer cursor that was read in here: where it stands is unknown once it failed.
        portal.activeSubid = parentId;
        if (portal.status === 'active') markPortalFailed(portal);
      }
    }
  },
  atSubCleanup(subId) {
    for (const portal of [...portals.values()]) {
      if (portal.createSubid !== subId) continue;
      portal.pinned = false;
      if (portal.status !== 'active') dropPortal(portal);
    }
  },
});
