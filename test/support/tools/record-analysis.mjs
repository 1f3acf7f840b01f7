/** record-analysis.mjs — asks a live PostgreSQL 15 to parse and describe each statement of analyze-cases.sql and records
 *  what it says: columns and parameter types, or the error with its position.
 *  Run: PGHOST=… PGPORT=… PGUSER=… node test/support/tools/record-analysis.mjs */
import { readFileSync, writeFileSync } from 'node:fs';
import postgres from 'postgres';

const folder = new URL('../../unit/parser/', import.meta.url);
const sql = postgres({
  host: process.env.PGHOST,
  port: Number(process.env.PGPORT ?? 5432),
  user: process.env.PGUSER,
  database: 'postgres',
  max: 1,
  onnotice() {},
});
const cases = readFileSync(new URL('analyze-cases.sql', folder), 'utf8')
  .split(/;\n/)
  .filter((text) => text.trim() !== '');
const lines = [];
for (const text of cases) {
  let fact;
  try {
    const { columns, types } = await sql.unsafe(text, [], { prepare: true }).describe();
    fact = { columns: (columns ?? []).map((c) => [c.name, c.type, c.table, c.number]), params: types ?? [] };
  } catch (error) {
    const { code, message, position, detail, hint } = error;
    fact = { error: { code, message, position: position === undefined ? undefined : Number(position), detail, hint } };
  }
  lines.push(JSON.stringify(fact));
}
writeFileSync(new URL('analyze-facts.jsonl', folder), lines.map((line) => `${line}\n`).join(''));
await sql.end();
