/** record-nbtree.mjs — index files that a real PostgreSQL 15 made, with the rows in order of insertion.
 *
 *  node test/support/tools/record-nbtree.mjs <psql connection arguments…>: writes test/unit/access/nbtree/recorded/*.json.gz
 *  with {columns, unique, options, mode, rows: [[block, offset, …values]], pages (base64)}. The server needs
 *  pageinspect and autovacuum = off. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const connection = process.argv.slice(2);
const psql = (sql) =>
  execFileSync('psql', [...connection, '-XqAt', '-v', 'ON_ERROR_STOP=1'], {
    input: sql,
    maxBuffer: 1 << 28,
  }).toString();

function random(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state / 0x7fffffff;
  };
}
const range = (n, make) => Array.from({ length: n }, (_, i) => make(i));
const word = (next) =>
  range(3 + Math.floor(next() * 12), () => String.fromCharCode(97 + Math.floor(next() * 6))).join('');

const scenarios = {};
{
  const r = random(7);
  scenarios.ascending = { columns: ['int4'], rows: range(3000, (i) => [i]) };
  scenarios.descending = { columns: ['int4'], rows: range(2000, (i) => [2000 - i]) };
  scenarios.random = { columns: ['int4'], rows: range(3000, () => [Math.floor(r() * 1e9)]) };
  scenarios.duplicates = { columns: ['int4'], rows: range(6000, () => [Math.floor(r() * 200)]) };
  scenarios.single = { columns: ['int4'], rows: range(6000, () => [42]) };
  scenarios.few = { columns: ['int4'], rows: range(6000, (i) => [i % 3]) };
  scenarios.nodedup = {
    columns: ['int4'],
    options: 'deduplicate_items=off',
    rows: range(3000, () => [Math.floor(r() * 50)]),
  };
  scenarios.words = { columns: ['text'], rows: range(3000, () => [word(r)]) };
  scenarios.pairs = { columns: ['int4', 'text'], rows: range(3000, () => [Math.floor(r() * 20), word(r)]) };
  scenarios.counters = {
    columns: ['int4', 'int4'],
    rows: range(4000, (i) => [Math.floor(r() * 10), i]),
  };
  scenarios.nulls = {
    columns: ['int4', 'text'],
    rows: range(3000, () => [r() < 0.4 ? null : Math.floor(r() * 300), r() < 0.3 ? null : word(r)]),
  };
  scenarios.descNulls = {
    columns: ['int4'],
    order: ['desc nulls last'],
    rows: range(3000, () => [r() < 0.4 ? null : Math.floor(r() * 3000)]),
  };
  scenarios.unique = { columns: ['int4'], unique: true, rows: range(3000, (i) => [(i * 7919) % 3001]) };
  scenarios.long = {
    columns: ['text'],
    rows: range(300, (i) => [
      `${'prefix'.repeat(20)}${word(r)}${i % 7 === 0 ? range(900, () => word(r)[0]).join('') : ''}`,
    ]),
  };
  scenarios.include = {
    columns: ['int4', 'text'],
    include: 1,
    rows: range(2000, () => [Math.floor(r() * 900), word(r)]),
  };
}

for (const [name, s] of Object.entries(scenarios)) {
  for (const mode of ['insert', 'build']) {
    const keys = s.columns.length - (s.include ?? 0);
    const cols = s.columns.map((_, i) => `c${i + 1}`);
    const list = cols
      .slice(0, keys)
      .map((c, i) => `${c} ${s.order?.[i] ?? ''}`)
      .join(', ');
    const include = s.include ? ` include (${cols.slice(keys).join(', ')})` : '';
    const index =
      `create ${s.unique ? 'unique ' : ''}index t_idx on t (${list})${include}` +
      `${s.options ? ` with (${s.options})` : ''};`;
    const literal = (v) => (v === null ? 'null' : typeof v === 'number' ? String(v) : `'${v}'`);
    const insert = `insert into t(${cols.join(',')}) values ${s.rows.map((row) => `(${row.map(literal).join(',')})`).join(',\n')};`;
    const out = psql(
      `drop table if exists t; create table t (${cols.map((c, i) => `${c} ${s.columns[i]} ${s.columns[i] === 'text' ? 'collate "C"' : ''}`).join(', ')}, id serial);
       ${mode === 'insert' ? index + insert : insert + index}
       select ctid from t order by id;
       select encode(get_raw_page('t_idx', b::int), 'base64') || '.' from generate_series(0, pg_relation_size('t_idx') / 8192 - 1) b;`,
    );
    const lines = out.split('\n');
    const tids = lines.slice(0, s.rows.length).map((line) => line.slice(1, -1).split(',').map(Number));
    const pages = lines.slice(s.rows.length).join('').split('.').filter(Boolean);
    const record = {
      columns: s.columns,
      order: s.order ?? [],
      include: s.include ?? 0,
      unique: s.unique ?? false,
      options: s.options ?? '',
      mode,
      rows: s.rows.map((row, i) => [...tids[i], ...row]),
      pages,
    };
    writeFileSync(
      new URL(`../../unit/access/nbtree/recorded/${name}-${mode}.json.gz`, import.meta.url),
      gzipSync(JSON.stringify(record), { level: 9 }),
    );
    console.log(name, mode, pages.length, 'pages');
  }
}
