/** A server process is one synchronous loop: async and await exist only where Node's event loop runs, which is in the
 *  programs of src/cli, in asynchronous background workers, and in the build. */
import ts from 'typescript';
import { expect, test } from 'vitest';
import { type Source, sourcesOf } from './sources.ts';

const MAY = [
  /^src\/cli\//,
  /^src\/build[\w-]*\.mjs$/,
  /^src\/processes\/async-worker\.ts$/,
  /^src\/platform\/wake-thread\.ts$/,
];

/** Lines of async functions and awaits; words in comments, texts and names do not count. */
function asyncLines({ path, text }: Source): string[] {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.ES2022);
  const found: string[] = [];
  const note = (node: ts.Node): void => {
    const { line } = file.getLineAndCharacterOfPosition(node.getStart(file));
    found.push(`${path}:${line + 1}: ${ts.SyntaxKind[node.kind]}`);
  };
  const look = (node: ts.Node): void => {
    if (node.kind === ts.SyntaxKind.AsyncKeyword || ts.isAwaitExpression(node)) note(node);
    if (ts.isForOfStatement(node) && node.awaitModifier !== undefined) note(node);
    ts.forEachChild(node, look);
  };
  look(file);
  return found;
}

test('async and await stay where an event loop runs', () => {
  const candidates = sourcesOf('src').filter(
    ({ path, text }) => /\b(async|await)\b/.test(text) && !MAY.some((one) => one.test(path)),
  );
  expect(candidates.flatMap(asyncLines)).toEqual([]);
});

test('the rule sees what it looks for', () => {
  const text = 'const f = async () => { await g(); for await (const x of y) h(x); };';
  expect(asyncLines({ path: 'x.ts', text })).toHaveLength(3);
  expect(asyncLines({ path: 'x.ts', text: "const text = 'await'; // async" })).toEqual([]);
});
