/** Trees as text: what PostgreSQL 15 stored for views, rules, defaults, checks, index and policy expressions is read and
 *  written again, byte for byte (golden/nodes/node-trees.txt, one tree a line). */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { nodeToString, setConstBytes, stringToNode } from '#nodes/node-text.ts';
import type { Const } from '#nodes/primitives.ts';

// Bytes stay bytes here: what they mean to a type is tested where types are.
setConstBytes({
  write: (node: Const) => node.constvalue as Uint8Array,
  read: (_type, _length, _byValue, bytes) => bytes,
});

const trees = readFileSync(process.env.NODE_TREES ?? 'test/golden/nodes/node-trees.txt', 'utf8')
  .split('\n')
  .filter((line) => line !== '');

test('every stored tree survives reading and writing', () => {
  expect(trees.length).toBeGreaterThan(50);
  for (const tree of trees) expect(nodeToString(stringToNode(tree))).toBe(tree);
});

test('strings that look like something else are escaped', () => {
  for (const name of ['', '<>', '1a', '-1', 'a b', 'a(b){c}\\', '"q"', '+.5', 'ü']) {
    const alias = { kind: 'Alias', aliasname: name, colnames: [name, 'plain'] };
    expect(stringToNode(nodeToString(alias))).toEqual(alias);
  }
});

test('garbage is refused', () => {
  for (const text of ['{NOSUCHNODE}', '{VAR :varno 1', '{VAR :varattno 1}', '({VAR'])
    expect(() => stringToNode(text)).toThrow(/bad node tree/);
});
