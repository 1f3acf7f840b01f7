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

/** Without LSN and checksum, which differ from run to run. */
const withoutLsn = (page) => {
  const bytes = Buffer.from(page, 'base64');
  bytes.fill(0, 0, 10);
  return bytes.toString('base64');
};

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
    const pages = lines.slice(s.rows.length).join('').split('.').filter(Boolean).map(withoutLsn);
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

// ── indexes on many types, to be read and verified ───────────────────────────────────────────────────────────────────
const types = {
  int2: '(i * 7919 % 65536 - 32768)::int2',
  int8: '((i * 7919) % 1000 - 500)::int8 * 1000000000000000',
  oid: '((i::int8 * 7919 * 1000003) % 4294967296)::oid',
  float4: `case when i % 50 = 0 then 'NaN' when i % 51 = 0 then '-Infinity' else (i % 97 - 40) / 3.0 end::float4`,
  float8: `case when i % 50 = 0 then 'NaN' when i % 51 = 0 then 'Infinity' else (i % 997 - 400) / 3.0 end::float8`,
  bool: 'i % 3 = 0',
  '"char"': `(i % 256 - 128)::"char"`,
  date: `'2000-01-01'::date + (i * 7919 % 20000 - 10000)`,
  timestamp: `'2000-01-01'::timestamp + (i * 7919 % 20000 - 10000) * interval '1 day 3 microseconds'`,
  timestamptz: `case when i % 40 = 0 then '-infinity' else '2000-01-01'::timestamptz + (i * 7919 % 20000 - 10000) * interval '1 minute' end`,
  time: `'00:00'::time + (i * 7919 % 86400) * interval '1 second'`,
  money: '((i * 7919) % 1000 - 500)::money',
  uuid: 'md5(i::text)::uuid',
  bytea: `decode(md5((i % 100)::text), 'hex')`,
  name: `('n' || md5(i::text))::name`,
  'varchar(40)': `repeat(chr(97 + i % 5), i % 30)`,
  'char(20)': `repeat(chr(97 + i % 5), i % 20)`,
  tid: `('(' || (i * 7919 % 100) || ',' || (i % 60 + 1) || ')')::tid`,
  pg_lsn: `('0/0'::pg_lsn + (i * 7919 % 1000)::numeric * 1e16)`,
  numeric: `case when i % 60 = 0 then 'NaN' else (i % 97 - 40) * 1.5 end::numeric`,
  oidvector: `(i % 7 || ' ' || i % 11 || repeat(' 5', i % 3))::oidvector`,
};
const describe = (index) =>
  JSON.parse(
    psql(`select json_agg(json_build_object('typeId', a.atttypid::int, 'length', a.attlen, 'align', a.attalign, 'byValue', a.attbyval,
      'storage', a.attstorage, 'family', oc.opcfamily::int, 'inputType', oc.opcintype::int, 'collation', i.indcollation[a.attnum - 1]::int,
      'option', i.indoption[a.attnum - 1]) order by a.attnum)
      from pg_index i join pg_attribute a on a.attrelid = i.indexrelid join pg_opclass oc on oc.oid = i.indclass[a.attnum - 1]
      where i.indexrelid = '${index}'::regclass`),
  );
const pagesOf = (index) =>
  psql(
    `select encode(get_raw_page('${index}', b::int), 'base64') || '.' from generate_series(0, pg_relation_size('${index}') / 8192 - 1) b`,
  )
    .replaceAll('\n', '')
    .split('.')
    .filter(Boolean)
    .map(withoutLsn);
const countOf = (table) => Number(psql(`select count(*) from ${table}`));
const recorded = {};
for (const [type, expression] of Object.entries(types)) {
  const collation = /char\(/.test(type) ? ' collate "C"' : '';
  psql(`drop table if exists y; create table y (v ${type}${collation}, k int);
    create index y_idx on y (v, k desc); insert into y select ${expression}, i from generate_series(1, 700) i; insert into y values (null, 1), (null, 2);`);
  recorded[type] = { columns: describe('y_idx'), rows: countOf('y'), pages: pagesOf('y_idx') };
}
const procIndex = 'pg_proc_proname_args_nsp_index';
recorded[procIndex] = { columns: describe(procIndex), rows: countOf('pg_proc'), pages: pagesOf(procIndex) };
writeFileSync(
  new URL('../../unit/access/nbtree/recorded/types/types.json.gz', import.meta.url),
  gzipSync(JSON.stringify(recorded), { level: 9 }),
);
console.log('types');
