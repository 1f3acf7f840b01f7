/** recorded.ts — comparing what our queries give with what PostgreSQL gave (test/support/tools/record-queries.mjs). */
import { PgError } from '#runtime/error/report.ts';

export interface Recorded {
  readonly sql: string;
  readonly rows?: readonly string[];
  readonly error?: string;
}
/** Runs each query and returns those whose outcome differs, for an empty-list expectation. */
export function differences(recorded: readonly Recorded[], run: (sql: string) => string[]): unknown[] {
  const wrong: unknown[] = [];
  for (const { sql, rows, error } of recorded) {
    let got: readonly string[] | string;
    try {
      got = run(sql);
    } catch (caught) {
      if (!(caught instanceof PgError)) throw caught;
      got = `${caught.code}: ${caught.message}`;
    }
    const wanted = error ?? rows ?? [];
    if (JSON.stringify(got) !== JSON.stringify(wanted)) wrong.push({ sql, got, wanted });
  }
  return wrong;
}
