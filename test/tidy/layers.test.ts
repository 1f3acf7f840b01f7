/** The import order of src/layers.ts holds: a unit imports only lower ranks. No exceptions. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import { expect, test } from 'vitest';
import { LAYERS } from '#layers.ts';

const src = new URL('../../src', import.meta.url).pathname;

function filesBelow(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? filesBelow(path) : path.endsWith('.ts') ? [path] : [];
  });
}

/** The longest unit name that prefixes a path relative to src/. */
function unitOf(relative: string): keyof typeof LAYERS | undefined {
  const parts = posix.dirname(relative).split('/');
  for (let n = parts.length; n > 0; n--) {
    const name = parts.slice(0, n).join('/');
    if (name in LAYERS) return name as keyof typeof LAYERS;
  }
  return undefined;
}

const specifiers = (text: string): string[] =>
  [...text.matchAll(/(?:from|import|require\()\s*['"]([^'"]+)['"]/g)].map((match) => match[1]!);

test('every unit imports only units of lower rank', () => {
  const wrong: string[] = [];
  for (const file of filesBelow(src)) {
    const relative = file.slice(src.length + 1);
    const unit = unitOf(relative);
    if (relative === 'layers.ts') continue;
    if (unit === undefined) {
      wrong.push(`${relative}: belongs to no unit of layers.ts`);
      continue;
    }
    for (const specifier of specifiers(readFileSync(file, 'utf8'))) {
      let target: string | undefined;
      if (specifier.startsWith('#')) target = specifier.slice(1);
      else if (specifier.startsWith('.')) target = posix.join(posix.dirname(relative), specifier);
      if (target === undefined) {
        const native = specifier.startsWith('node:') || specifier.includes('native-shm');
        if (native && specifier !== 'node:crypto' && LAYERS[unit] > LAYERS.platform && unit !== 'cli')
          wrong.push(`${relative}: only platform imports ${specifier}`);
        if (specifier === 'libpg-query' && relative !== 'parser/libpg-query.ts')
          wrong.push(`${relative}: only parser/libpg-query.ts imports the parser`);
        continue;
      }
      const targetUnit = unitOf(target);
      if (targetUnit === undefined) continue;
      if (targetUnit !== unit && LAYERS[targetUnit] >= LAYERS[unit])
        wrong.push(`${relative} (${unit} ${LAYERS[unit]}) imports ${target} (${targetUnit} ${LAYERS[targetUnit]})`);
    }
  }
  expect(wrong).toEqual([]);
});
