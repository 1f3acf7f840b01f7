/** require-package.ts — an npm package loaded at its first use, synchronously, from beside this program: for packages
 *  that few processes need, so that the others do not carry them. */
import { createRequire } from 'node:module';

export const requirePackage: (name: string) => unknown = createRequire(import.meta.url);
