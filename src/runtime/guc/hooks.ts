/** hooks.ts — how the layers above take part in a parameter's life, and what the GUC code must ask of them.
 *
 *  `check` sees a candidate value first: it returns the value to store (perhaps normalised), leaves derived data in
 *  `context.extra`, or refuses with `context.fail`. `assign` makes the value effective and must not fail: it runs
 *  while a transaction is being undone. `show` prints. A check has no side effects: it may run for a value that is
 *  never used.
 *  Counterpart: the GucXxxCheckHook, AssignHook and ShowHook types of src/include/utils/guc.h */
import type { SqlState } from '#runtime/error/sqlstate.ts';
import type { GucSource } from '#runtime/guc/define.ts';

export interface CheckFailure {
  code?: SqlState | undefined;
  /** Replaces `invalid value for parameter …`. */
  message?: string | undefined;
  detail?: string | undefined;
  hint?: string | undefined;
}
export interface CheckContext {
  readonly source: GucSource;
  extra: unknown;
  fail(failure?: CheckFailure): never;
}
export interface GucHooks<V> {
  check?: (value: V, context: CheckContext) => V;
  assign?: (value: V, extra: unknown) => void;
  show?: () => string;
}

/** Thrown by `fail`, caught where the value was being tried. */
export class CheckRefused extends Error {
  override readonly name = 'CheckRefused';
  constructor(readonly failure: CheckFailure) {
    super(failure.message ?? 'value refused');
  }
}

/** Questions whose answers live above runtime/. The defaults are those of a process without sessions. */
export const gucEnvironment: {
  /** True in every child of the postmaster: the chatter about reloads is left to the postmaster. */
  isUnderPostmaster: boolean;
  /** May the current user set (or ALTER SYSTEM) this superuser parameter? */
  mayManage: (parameter: string, privilege: 'SET' | 'ALTER SYSTEM') => boolean;
  /** Is the current user a superuser? */
  isSuperuser: () => boolean;
  /** May the current user read superuser-only settings (pg_read_all_settings)? */
  canReadAllSettings: () => boolean;
  inParallelMode: () => boolean;
  inLocalUserIdChange: () => boolean;
  inSecurityRestrictedOperation: () => boolean;
  /** shared_preload_libraries are being loaded: postmaster parameters may still be defined. */
  loadingSharedPreloadLibraries: () => boolean;
} = {
  isUnderPostmaster: false,
  mayManage: () => false,
  isSuperuser: () => true,
  canReadAllSettings: () => true,
  inParallelMode: () => false,
  inLocalUserIdChange: () => false,
  inSecurityRestrictedOperation: () => false,
  loadingSharedPreloadLibraries: () => false,
};
