/** isolation-scenarios.ts — what sessions do to each other: scripts for isolation.ts. */

export interface Scenario {
  /** Before each play; begins from nothing, whatever an earlier scenario left. */
  readonly setup: string;
  readonly script: string;
}

const ACCOUNTS = `drop table if exists acc; create table acc(id int primary key, owner text, bal int);
  insert into acc values (1, 'ann', 100), (2, 'bob', 200), (3, 'cyd', 300)`;

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'dirty read, nonrepeatable read, phantom in READ COMMITTED': {
    setup: ACCOUNTS,
    script: `
      a: begin
      b: begin
      a: update acc set bal = 1 where id = 1
      b: select * from acc order by id
      a: insert into acc values (4, 'dan', 400)
      b: select count(*) from acc where bal > 0
      a: commit
      b: select * from acc order by id
      b: commit`,
  },
  'repeatable reads and no phantoms in REPEATABLE READ': {
    setup: ACCOUNTS,
    script: `
      b: begin isolation level repeatable read
      b: select count(*) from acc
      a: update acc set bal = bal + 1
      a: insert into acc values (4, 'dan', 400)
      a: delete from acc where id = 2
      b: select * from acc order by id
      b: select * from acc where id = 2
      b: select * from acc where id = 2 for update
      b: rollback
      b: select * from acc order by id`,
  },
  'lost update: the second one sees the first one in READ COMMITTED': {
    setup: ACCOUNTS,
    script: `
      a: begin
      b: begin
      a: update acc set bal = bal + 10 where id = 1 returning *
      b: update acc set bal = bal + 100 where id = 1 returning *
      a: commit
      b: commit
      b: select * from acc order by id`,
  },
  'lost update: the second one fails in REPEATABLE READ': {
    setup: ACCOUNTS,
    script: `
      a: begin isolation level repeatable read
      b: begin isolation level repeatable read
      b: select bal from acc where id = 1
      a: update acc set bal = bal + 10 where id = 1
      b: update acc set bal = bal + 100 where id = 1
      a: commit
      b: select 1
      b: commit
      a: begin
      b: begin isolation level repeatable read
      b: select bal from acc where id = 1
      a: update acc set bal = bal + 10 where id = 1
      b: update acc set bal = bal + 100 where id = 1
      a: rollback
      b: commit
      b: select * from acc order by id
      b: begin isolation level repeatable read
      b: select 1
      a: delete from acc where id = 3
      b: delete from acc where id = 3
      b: rollback
      b: begin isolation level repeatable read
      b: select 1
      a: update acc set bal = 0 where id = 2
      b: select * from acc where id = 2 for share
      b: rollback`,
  },
  'EvalPlanQual: the new row no longer matches': {
    setup: ACCOUNTS,
    script: `
      a: begin
      a: update acc set bal = bal - 150 where id = 2
      b: update acc set bal = bal + 1000 where bal >= 200 returning *
      a: commit
      a: select * from acc order by id
      a: begin
      a: update acc set id = 20 where id = 2
      b: update acc set bal = 7 where id = 2
      a: commit
      a: begin
      a: update acc set id = 21 where id = 20
      b: delete from acc where id in (20, 1) returning *
      a: rollback
      a: select * from acc order by id`,
  },
  'EvalPlanQual: the old row did not match, the new one is not looked for': {
    setup: ACCOUNTS,
    script: `
      a: begin
      a: update acc set bal = bal + 100
      b: delete from acc where bal = 200 returning *
      a: commit
      a: select * from acc order by id`,
  },
  'EvalPlanQual: deleted in the meantime': {
    setup: ACCOUNTS,
    script: `
      a: begin
      a: delete from acc where id = 1
      b: update acc set bal = 5 where id <= 2 returning *
      a: commit
      a: begin
      a: delete from acc where id = 2
      b: select * from acc where id >= 2 order by id for update
      a: commit
      a: select * from acc order by id`,
  },
  'EvalPlanQual: joins, FROM and USING, subqueries': {
    setup: `${ACCOUNTS}; drop table if exists pay; create table pay(acc int, amount int); insert into pay values (1, 10), (2, 20), (3, 30)`,
    script: `
      a: begin
      a: update acc set bal = 1000 where id = 1
      b: update acc set bal = bal + amount from pay where pay.acc = acc.id returning acc.*, pay.*
      a: commit
      a: begin
      a: update acc set bal = 0 where id = 2
      b: delete from acc using pay where pay.acc = acc.id and bal > 0 and pay.amount < 25 returning acc.*
      a: commit
      a: begin
      a: update acc set bal = 1 where id = 3
      b: select acc.*, amount from acc join pay on pay.acc = acc.id where bal < 10 order by id for update
      a: commit
      a: begin
      a: update pay set amount = 99 where acc = 3
      b: select acc.*, amount from acc join pay on pay.acc = acc.id where amount > 25 order by id for update of pay
      a: commit
      a: begin
      a: update acc set bal = 50 where id = 3
      b: select acc.id, bal, amount from pay left join acc on pay.acc = acc.id order by amount for update of pay
      a: commit
      a: begin
      a: update acc set bal = 51 where id = 3
      b: update acc set bal = bal + (select sum(amount) from pay) where id in (select acc from pay where amount > 50) returning *
      a: commit
      a: begin
      a: update acc set bal = 52 where id = 3
      b: with big as (select id from acc where bal > 10 order by id for update) select * from big
      a: commit
      a: select * from acc order by id`,
  },
  'EvalPlanQual: a chain of updates, in several transactions': {
    setup: ACCOUNTS,
    script: `
      a: begin
      a: update acc set bal = bal + 1 where id = 1
      b: begin
      b: update acc set bal = bal + 10 where id = 1 returning *
      c: update acc set bal = bal + 100 where id = 1 returning *
      a: update acc set bal = bal + 1000 where id = 1
      a: commit
      b: update acc set bal = bal + 10 where id = 1 returning *
      b: commit
      a: select * from acc order by id`,
  },
  'EvalPlanQual: LIMIT and ORDER BY with locking': {
    setup: ACCOUNTS,
    script: `
      a: begin
      a: update acc set bal = 500 where id = 1
      b: select * from acc order by bal limit 2 for update
      a: commit
      a: begin
      a: delete from acc where id = 2
      b: select * from acc order by id limit 2 for update
      a: commit
      a: select * from acc order by id`,
  },
  'FOR UPDATE waits, NOWAIT fails, SKIP LOCKED leaves out': {
    setup: ACCOUNTS,
    script: `
      a: begin
      a: select * from acc where id = 2 for update
      b: select * from acc where id = 2
      b: select * from acc where id = 2 for update nowait
      b: select * from acc order by id for update skip locked
      b: select * from acc order by id for no key update skip locked limit 1
      b: select * from acc order by id for key share skip locked
      b: begin
      b: select * from acc order by id for share skip locked
      c: select * from acc order by id for key share skip locked
      c: select * from acc order by id for update skip locked
      c: select * from acc where id = 1 for update
      b: commit
      b: set lock_timeout = '50ms'
      b!: select * from acc where id = 2 for update
      b!: update acc set bal = 0 where id = 2
      a: commit
      b: select * from acc where id = 2 for update
      b: reset lock_timeout`,
  },
  'a queue: three workers take different jobs': {
    setup: `drop table if exists job; create table job(id int primary key, state text default 'new');
      insert into job select generate_series(1, 5)`,
    script: `
      a: begin
      b: begin
      c: begin
      a: update job set state = 'a' where id = (select id from job where state = 'new' order by id for update skip locked limit 1) returning *
      b: update job set state = 'b' where id = (select id from job where state = 'new' order by id for update skip locked limit 1) returning *
      c: delete from job where id in (select id from job where state = 'new' order by id for update skip locked limit 2) returning *
      a: commit
      b: rollback
      a: select * from job where state = 'new' order by id for update skip locked
      c: commit
      a: select * from job order by id`,
  },
  'deadlock: one victim, the other one goes on': {
    setup: ACCOUNTS,
    script: `
      a: set deadlock_timeout = '100s'
      b: set deadlock_timeout = '20ms'
      a: begin
      b: begin
      a: update acc set bal = 1 where id = 1
      b: update acc set bal = 2 where id = 2
      a: update acc set bal = 1 where id = 2
      b!: update acc set bal = 2 where id = 1
      b: select 1
      b: rollback
      a: commit
      a: select * from acc order by id`,
  },
  'deadlock of three, over rows and tables': {
    setup: `${ACCOUNTS}; drop table if exists side; create table side(a int)`,
    script: `
      a: set deadlock_timeout = '100s'
      b: set deadlock_timeout = '100s'
      c: set deadlock_timeout = '20ms'
      a: begin
      b: begin
      c: begin
      a: update acc set bal = 1 where id = 1
      b: lock table side in share mode
      c: select pg_advisory_xact_lock(42)
      a: insert into side values (1)
      b: select pg_advisory_xact_lock(42)
      c!: delete from acc where id = 1
      c: rollback
      b: commit
      a: commit
      a: select * from acc order by id`,
  },
  'deadlock of two upgrades of a shared row lock': {
    setup: ACCOUNTS,
    script: `
      a: set deadlock_timeout = '100s'
      b: set deadlock_timeout = '20ms'
      a: begin
      b: begin
      a: select id from acc where id = 1 for share
      b: select id from acc where id = 1 for share
      a: update acc set bal = 1 where id = 1
      b!: update acc set bal = 2 where id = 1
      b: rollback
      a: commit
      a: select * from acc order by id`,
  },
  'ON CONFLICT: the row of an open transaction': {
    setup: ACCOUNTS,
    script: `
      a: begin
      a: insert into acc values (9, 'a', 1)
      b: insert into acc values (9, 'b', 2) on conflict (id) do nothing returning *
      a: commit
      a: begin
      a: insert into acc values (10, 'a', 1)
      b: insert into acc values (10, 'b', 2) on conflict (id) do update set bal = acc.bal + excluded.bal returning *
      a: commit
      a: begin
      a: insert into acc values (11, 'a', 1)
      b: insert into acc values (11, 'b', 2) on conflict (id) do update set bal = acc.bal + excluded.bal returning *
      a: rollback
      a: begin
      a: update acc set bal = 0 where id = 11
      b: insert into acc values (11, 'c', 5) on conflict (id) do update set bal = acc.bal + excluded.bal where acc.bal < 3 returning *
      a: commit
      a: begin
      a: delete from acc where id = 11
      b: insert into acc values (11, 'd', 6) on conflict (id) do update set bal = 6 returning *
      a: commit
      a: begin
      a: insert into acc values (12, 'a', 1)
      b: insert into acc values (12, 'b', 2)
      c: insert into acc values (12, 'c', 3) on conflict do nothing
      a: commit
      a: select * from acc order by id`,
  },
  'ON CONFLICT: what REPEATABLE READ cannot see': {
    setup: ACCOUNTS,
    script: `
      b: begin isolation level repeatable read
      b: select count(*) from acc
      a: insert into acc values (9, 'a', 1)
      b: insert into acc values (9, 'b', 2) on conflict (id) do nothing
      b: rollback
      b: begin isolation level repeatable read
      b: select count(*) from acc
      a: update acc set bal = 3 where id = 9
      b: insert into acc values (9, 'b', 2) on conflict (id) do update set bal = 4
      b: rollback
      b: insert into acc values (1, 'x', 1), (1, 'y', 2) on conflict (id) do update set bal = excluded.bal
      b: insert into acc values (77, 'x', 1), (77, 'y', 2) on conflict (id) do nothing
      b: begin isolation level repeatable read
      b: insert into acc values (78, 'x', 1), (78, 'y', 2) on conflict (id) do nothing
      b: commit`,
  },
  'a unique key: who inserts second waits for the first': {
    setup: `drop table if exists uniq; create table uniq(a int primary key, b int unique)`,
    script: `
      a: begin
      a: insert into uniq values (1, 1)
      b: insert into uniq values (1, 2)
      a: commit
      a: begin
      a: insert into uniq values (2, 2)
      b: insert into uniq values (3, 2)
      a: rollback
      a: begin
      a: delete from uniq where a = 3
      b: insert into uniq values (3, 5)
      a: commit
      a: begin
      a: delete from uniq where a = 3
      b: insert into uniq values (3, 6)
      a: rollback
      a: begin
      a: update uniq set b = 8 where a = 3
      b: insert into uniq values (4, 5)
      a: commit
      a: begin
      a: update uniq set b = 8 where a = 4
      a: rollback
      a: select * from uniq order by a`,
  },
  'savepoints: a rolled back subtransaction gives its row locks back': {
    setup: ACCOUNTS,
    script: `
      a: begin
      a: select * from acc where id = 1 for key share
      a: savepoint s
      a: select * from acc where id = 1 for update
      b: select * from acc where id = 1 for share nowait
      b: select * from acc where id = 1 for share
      a: rollback to s
      b: select * from acc where id = 1 for update nowait
      a: savepoint t
      a: update acc set bal = 7 where id = 2
      b: update acc set bal = 8 where id = 2
      a: rollback to t
      a: savepoint u
      a: update acc set bal = 9 where id = 3
      a: release u
      b: update acc set bal = bal + 1 where id = 3 returning *
      a: commit
      a: select * from acc order by id`,
  },
  'savepoints: an error in one of them, the rest commits': {
    setup: ACCOUNTS,
    script: `
      a: begin
      a: insert into acc values (5, 'e', 5)
      a: savepoint s
      a: insert into acc values (5, 'f', 6)
      a: select 1
      b: insert into acc values (5, 'g', 7)
      a: rollback to s
      a: update acc set bal = 55 where id = 5
      a: commit
      a: begin
      a: savepoint s1
      a: insert into acc values (6, 'h', 1)
      a: savepoint s2
      a: insert into acc values (7, 'i', 1)
      b: insert into acc values (7, 'j', 2)
      a: rollback to s2
      c: insert into acc values (6, 'k', 3)
      a: rollback to s1
      a: commit
      a: select * from acc order by id`,
  },
  'a lock is upgraded by who holds it together with others': {
    setup: ACCOUNTS,
    script: `
      a: begin
      b: begin
      c: begin
      a: select id from acc where id = 1 for key share
      b: select id from acc where id = 1 for key share
      c: update acc set bal = 11 where id = 1 returning *
      a: select * from acc where id = 1 for share
      c: commit
      b: update acc set bal = 12 where id = 1 returning *
      a: commit
      b: commit
      a: select * from acc order by id`,
  },
  'key share lets updates of other columns through, but no change of the key and no delete': {
    setup: ACCOUNTS,
    script: `
      a: begin
      a: select id from acc where id = 1 for key share
      b: update acc set bal = 1 where id = 1
      b: begin
      b: update acc set id = 50 where id = 1
      a: select id, bal from acc where id = 1 for key share
      a: commit
      b: commit
      a: begin
      a: select id from acc where id = 2 for key share
      b: delete from acc where id = 2
      a: commit
      a: select * from acc order by id`,
  },
  'prepared transactions hold their locks': {
    setup: `${ACCOUNTS}; drop table if exists side; create table side(a int)`,
    script: `
      a: begin
      a: update acc set bal = 1 where id = 1
      a: select id from acc where id = 2 for share
      a: insert into acc values (8, 'p', 8)
      a: lock table side in share row exclusive mode
      a: prepare transaction 'kept'
      a: select * from acc order by id
      b: update acc set bal = 2 where id = 1
      c: insert into acc values (8, 'q', 9) on conflict (id) do update set bal = acc.bal + 100 returning *
      d: insert into side values (1)
      e: delete from acc where id = 2
      a: commit prepared 'kept'
      a: begin
      a: delete from acc where id = 3
      a: prepare transaction 'lost'
      b: update acc set bal = 33 where id = 3 returning *
      a: rollback prepared 'lost'
      a: select * from acc order by id`,
  },
  'SERIALIZABLE and prepared transactions': {
    setup: ACCOUNTS,
    script: `
      a: begin isolation level serializable
      b: begin isolation level serializable
      a: select sum(bal) from acc
      b: select sum(bal) from acc
      a: update acc set bal = 1 where id = 1
      a: prepare transaction 'ser'
      b: update acc set bal = 2 where id = 2
      b: commit
      a: commit prepared 'ser'
      b: rollback
      a: select * from acc order by id`,
  },
  'SERIALIZABLE: unique keys taken in between': {
    setup: ACCOUNTS,
    script: `
      a: begin isolation level serializable
      b: begin isolation level serializable
      a: select * from acc where id = 9
      b: select * from acc where id = 9
      a: insert into acc values (9, 'a', 1)
      a: commit
      b: insert into acc values (9, 'b', 2)
      b: rollback
      a: begin isolation level serializable
      b: begin isolation level serializable
      a: select max(id) from acc
      b: select max(id) from acc
      a: insert into acc values (10, 'a', 1)
      b: insert into acc values (11, 'b', 1)
      a: commit
      b: commit
      b: rollback`,
  },
  'SERIALIZABLE READ ONLY DEFERRABLE waits for a safe snapshot': {
    setup: ACCOUNTS,
    script: `
      a: begin isolation level serializable
      a: update acc set bal = 0 where id = 1
      a: commit
      b: begin isolation level serializable read only deferrable
      b: select * from acc order by id
      b: update acc set bal = 1
      b: rollback`,
  },
  'DDL waits for readers and writers, and they for it': {
    setup: ACCOUNTS,
    script: `
      a: begin
      a: select count(*) from acc
      b: alter table acc add column extra int default 5
      c: select * from acc order by id
      a: commit
      a: begin
      a: update acc set extra = 6 where id = 1
      b: create index on acc(bal)
      c: update acc set extra = 7 where id = 2
      a: commit
      a: begin
      a: truncate acc
      b: select count(*) from acc
      a: rollback
      a: begin
      a: drop table acc
      b: select count(*) from acc
      a: commit`,
  },
  'a row that moves through an index scan and is counted once': {
    setup: `drop table if exists mov; create table mov(k int primary key, v int); insert into mov select g, g from generate_series(1, 200) g`,
    script: `
      a: begin
      a: update mov set k = k + 1000 where k <= 100
      b: select count(*), sum(v) from mov where k > 50
      b: update mov set v = 0 where k between 90 and 110
      a: commit
      b: select count(*), sum(v), min(k), max(k) from mov
      b: select count(*) from mov where k between 90 and 110`,
  },
  'cursors keep their snapshot; those FOR UPDATE lock row by row': {
    setup: ACCOUNTS,
    script: `
      a: begin
      a: declare c cursor for select * from acc order by id
      a: fetch 1 from c
      b: update acc set bal = 999
      a: fetch all from c
      a: commit
      a: begin
      a: declare d cursor for select * from acc where id >= 1 for update
      a: fetch 2 from d
      b: update acc set bal = 1 where id = 2
      c: update acc set bal = 3 where id = 3
      a: fetch all from d
      a: commit
      a: select * from acc order by id`,
  },
  'SELECT FOR UPDATE takes the newest version, a plain SELECT its snapshot': {
    setup: ACCOUNTS,
    script: `
      a: begin isolation level read committed
      a: select bal from acc where id = 1
      b: update acc set bal = 101 where id = 1
      a: select bal from acc where id = 1 for update
      b: update acc set bal = 102 where id = 1
      a: select bal from acc where id = 1
      a: commit
      a: select bal from acc where id = 1`,
  },
  'EvalPlanQual: nested loops over indexes, and what an index condition says of the new row': {
    setup: `drop table if exists ord, item; create table ord(id int primary key, state text, note int);
      create table item(id int primary key, ord int, n int); create index on item(ord);
      insert into ord select g, 'open', g from generate_series(1, 300) g;
      insert into item select g, (g - 1) / 2 + 1, g from generate_series(1, 600) g; analyze ord; analyze item`,
    script: `
      a: begin
      a: update item set ord = 8, n = n * 10 where id in (13, 14)
      b: update ord set note = item.n from item where item.ord = ord.id and ord.id = 7 and item.id = 13 returning ord.*, item.*
      a: update ord set state = 'closed' where id = 7
      a: commit
      b: select * from ord where id in (7, 8) order by id
      a: begin
      a: update ord set state = 'closed' where id = 9
      b: delete from item using ord where ord.id = item.ord and ord.state = 'open' and item.ord = 9 returning item.*
      a: commit
      a: begin
      a: update item set ord = 11 where id = 20
      b: update item set n = 0 where ord = 10 returning *
      a: commit
      a: begin
      a: update item set ord = 12 where id = 25
      b: select * from item where ord in (12, 13) order by id for update
      a: commit
      a: begin
      a: update ord set id = 1020 where id = 20
      b: select ord.id, item.id from ord join item on item.ord = ord.id where ord.id between 19 and 21 order by 1, 2 for update of ord
      a: commit
      a: begin
      a: update ord set note = -1 where id = 30
      b: update ord set note = note - 10 where id = (select max(ord) from item where id < 60) returning *
      a: commit
      a: begin
      a: update ord set note = -1 where id = 31
      b: update ord o set note = (select count(*) from item where item.ord = o.id) where o.id = 31 and exists (select 1 from item where item.ord = o.id) returning *
      a: commit
      a: begin
      a: update ord set note = 77 where id = 32
      b: with moved as (update ord set note = note + 1 where id = 32 returning *) select * from moved
      a: commit
      a: begin
      a: delete from ord where id = 33
      b: with moved as (delete from ord where id in (33, 34) returning *) insert into ord select id + 5000, state, note from moved returning *
      a: commit`,
  },
  'row locks of several transactions on one row': {
    setup: ACCOUNTS,
    script: `
      a: begin
      b: begin
      c: begin
      a: select id from acc where id = 1 for share
      b: select id from acc where id = 1 for share
      c: select id from acc where id = 1 for key share
      d: update acc set bal = 0 where id = 1
      a: commit
      c: select id from acc where id = 1 for share
      b: commit
      c: rollback
      a: begin
      b: begin
      a: update acc set bal = 5 where id = 2
      b: select id from acc where id = 2 for key share
      a: savepoint s
      a: update acc set bal = 6 where id = 2
      a: rollback to s
      a: commit
      c: update acc set bal = bal + 1 where id = 2 returning *
      c: delete from acc where id = 2
      b: commit
      a: begin
      a: select * from acc where id = 3 for no key update
      b: begin
      b: select id from acc where id = 3 for key share
      b: select id from acc where id = 3 for share
      a: rollback
      b: update acc set bal = 4 where id = 3
      b: commit
      a: select * from acc order by id`,
  },
  'an exclusion of two updates of a unique key': {
    setup: `drop table if exists uq; create table uq(k int unique, v int); insert into uq values (1, 1), (2, 2), (3, 3)`,
    script: `
      a: begin
      a: update uq set k = 10 where k = 1
      b: update uq set k = 10 where k = 2
      a: rollback
      a: begin
      a: update uq set k = 1 where k = 10
      b: insert into uq values (10, 0)
      a: commit
      a: begin isolation level repeatable read
      a: select * from uq order by k
      b: delete from uq where k = 3
      a: insert into uq values (3, 33)
      a: select * from uq order by k
      a: commit
      a: select * from uq order by k`,
  },
  'read-only transactions write only what is temporary': {
    setup: ACCOUNTS,
    script: `
      a: create temp table own(a int)
      a: begin read only
      a: insert into own values (1)
      a: select * from own for update
      a: explain (costs off) update acc set bal = 1
      a: select * from acc for share
      a: rollback
      a: begin read only
      a: with x as (delete from acc returning *) select * from x
      a: rollback
      a: begin read only
      a: create table nope(a int)
      a: rollback
      a: drop table own`,
  },
  'the end of a waiting session': {
    setup: ACCOUNTS,
    script: `
      a: begin
      a: update acc set bal = 0 where id = 1
      b: set statement_timeout = '60ms'
      b!: update acc set bal = 1 where id = 1
      b: reset statement_timeout
      b: begin
      b: update acc set bal = 2 where id = 2
      b: update acc set bal = 2 where id = 1
      a: select count(pg_cancel_backend(pid)) from pg_locks where not granted
      b: rollback
      a: commit
      a: select * from acc order by id`,
  },
};

/** Foreign keys, whose checks lock rows of the other table. */
export const FOREIGN_KEYS: Readonly<Record<string, Scenario>> = {
  'foreign keys: a row that is referred to while it goes': {
    setup: `drop table if exists child; drop table if exists parent; create table parent(id int primary key, note text);
      create table child(id int primary key, parent int references parent on delete cascade);
      insert into parent values (1, 'x'), (2, 'y'), (3, 'z')`,
    script: `
      a: begin
      a: insert into child values (1, 1)
      b: update parent set note = 'changed' where id = 1
      b: delete from parent where id = 1
      a: commit
      a: select * from child
      a: begin
      a: delete from parent where id = 2
      b: insert into child values (2, 2)
      a: commit
      a: begin
      a: update parent set id = 30 where id = 3
      b: insert into child values (3, 3)
      a: rollback
      a: begin isolation level repeatable read
      a: select count(*) from child
      b: insert into child values (4, 3)
      a: delete from parent where id = 3
      a: rollback
      a: select * from parent order by id
      a: select * from child order by id`,
  },
};

export interface Permuted {
  readonly setup: string;
  readonly sessions: readonly (readonly string[])[];
  /** At the end. */
  readonly look: string;
}
/** Specifications whose every interleaving (or many of them) must end alike. No step waits. */
export const PERMUTED: Readonly<Record<string, Permuted>> = {
  'write skew': {
    setup: `drop table if exists skew; create table skew(i int primary key, t text); insert into skew values (5, 'apple'), (7, 'pear')`,
    sessions: [
      ['a: begin isolation level serializable', `a: update skew set t = 'x' where t = 'apple'`, 'a: commit'],
      ['b: begin isolation level serializable', `b: update skew set t = 'apple' where t = 'pear'`, 'b: commit'],
    ],
    look: 'a: select * from skew order by i',
  },
  'read-only anomaly': {
    setup: `drop table if exists bank; create table bank(id text primary key, balance int); insert into bank values ('X', 0), ('Y', 0)`,
    sessions: [
      [
        'a: begin isolation level serializable',
        `a: select balance from bank where id = 'Y'`,
        `a: update bank set balance = 20 where id = 'Y'`,
        'a: commit',
      ],
      [
        'b: begin isolation level serializable',
        `b: select id, balance from bank where id in ('X', 'Y') order by id`,
        `b: update bank set balance = -11 where id = 'X'`,
        'b: commit',
      ],
      [
        'c: begin isolation level serializable read only',
        `c: select id, balance from bank where id in ('X', 'Y') order by id`,
        'c: commit',
      ],
    ],
    look: 'a: select * from bank order by id',
  },
  'receipts and their report': {
    setup: `drop table if exists ctl; drop table if exists receipt; create table ctl(k text not null, deposit_date date not null);
      insert into ctl values ('receipt', date '2008-12-22'); create table receipt(no int not null, deposit_date date not null, payee text, amount numeric);
      insert into receipt values (1, (select deposit_date from ctl where k = 'receipt'), 'Crosby', 100), (2, (select deposit_date from ctl where k = 'receipt'), 'Stills', 200)`,
    sessions: [
      [
        'a: begin isolation level serializable',
        `a: insert into receipt values (3, (select deposit_date from ctl where k = 'receipt'), 'Nash', 100)`,
        'a: commit',
      ],
      [
        'b: begin isolation level serializable',
        `b: update ctl set deposit_date = date '2008-12-23' where k = 'receipt'`,
        'b: commit',
      ],
      [
        'c: begin isolation level serializable read only',
        `c: select * from ctl where k = 'receipt'`,
        `c: select no, amount from receipt where deposit_date = date '2008-12-22' order by no`,
        'c: commit',
      ],
    ],
    look: 'a: select no, deposit_date from receipt order by no',
  },
  'an insert that a scan of a range would have seen': {
    setup: `drop table if exists rng; create table rng(k int primary key, v int); insert into rng select g, g from generate_series(1, 1000) g`,
    sessions: [
      [
        'a: begin isolation level serializable',
        'a: select count(*) from rng where k between 10 and 20',
        'a: insert into rng values (2000, 1)',
        'a: commit',
      ],
      [
        'b: begin isolation level serializable',
        'b: select count(*) from rng where k between 1990 and 2010',
        'b: insert into rng values (-5, 1)',
        'b: delete from rng where k = 15',
        'b: commit',
      ],
    ],
    look: 'a: select count(*), sum(k) from rng',
  },
  'two counts': {
    setup: `drop table if exists ids; create table ids(id int not null); insert into ids values (1)`,
    sessions: [
      ['a: begin isolation level serializable', 'a: update ids set id = id + 1', 'a: commit'],
      [
        'b: begin isolation level serializable',
        'b: insert into ids values ((select max(id) + 10 from ids))',
        'b: commit',
      ],
      ['c: begin isolation level serializable', 'c: select * from ids', 'c: commit'],
    ],
    look: 'a: select * from ids order by id',
  },
};

/** What a holder does to a row, against what another one wants. */
export const HOLDS: readonly string[] = [
  'select id from acc where id = 1 for key share',
  'select id from acc where id = 1 for share',
  'select id from acc where id = 1 for no key update',
  'select id from acc where id = 1 for update',
  `update acc set owner = 'changed' where id = 1`,
  'update acc set id = 101 where id = 1',
  'delete from acc where id = 1',
];
export const WANTS: readonly string[] = ['key share', 'share', 'no key update', 'update'];
export const MATRIX_SETUP = ACCOUNTS;

export const RANDOM_SETUP = `drop table if exists r; create table r(k int primary key, u int unique, v int);
  insert into r values (1, 1, 1), (2, 2, 2), (3, 3, 3)`;
/** A script of some sessions that do whatever comes to their minds; the same seed gives the same one. */
export function randomScript(seed: number, steps: number): string[] {
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  const upTo = (n: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % n;
  };
  const one = (of: readonly string[]): string => of[upTo(of.length)]!;
  const key = (): number => 1 + upTo(4);
  const levels =
    seed % 2 === 0 ? ['serializable', 'serializable', 'repeatable read'] : ['read committed', 'repeatable read'];
  const makers: readonly (() => string)[] = [
    () => `begin isolation level ${one(levels)}`,
    () => `begin isolation level ${one(levels)}`,
    () => 'commit',
    () => 'commit',
    () => 'rollback',
    () => 'savepoint s',
    () => 'rollback to s',
    () => 'release s',
    () => 'select * from r order by k, v',
    () =>
      `select * from r where k = ${key()} for ${one(['update', 'no key update', 'share', 'key share'])} ${one(['', '', 'nowait', 'skip locked'])}`,
    () => `select * from r order by k for ${one(['update', 'share', 'key share'])} skip locked`,
    () => `update r set v = v + 1 where k = ${key()} returning *`,
    () => `update r set v = v + 10 where v > ${upTo(30)} returning *`,
    () => `update r set u = ${key()} where k = ${key()} returning *`,
    () => `update r set k = ${key()} where k = ${key()} returning *`,
    () => `delete from r where k = ${key()} returning *`,
    () => `delete from r where v = ${key()} returning *`,
    () => `insert into r values (${key()}, ${key()}, ${key()}) returning *`,
    () => `insert into r values (${key()}, ${key()}, ${key()}) on conflict do nothing returning *`,
    () =>
      `insert into r values (${key()}, ${10 + upTo(90)}, 0) on conflict (k) do update set v = r.v + 100 where r.v < 500 returning *`,
  ];
  const names = ['a', 'b', 'c'];
  const script = names.map((name) => `${name}: set deadlock_timeout = '1ms'`);
  for (const name of names) script.push(`${name}: begin isolation level ${levels[0]}`);
  for (let n = 0; n < steps; n++) script.push(`${one(names)}: ${makers[upTo(makers.length)]!()}`);
  // Whoever waits lets the others end first.
  for (let n = 0; n < names.length; n++) for (const name of names) script.push(`${name}: commit`);
  return [...script, 'a: select * from r order by k, v'];
}
