// verify.mjs — what must hold after a restart: every promise kept, no transaction half there, indexes like their heaps.
import { ACCOUNTS, LISTS, OPENING, SLOTS } from './writers.mjs';

/** Problems found, as texts. `client` is a connected one; the writers rest. */
export async function verify(client, writers) {
  const problems = [];
  const say = (text) => problems.push(text);
  const rows = async (sql) => (await client.query({ text: sql, rowMode: 'array' })).rows;

  // Prepared transactions first: each promise is still open, and is now decided.
  const open = new Set((await rows('select gid from pg_prepared_xacts')).map(([gid]) => gid));
  for (const writer of writers) {
    for (const [gid, n] of writer.prepared) {
      const decided = writer.deciding === n || writer.rolling === n;
      if (!open.has(gid) && !decided) say(`prepared transaction ${gid} is lost`);
      if (open.has(gid)) {
        await client.query(`commit prepared '${gid}'`);
        open.delete(gid);
        writer.ack(n);
      } else writer.inDoubt.add(n);
      writer.prepared.delete(gid);
    }
    writer.deciding = undefined;
    writer.rolling = undefined;
  }
  for (const gid of open) {
    // Its PREPARE was not acknowledged; it happened, and nobody decided.
    await client.query(`rollback prepared '${gid}'`);
  }

  const journal = await rows('select w, n, kind, a, b, x from journal');
  const seen = new Map();
  for (const [w, n, kind, a, b, x] of journal) {
    const key = `${w}:${n}`;
    if (seen.has(key)) say(`journal has ${key} twice`);
    seen.set(key, { w, n, kind, a, b, x });
  }
  for (const writer of writers) {
    for (const n of writer.acked)
      if (!seen.has(`${writer.number}:${n}`)) say(`acknowledged ${writer.number}:${n} is lost`);
    for (const { w, n, kind } of seen.values()) {
      if (w !== writer.number || writer.acked.has(n)) continue;
      if (!writer.inDoubt.has(n)) say(`${w}:${n} ${kind} was never committed, and is there`);
      else writer.acked.add(n);
    }
    writer.inDoubt.clear();
  }

  const balances = new Map(Array.from({ length: ACCOUNTS }, (_, i) => [i + 1, OPENING]));
  const add = (id, x) => balances.set(id, balances.get(id) + x);
  const bulk = new Map();
  const toasted = new Map();
  const tables = new Map();
  const slots = new Map();
  for (const { w, n, kind, a, b, x } of [...seen.values()].sort((p, q) => p.w - q.w || p.n - q.n)) {
    if (kind === 'transfer') {
      add(a, -x);
      add(b, x);
    } else if (kind === 'savepoint' || kind === 'twoPhase') add(a, x);
    else if (kind === 'bulk') bulk.set(`${w}:${n}`, a);
    else if (kind === 'unbulk') bulk.delete(`${w}:${a}`);
    else if (kind === 'toast') toasted.set(`${w}:${n}`, a);
    else if (kind === 'untoast') toasted.delete(`${w}:${a}`);
    else if (kind === 'makeTable') tables.set(`own_${w}_${n}`, a);
    else if (kind === 'dropTable') tables.delete(`own_${w}_${a}`);
    else if (kind === 'slot') slots.set(a, [...(slots.get(a) ?? [`0:0`]), `${w}:${n}`]);
    else if (kind === 'abort') say(`${w}:${n} was rolled back, and is there`);
  }
  const accounts = await rows('select id, balance, length(filler) from accounts');
  if (accounts.length !== ACCOUNTS) say(`${accounts.length} accounts instead of ${ACCOUNTS}`);
  for (const [id, balance, filler] of accounts) {
    if (balances.get(id) !== balance) say(`account ${id} has ${balance} instead of ${balances.get(id)}`);
    if (filler !== id % 150) say(`account ${id} has a filler of ${filler}`);
  }

  const lists = await rows('select id, items from lists');
  if (lists.length !== LISTS) say(`${lists.length} lists`);
  for (const [id, items] of lists) {
    const found = items.split(',').slice(1);
    const wanted = [...seen.values()]
      .filter((one) => one.kind === 'append' && one.a === id)
      .map((one) => `${one.w}:${one.n}`);
    if (found.toSorted().join() !== wanted.toSorted().join())
      say(
        `list ${id} differs: ${found.filter((one) => !wanted.includes(one))} / lacks ${wanted.filter((one) => !found.includes(one))}`,
      );
  }

  const slotRows = await rows('select id, w, n from slots');
  if (slotRows.length !== SLOTS || new Set(slotRows.map(([id]) => id)).size !== SLOTS) say(`${slotRows.length} slots`);
  for (const [id, w, n] of slotRows)
    if (!(slots.get(id) ?? ['0:0']).includes(`${w}:${n}`)) say(`slot ${id} holds ${w}:${n}, which did not write it`);

  const bulkRows = new Map(
    (await rows('select w, n, count(*)::int, min(i), max(i) from bulk group by 1, 2')).map((row) => [
      `${row[0]}:${row[1]}`,
      row,
    ]),
  );
  for (const [key, count] of bulk) {
    const [, , found, min, max] = bulkRows.get(key) ?? [0, 0, 0];
    if (found !== count || min !== 1 || max !== count) say(`bulk ${key} has ${found} rows instead of ${count}`);
  }
  for (const key of bulkRows.keys()) if (!bulk.has(key)) say(`bulk ${key} is there`);

  const toastRows = new Map(
    (
      await rows(
        "select w, n, length(v), v = (select string_agg(md5((n + j)::text), '') from generate_series(1, length(v) / 32) j) from toasted",
      )
    ).map((row) => [`${row[0]}:${row[1]}`, row]),
  );
  for (const [key, count] of toasted) {
    const row = toastRows.get(key);
    if (row === undefined || row[2] !== count * 32 || row[3] !== true)
      say(`toasted ${key} is ${row} instead of ${count * 32}`);
  }
  for (const key of toastRows.keys()) if (!toasted.has(key)) say(`toasted ${key} is there`);

  for (const [k, w, n] of await rows('select k, w, n from uniq')) {
    const one = seen.get(`${w}:${n}`);
    if (one?.kind !== 'unique' || one.a !== k) say(`uniq ${k} of ${w}:${n} has no transaction`);
  }
  const unique = [...seen.values()].filter((one) => one.kind === 'unique').length;
  const [[uniqRows, uniqKeys]] = await rows('select count(*)::int, count(distinct k)::int from uniq');
  if (uniqRows !== unique || uniqKeys !== unique)
    say(`uniq has ${uniqRows} rows, ${uniqKeys} keys instead of ${unique}`);

  const [[junk]] = await rows('select count(*)::int from junk');
  if (junk !== 0) say(`junk has ${junk} rows`);

  const found = (await rows("select relname from pg_class where relkind = 'r' and relname ~ '^(own|aborted)_'")).map(
    ([name]) => name,
  );
  for (const name of found) if (!tables.has(name)) say(`table ${name} is there`);
  for (const [name, count] of tables) {
    if (!found.includes(name)) {
      say(`table ${name} is lost`);
      continue;
    }
    const [[has, sum]] = await rows(`select count(*)::int, coalesce(sum(length(v)), 0)::int from ${name}`);
    let wanted = 0;
    for (let i = 1; i <= count; i++) wanted += i % 200;
    if (has !== count || sum !== wanted) say(`table ${name} has ${has} rows instead of ${count}`);
  }
  for (const writer of writers) {
    for (const name of writer.tables.keys()) if (!tables.has(name)) writer.tables.delete(name);
    for (const name of tables.keys())
      if (name.startsWith(`own_${writer.number}_`)) writer.tables.set(name, Number(name.split('_')[2]));
  }
  await compareIndexes(rows, say);
  return problems;
}

const BY_INDEX = [
  ['journal', 'w, n', 'w, n, kind, a, b, x', 'w >= 0'],
  ['accounts', 'id', 'id, balance', 'id > 0'],
  ['accounts', 'balance', 'id, balance', 'balance > -1000000000'],
  ['lists', 'id', 'id, items', 'id > 0'],
  ['slots', 'id', 'id, w, n', 'id > 0'],
  ['bulk', 'w, n, i', 'w, n, i, pad', 'w > 0'],
  ['bulk', 'pad', 'w, n, i, pad', "pad > ''"],
  ['toasted', 'w, n', 'w, n, length(v)', 'w > 0'],
  ['uniq', 'k', 'k, w, n', 'k >= 0'],
  ['junk', 't', 'w, n, t', "t > ''"],
];
/** A table read through each of its indexes is the table. */
async function compareIndexes(rows, say) {
  for (const [table, , columns, condition] of BY_INDEX) {
    const digest = `select count(*)::int, sum(hashtext(r::text)::bigint)::text from (select ${columns} from ${table} where ${condition}) r`;
    const read = async (way) => {
      await rows(`set enable_seqscan = ${way === 'seq'}`);
      await rows(`set enable_indexscan = ${way === 'index'}`);
      await rows(`set enable_bitmapscan = ${way === 'bitmap'}`);
      return (await rows(digest))[0];
    };
    const heap = await read('seq');
    for (const way of ['index', 'bitmap']) {
      const index = await read(way);
      if (`${index}` !== `${heap}`)
        say(`${table} through its ${way} (${condition}): ${index}; through its heap: ${heap}`);
    }
  }
}
