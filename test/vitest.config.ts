import { defineConfig } from 'vitest/config';

const project = (name: string, include: string[], extra: Record<string, unknown> = {}) => ({
  test: { name, include, root: new URL('..', import.meta.url).pathname, ...extra },
});

/** Suites by cost: tidy and unit run without processes; multi uses real processes on a real mapping; cluster starts
 *  servers. Process suites run one file at a time, because they share two cores and watch each other's timing. */
export default defineConfig({
  test: {
    projects: [
      project('tidy', ['test/tidy/**/*.test.ts']),
      project('unit', ['test/unit/**/*.test.ts'], { testTimeout: 30_000 }),
      project('multi', ['test/multi/**/*.test.ts'], { pool: 'forks', fileParallelism: false, testTimeout: 60_000 }),
      project('cluster', ['test/cluster/**/*.test.ts'], {
        pool: 'forks',
        fileParallelism: false,
        testTimeout: 120_000,
        hookTimeout: 60_000,
      }),
    ],
  },
});
