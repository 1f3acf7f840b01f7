// torture.mjs — writers work, the server dies in every way it can, and must have kept every promise when it is back.
//
//   node test/torture/torture.mjs [--seed N] [--cycles 20] [--writers 8] [--duration 3000] [--ways all,child,…]
//                                 [--judge] [--keep] [--conf 'line;line']
import { parseArgs } from 'node:util';
import { torture, WAYS } from './cycles.mjs';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    cycles: { type: 'string', default: '20' },
    writers: { type: 'string', default: '8' },
    duration: { type: 'string', default: '3000' },
    ways: { type: 'string', default: WAYS.join() },
    judge: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    conf: { type: 'string', default: '' },
    kinds: { type: 'string', default: '' },
  },
});
const problems = await torture({
  seed: Number(values.seed),
  cycles: Number(values.cycles),
  writers: Number(values.writers),
  durationMs: Number(values.duration),
  ways: values.ways.split(','),
  judge: values.judge,
  keep: values.keep,
  conf: values.conf === '' ? [] : values.conf.split(';'),
  kinds: values.kinds === '' ? undefined : values.kinds.split(','),
  say: (text) => console.log(text),
});
for (const problem of problems) console.log(`PROBLEM ${problem}`);
process.exitCode = problems.length === 0 ? 0 : 1;
