/** namespace-name.ts — the name of a relation's schema, for the fields of error messages.
 *  Counterpart: errtable() of src/backend/utils/error/relcache.c's callers, which ask the catalog */
import type { Oid } from '#base/ids.ts';

let lookup: (namespace: Oid) => string | undefined = () => undefined;
/** Installed by the catalog. */
export function setNamespaceNameLookup(by: typeof lookup): void {
  lookup = by;
}
export const namespaceName = (namespace: Oid): string | undefined => lookup(namespace);
