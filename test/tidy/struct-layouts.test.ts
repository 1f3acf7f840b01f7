/** Binary layouts are declared in known places and change only on purpose: test/golden/layouts.txt holds every offset.
 *  `vitest run … -u` rewrites it. */
import { expect, test } from 'vitest';
import { ALL_STRUCTS } from '#base/struct.ts';
import { root, sourcesOf } from './sources.ts';

/** A layout that several files share is a *-layout.ts. These keep a small one beside its only user, unexported or used
 *  through that file's functions alone: the code that gives the bytes their meaning is on the same screen. */
const BESIDE_ITS_CODE = [
  /^src\/storage\/ipc\/[\w-]+\.ts$/,
  /^src\/shm\/condition-variable\.ts$/,
  /^src\/stats\/backend-status\.ts$/,
];
const declares = /(^|[^\w.])struct\(\s*['"]/;
const declaring = sourcesOf('src').filter(({ path, text }) => path !== 'src/base/struct.ts' && declares.test(text));

test('layouts are declared in *-layout.ts or beside their only user', () => {
  expect(declaring.length).toBeGreaterThan(5);
  const elsewhere = declaring.filter(
    ({ path }) => !path.endsWith('-layout.ts') && !BESIDE_ITS_CODE.some((one) => one.test(path)),
  );
  expect(elsewhere.map(({ path }) => path)).toEqual([]);
});

test('every layout is what test/golden/layouts.txt says', async () => {
  for (const { path } of declaring) await import(/* @vite-ignore */ `${root}${path}`);
  const names = [...ALL_STRUCTS.keys()].sort();
  const declared = declaring.flatMap(({ text }) => [...text.matchAll(/(?:^|[^\w.])struct\(\s*['"]([^'"]+)['"]/g)]);
  expect(names).toEqual(declared.map((match) => match[1]!).sort());
  const lines = names.flatMap((name) => {
    const { size, fields } = ALL_STRUCTS.get(name)!;
    return [`${name} ${size}`, ...fields.map(([field, offset, bytes]) => `  ${offset} ${field} ${bytes}`), ''];
  });
  await expect(lines.join('\n')).toMatchFileSnapshot('../golden/layouts.txt');
});

test('no layout has a hole or an overlap', () => {
  for (const [name, { size, fields }] of ALL_STRUCTS) {
    let at = 0;
    for (const [field, offset, bytes] of fields) {
      expect([name, field, offset]).toEqual([name, field, at]);
      at = offset + bytes;
    }
    expect([name, at]).toEqual([name, size]);
  }
});
