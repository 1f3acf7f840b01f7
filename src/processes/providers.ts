/** providers.ts — gives the SQL-callable functions what lies in shared memory and in other processes. */
export function wireProviders(): void {}
