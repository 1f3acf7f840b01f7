/** The npm package types its index only, not the loader under it. */
declare module 'libpg-query/wasm/libpg-query.js' {
  const pgQueryModule: (module: object) => Promise<unknown>;
  export = pgQueryModule;
}
