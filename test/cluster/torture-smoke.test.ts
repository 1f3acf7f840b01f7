/** The torture of `npm run torture`, shortest form: every promise is kept over a few crashes. */
import { expect, it } from 'vitest';
import { torture } from '../torture/cycles.mjs';

it('the server keeps its promises when it is killed, and when the power fails', { timeout: 60_000 }, async () => {
  const told: string[] = [];
  const problems = await torture({
    seed: 15,
    cycles: 3,
    writers: 4,
    durationMs: 1200,
    ways: ['all', 'child', 'power'],
    inTurn: true,
    say: (text) => told.push(text),
  });
  expect(problems, told.join('\n')).toEqual([]);
  expect(told.length).toBe(3);
});
