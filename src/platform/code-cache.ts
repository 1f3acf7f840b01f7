/** code-cache.ts — writes V8's code cache when the build asks for it (bin/load.cjs, src/build-code-cache.mjs): at the end
 *  of a session, when everything that sessions run has been compiled. */
export function writeCodeCacheIfAsked(): void {
  const write = (globalThis as Record<symbol, unknown>)[Symbol.for('nodegres.writeCodeCache')];
  if (typeof write === 'function') (write as () => void)();
}
