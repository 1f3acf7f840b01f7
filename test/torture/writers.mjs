// writers.mjs — clients that write, and remember what the server has promised them.
//
// Every transaction leaves one row (w, n, kind, args) in `journal`; what else it did follows from that row. So after a crash
// the journal alone says what the other tables must hold, and the acknowledged commits say which rows the journal must hold.
import pg from 'pg';

export const ACCOUNTS = 200;
export const OPENING = 1000;
export const LISTS = 8;
export const SLOTS = 100;

export const SCHEMA = [
  'create table journal (w int, n int, kind text not null, a int, b int, x int, primary key (w, n))',
  'create table accounts (id int primary key, balance int not null, filler text)',
  `insert into accounts select i, ${OPENING}, repeat('f', i % 150) from generate_series(1, ${ACCOUNTS}) i`,
  'create index accounts_balance on accounts (balance)',
  'create table lists (id int primary key, items text)',
  `insert into lists select i, '' from generate_series(1, ${LISTS}) i`,
  'create table slots (id int primary key, w int, n int)',
  `insert into slots select i, 0, 0 from generate_series(1, ${SLOTS}) i`,
  'create table bulk (w int, n int, i int, pad text, primary key (w, n, i))',
  'create index bulk_pad on bulk (pad)',
  'create table toasted (w int, n int, v text, primary key (w, n))',
  'create table uniq (k int primary key, w int, n int)',
  'create table junk (w int, n int, t text)',
  'create index junk_t on junk (t)',
];

/** xorshift32: a stream of its own for every writer, so that one seed repeats what all of them ask for. */
export class Random {
  constructor(seed) {
    this.state = Math.imul(seed + 1, 0x9e3779b1) >>> 0 || 1;
  }
  next() {
    let s = this.state;
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    this.state = s >>> 0;
    return this.state / 0x1_0000_0000;
  }
  below(n) {
    return Math.floor(this.next() * n);
  }
  pick(list) {
    return list[this.below(list.length)];
  }
}

/** SQLSTATEs that a writer may meet without anything being wrong. */
const HARMLESS = new Set([
  '40P01', // deadlock
  '40001',
  '57P01',
  '57P02',
  '57P03',
  '23505', // on uniq
]);

export class Writer {
  /** n → 'acked'; the last one may be in doubt. */
  acked = new Set();
  inDoubt = new Set();
  /** Prepared and not yet decided: gid → n. */
  prepared = new Map();
  /** Tables of its own: name → 'there' | 'gone' | 'doubt', and rows. */
  tables = new Map();
  n = 0;
  problems = [];
  commits = 0;
  stopping = false;

  constructor(number, seed, connection, deadlineMs, kinds) {
    Object.assign(this, { number, connection, deadlineMs, kinds });
    this.random = new Random(seed * 1000 + number);
  }

  async query(sql, values) {
    this.client.lastSql = sql;
    const result = await this.client.query(sql, values);
    return result;
  }

  /** Works until the connection breaks or `stopping`. */
  async run() {
    const client = new pg.Client({
      ...this.connection,
      query_timeout: this.deadlineMs,
      connectionTimeoutMillis: this.deadlineMs,
    });
    client.on('error', () => {});
    this.client = client;
    try {
      await client.connect();
    } catch {
      client.end().catch(() => {});
      return;
    }
    try {
      while (!this.stopping) await this.transaction();
    } catch (caught) {
      if (/timeout/i.test(caught.message)) this.problems.push(`writer ${this.number} hangs: ${client.lastSql}`);
      // Anything else was a lost connection; who lost it decides what comes next.
    } finally {
      client.end().catch(() => {});
    }
  }

  async transaction() {
    const n = ++this.n;
    const kind = this.random.pick(this.kinds);
    try {
      await this[kind](n);
    } catch (caught) {
      const { code } = caught;
      if (!/^(?!57P|EPIPE)[0-9A-Z]{5}$/.test(code ?? '') || /injection point/.test(caught.message)) throw caught;
      if (code === '0A000' && /not supported/.test(caught.message))
        this.kinds = this.kinds.filter((one) => one !== kind);
      else if (!HARMLESS.has(code))
        this.problems.push(`writer ${this.number} ${kind}: ${code} ${caught.message} [${this.client.lastSql}]`);
      this.inDoubt.delete(n);
      await this.query('rollback');
    }
  }

  async begin(n, kind, a, b, x) {
    await this.query('begin');
    await this.query(`insert into journal values ($1, $2, $3, $4, $5, $6)`, [this.number, n, kind, a, b, x]);
  }
  async commit(n) {
    this.inDoubt.add(n);
    await this.query('commit');
    this.ack(n);
  }
  ack(n) {
    this.inDoubt.delete(n);
    this.acked.add(n);
    this.commits++;
  }

  async transfer(n) {
    const [a, b] = [1 + this.random.below(ACCOUNTS), 1 + this.random.below(ACCOUNTS)].sort((p, q) => p - q);
    const x = 1 + this.random.below(20);
    await this.begin(n, 'transfer', a, b, x);
    await this.query('update accounts set balance = balance - $2 where id = $1', [a, x]);
    await this.query('update accounts set balance = balance + $2 where id = $1', [b, x]);
    await this.commit(n);
  }
  async append(n) {
    const id = 1 + this.random.below(LISTS);
    await this.begin(n, 'append', id, 0, 0);
    await this.query('update lists set items = items || $2 where id = $1', [id, `,${this.number}:${n}`]);
    await this.commit(n);
  }
  async slot(n) {
    const id = 1 + this.random.below(SLOTS);
    await this.begin(n, 'slot', id, 0, 0);
    const gone = await this.query('delete from slots where id = $1', [id]);
    if (gone.rowCount !== 1) return this.query('rollback'); // its row was replaced while we waited
    await this.query('insert into slots values ($1, $2, $3)', [id, this.number, n]);
    return this.commit(n);
  }
  async bulk(n) {
    const count = 20 + this.random.below(300);
    await this.begin(n, 'bulk', count, 0, 0);
    await this.query(
      "insert into bulk select $1::int, $2::int, i, md5(($2::int * 1000 + i)::text) || repeat('p', i % 40) from generate_series(1, $3::int) i",
      [this.number, n, count],
    );
    await this.commit(n);
  }
  async unbulk(n) {
    const earlier = this.random.below(n) + 1;
    await this.begin(n, 'unbulk', earlier, 0, 0);
    await this.query('delete from bulk where w = $1 and n = $2', [this.number, earlier]);
    await this.commit(n);
  }
  async toast(n) {
    const count = 50 + this.random.below(300);
    await this.begin(n, 'toast', count, 0, 0);
    await this.query(
      "insert into toasted select $1::int, $2::int, string_agg(md5(($2::int + j)::text), '') from generate_series(1, $3::int) j",
      [this.number, n, count],
    );
    await this.commit(n);
  }
  async untoast(n) {
    const earlier = this.random.below(n) + 1;
    await this.begin(n, 'untoast', earlier, 0, 0);
    await this.query('delete from toasted where w = $1 and n = $2', [this.number, earlier]);
    await this.commit(n);
  }
  async unique(n) {
    const k = this.random.below(5000);
    await this.begin(n, 'unique', k, 0, 0);
    await this.query('insert into uniq values ($1, $2, $3)', [k, this.number, n]);
    await this.commit(n);
  }
  async savepoint(n) {
    const a = 1 + this.random.below(ACCOUNTS);
    await this.begin(n, 'savepoint', a, 0, 7);
    await this.query('savepoint one');
    await this.query("insert into junk select $1::int, $2::int, 'inner' || i from generate_series(1, 30) i", [
      this.number,
      n,
    ]);
    await this.query('update accounts set balance = balance + 1000000 where id = $1', [a]);
    await this.query('rollback to one');
    await this.query('savepoint two');
    await this.query('update accounts set balance = balance + 7 where id = $1', [a]);
    await this.query('release two');
    await this.commit(n);
  }
  async abort(n) {
    const a = 1 + this.random.below(ACCOUNTS);
    await this.begin(n, 'abort', a, 0, 0);
    await this.query('update accounts set balance = 0 where id = $1', [a]);
    await this.query("insert into junk select $1::int, $2::int, 'outer' || i from generate_series(1, 50) i", [
      this.number,
      n,
    ]);
    await this.query(`create table aborted_${this.number}_${n} (id int primary key, v text)`);
    await this.query('rollback');
  }
  async twoPhase(n) {
    const a = 1 + this.random.below(ACCOUNTS);
    const gid = `g_${this.number}_${n}`;
    await this.begin(n, 'twoPhase', a, 0, 11);
    await this.query('update accounts set balance = balance + 11 where id = $1', [a]);
    this.inDoubt.add(n);
    await this.query(`prepare transaction '${gid}'`);
    this.prepared.set(gid, n);
    if (this.random.below(3) === 0) {
      this.rolling = n;
      await this.query(`rollback prepared '${gid}'`);
      this.rolling = undefined;
      this.inDoubt.delete(n);
    } else {
      this.deciding = n;
      await this.query(`commit prepared '${gid}'`);
      this.deciding = undefined;
      this.ack(n);
    }
    this.prepared.delete(gid);
  }
  async makeTable(n) {
    const name = `own_${this.number}_${n}`;
    const rows = this.random.below(300);
    await this.begin(n, 'makeTable', rows, 0, 0);
    await this.query(`create table ${name} (id int primary key, v text, u int unique)`);
    await this.query(`insert into ${name} select i, repeat('v', i % 200), -i from generate_series(1, ${rows}) i`);
    await this.query(`create index on ${name} (v)`);
    await this.commit(n);
    this.tables.set(name, n);
  }
  async dropTable(n) {
    const [name] = this.tables.keys();
    if (name === undefined) return;
    const born = this.tables.get(name);
    this.tables.delete(name);
    await this.begin(n, 'dropTable', born, 0, 0);
    await this.query(`drop table ${name}`);
    if (this.random.below(4) === 0) return this.query('rollback').then(() => void this.tables.set(name, born));
    return this.commit(n);
  }
  /** Maintenance that changes no answer. */
  async vacuum() {
    const table = this.random.pick(['accounts', 'bulk', 'lists', 'toasted', 'slots']);
    await this.query(`vacuum ${this.random.below(6) === 0 ? '(freeze) ' : ''}${table}`);
  }
  async checkpoint() {
    if (this.random.below(4) === 0) await this.query('checkpoint');
  }
}

export const KINDS = [
  ...['transfer', 'transfer', 'transfer', 'append', 'append', 'slot', 'bulk', 'bulk', 'unbulk', 'toast', 'untoast'],
  ...['unique', 'savepoint', 'abort', 'twoPhase', 'makeTable', 'dropTable', 'checkpoint', 'vacuum'],
];
