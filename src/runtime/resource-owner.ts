/** resource-owner.ts — what a (sub)transaction, portal or process holds and must give back, whatever happens.
 *
 *  A resource is a number (buffer, file, lock, snapshot id) of a kind. Owners form a tree: releasing one releases its
 *  children first. Release has three phases, so that buffers go before locks (others must not wait for us while we still
 *  pin) and files after them; within a phase kinds go in ascending priority, and of a kind the latest goes first.
 *  At commit nothing but locks should be left: what is, is a leak and reported as WARNING. At abort it is the normal way.
 *  Resources of a kind that are remembered and forgotten like a stack cost an array push and pop.
 *  Counterpart: src/backend/utils/resowner/resowner.c */
import { assert } from '#base/assert.ts';
import { report } from '#runtime/error/report.ts';

export type ReleasePhase = 'beforeLocks' | 'locks' | 'afterLocks';

export interface ResourceKind {
  readonly name: string;
  readonly phase: ReleasePhase;
  /** Smaller ones are released first within the phase. */
  readonly priority: number;
  /** Gives the resource back. The owner has forgotten it already. `isCommit` and `owner` matter to locks only. */
  release(resource: number, extra: unknown, isCommit: boolean, owner: ResourceOwner): void;
  describeLeak(resource: number, extra: unknown): string;
  /** Locks are meant to be held until commit: no leak. */
  readonly heldUntilEnd?: boolean;
  /** Transfers what is left at a subtransaction's commit to the parent (locks) instead of releasing it. */
  readonly inherited?: boolean;
}

/** Resources of one kind: parallel arrays, the latest at the end. */
class Held {
  readonly resources: number[] = [];
  extras: unknown[] | null = null;
  constructor(readonly kind: ResourceKind) {}

  push(resource: number, extra: unknown): void {
    if (extra !== undefined && this.extras === null) this.extras = new Array<unknown>(this.resources.length);
    this.resources.push(resource);
    if (this.extras !== null) this.extras.push(extra);
  }
  /** Latest first; false where there is none. */
  remove(resource: number): boolean {
    const { resources } = this;
    const last = resources.length - 1;
    const at = resources[last] === resource ? last : resources.lastIndexOf(resource);
    if (at < 0) return false;
    // The order among the rest is the order of release: keep it.
    if (at === last) resources.pop();
    else resources.splice(at, 1);
    if (this.extras !== null) this.extras.splice(at, 1);
    return true;
  }
}

/** Locks are no resource like the others: a part's locks go to its parent at commit, and all of a transaction's at once
 *  at its end. */
let releaseLocksOf: (owner: ResourceOwner, isCommit: boolean, isTopLevel: boolean) => void = () => {};
/** storage/lmgr: gives back, or hands to the parent, the locks of an owner whose children are done. */
export function setLockReleaser(by: (owner: ResourceOwner, isCommit: boolean, isTopLevel: boolean) => void): void {
  releaseLocksOf = by;
}

export class ResourceOwner {
  private held: Held[] = [];
  private lastUsed: Held | null = null;
  private children: ResourceOwner[] = [];
  private releasing = false;
  /** The lock manager's own list of what this owner locked (storage/lmgr/local-lock.ts). */
  lockCache: unknown = null;
  private parentOwner: ResourceOwner | null;

  constructor(
    parent: ResourceOwner | null,
    readonly name: string,
  ) {
    this.parentOwner = parent;
    if (parent !== null) parent.children.push(this);
  }

  get parent(): ResourceOwner | null {
    return this.parentOwner;
  }

  private heldOf(kind: ResourceKind): Held | null {
    const last = this.lastUsed;
    if (last !== null && last.kind === kind) return last;
    for (const held of this.held) {
      if (held.kind !== kind) continue;
      this.lastUsed = held;
      return held;
    }
    return null;
  }

  remember(kind: ResourceKind, resource: number, extra?: unknown): void {
    assert(!this.releasing || kind.phase !== 'beforeLocks', 'an owner that is being released takes nothing new');
    let held = this.heldOf(kind);
    if (held === null) {
      held = new Held(kind);
      this.lastUsed = held;
      let at = this.held.length;
      while (at > 0 && this.held[at - 1]!.kind.priority > kind.priority) at--;
      this.held.splice(at, 0, held);
    }
    held.push(resource, extra);
  }

  forget(kind: ResourceKind, resource: number): void {
    const held = this.heldOf(kind);
    if (held === null || !held.remove(resource))
      report('ERROR', { message: `${kind.name} ${resource} is not owned by resource owner ${this.name}` });
  }

  /** Does it hold this resource? */
  holds(kind: ResourceKind, resource: number): boolean {
    const held = this.heldOf(kind);
    return held !== null && held.resources.includes(resource);
  }
  /** The resources of a kind, oldest first. */
  resourcesOf(kind: ResourceKind): readonly number[] {
    return this.heldOf(kind)?.resources ?? [];
  }

  /** Children first, then this one. `isTopLevel`: the end of the whole transaction, not of a part. */
  releasePhase(phase: ReleasePhase, isCommit: boolean, isTopLevel: boolean): void {
    for (let i = this.children.length - 1; i >= 0; i--) this.children[i]!.releasePhase(phase, isCommit, isTopLevel);
    const before = setCurrentResourceOwner(this);
    try {
      if (phase === 'beforeLocks') this.releasing = true;
      for (const held of [...this.held]) if (held.kind.phase === phase) this.releaseHeld(held, isCommit, isTopLevel);
      if (phase === 'locks') releaseLocksOf(this, isCommit, isTopLevel);
    } finally {
      setCurrentResourceOwner(before);
    }
  }

  private releaseHeld(held: Held, isCommit: boolean, isTopLevel: boolean): void {
    const { kind, resources } = held;
    if (isCommit && !isTopLevel && kind.inherited === true) {
      const parent = this.parentOwner;
      assert(parent !== null, 'a part has a parent');
      for (let i = 0; i < resources.length; i++) parent.remember(kind, resources[i]!, held.extras?.[i]);
      resources.length = 0;
      if (held.extras !== null) held.extras.length = 0;
      return;
    }
    while (resources.length > 0) {
      const resource = resources.pop()!;
      const extra = held.extras?.pop();
      if (isCommit && kind.heldUntilEnd !== true) report('WARNING', { message: kind.describeLeak(resource, extra) });
      kind.release(resource, extra, isCommit, this);
    }
  }

  /** The owner must be empty: releasePhase was called for all phases. */
  delete(): void {
    assert(currentOwner !== this, 'the current owner is not deleted');
    for (const held of this.held)
      assert(held.resources.length === 0, `resource owner ${this.name} still holds ${held.kind.name}`);
    while (this.children.length > 0) this.children[this.children.length - 1]!.delete();
    this.newParent(null);
    this.held = [];
    this.lastUsed = null;
  }

  /** After a full release the owner may be used again (portals, auxiliary processes). */
  reuse(): void {
    this.releasing = false;
    for (const child of this.children) child.reuse();
  }

  newParent(parent: ResourceOwner | null): void {
    const old = this.parentOwner;
    if (old !== null) old.children.splice(old.children.indexOf(this), 1);
    this.parentOwner = parent;
    if (parent !== null) parent.children.push(this);
  }
}

let currentOwner: ResourceOwner | null = null;

export function currentResourceOwner(): ResourceOwner {
  assert(currentOwner !== null, 'there is a current resource owner');
  return currentOwner;
}
export const currentResourceOwnerOrNull = (): ResourceOwner | null => currentOwner;
/** Returns the one before. */
export function setCurrentResourceOwner(owner: ResourceOwner | null): ResourceOwner | null {
  const before = currentOwner;
  currentOwner = owner;
  return before;
}

let auxiliaryOwner: ResourceOwner | null = null;
/** Gives a process without transactions the owner of its pins and files. */
export function createAuxiliaryResourceOwner(name = 'AuxiliaryProcess'): ResourceOwner {
  auxiliaryOwner = new ResourceOwner(null, name);
  currentOwner = auxiliaryOwner;
  return auxiliaryOwner;
}
/** Gives back whatever an auxiliary process holds: at its exit and after it caught an error. */
export function releaseAuxiliaryResources(isCommit: boolean): void {
  const owner = auxiliaryOwner;
  if (owner === null) return;
  for (const phase of ['beforeLocks', 'locks', 'afterLocks'] as const) owner.releasePhase(phase, isCommit, true);
  owner.reuse();
}
