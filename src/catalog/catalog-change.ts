/** catalog-change.ts — for whoever keeps something made of catalog rows: word that rows of a catalog changed.
 *  Counterpart: CacheRegisterSyscacheCallback() for caches that care about a whole catalog */
import type { Oid } from '#base/ids.ts';

const forgetters: ((catalog: Oid) => void)[] = [];
/** Called with the catalog's OID, or with 0 when rows of all catalogs may have changed. */
export function onCatalogChange(forget: (catalog: Oid) => void): void {
  forgetters.push(forget);
}
/** Shorthand: empties a cache when one of these catalogs changes. */
export function forgetOnChange(catalogs: readonly Oid[], forget: () => void): void {
  onCatalogChange((catalog) => {
    if (catalog === 0 || catalogs.includes(catalog)) forget();
  });
}
export function catalogChanged(catalog: Oid): void {
  for (const forget of forgetters) forget(catalog);
}
