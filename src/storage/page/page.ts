/** page.ts — everything one can do with a page, by one name.
 *  Counterpart: src/include/storage/bufpage.h */
export * from '#storage/page/page-checksum.ts';
export * from '#storage/page/page-compact.ts';
export * from '#storage/page/page-items.ts';
