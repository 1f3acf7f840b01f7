/** record-queries.mjs — asks a real PostgreSQL for the results of the queries in a .sql file and writes them beside it.
 *
 *  usage: node test/support/tools/record-queries.mjs file.sql [psql options]     (writes file.json)
 *  One query per line; an error is recorded as its SQLSTATE and message. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

const [file, ...options] = process.argv.slice(2);
const queries = readFileSync(file, 'utf8')
  .split('\n')
  .map((line) => line.trim())
  .filter((line) => line !== '' && !line.startsWith('--'));
const script = queries.map((query, i) => `\\echo @@${i}\n${query}`).join('\n');
const args = ['-X', '-At', '-v', 'VERBOSITY=verbose', ...options];
const output = execFileSync('sh', ['-c', 'psql "$@" 2>&1', 'sh', ...args], { input: script, encoding: 'utf8' });
const results = output.split(/@@\d+\n/).slice(1);
const recorded = queries.map((query, i) => {
  const text = results[i].replace(/\n$/, '');
  const error = /^ERROR: {2}(\w{5}): (.*)/.exec(text);
  const sql = query.replace(/;$/, '');
  if (error !== null) return { sql, error: `${error[1]}: ${error[2]}` };
  // One row of one null prints an empty line, no row prints nothing.
  return { sql, rows: results[i] === '' ? [] : text.split('\n') };
});
writeFileSync(file.replace(/\.sql$/, '.json'), `[\n${recorded.map((entry) => JSON.stringify(entry)).join(',\n')}\n]\n`);
