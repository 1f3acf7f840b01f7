/** The same DDL by this server and by PostgreSQL 15: equal words, and equal rows in the catalogs but for OIDs. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Cluster } from '../support/cluster.ts';
import { giveFolder, hasOracle, oracle, OracleServer } from '../support/oracle.ts';

const SCRIPTS: Readonly<Record<string, string>> = {
  'tables, keys, indexes, drops': `
create table t1(a int primary key, b text not null default 'x', c varchar(10)[] , d int check (d>0), e int generated always as (a*2) stored);
create index i1 on t1(b, (a+d)) where d>5;
create table t2(a int, b int, c text collate "C", unique(a,b), unique nulls not distinct (b) include (c), constraint ck check (a<b), check (c <> 'x'));
create table t3(id bigint primary key, r int references t1 on delete cascade, s int, t int, foreign key (s,t) references t2(a,b) deferrable initially deferred);
create unlogged table t4(a int unique deferrable, b numeric(10,2) default 3.5, d timestamptz default now());
create unique index on t4(b desc, d) include (a) with (fillfactor=70);
create index on t4(b nulls first, (lower(d::date::text || 'x')));
create table t5(like t1 including defaults including constraints, z int) with (fillfactor=50, autovacuum_enabled=off, toast.autovacuum_enabled=off);
create table t6(q int) inherits (t2);
create table t7(x t1, y t1[], n name, u uuid, j jsonb);
create index on t7(n);
drop table t2;
drop table t2 cascade;
drop table if exists nope;
drop table nope;
drop index t1_pkey;
create table t1(a int);
create table bad(a int, a text);
create table bad(a nosuch);
create table bad(a int, primary key(b));
create table bad(a int check (b>0));
create table bad(a int default b);
create table bad(a int default 'x'::text::date);
create table bad(a int primary key, b int primary key);
create table bad(a int, xmin int);
create table bad(a int references nope);
create table bad(a int references t4(b));
create index on t1(nope);
create index on t1((random()));
create table bad(a int) with (foo=1);
create table bad(a int) with (fillfactor=1000);
create table bad(a json unique);
create table if not exists t1(a int);
create index if not exists i1 on t1(a);
drop view t1;
create table bad(a record);
drop table pg_class;
`,
  'ALTER TABLE, TRUNCATE, transactions': `
create table p1(a int, b text, c int);
insert into p1 values (1,'x',5),(2,'y',6),(3,null,7);
alter table p1 add primary key (a);
alter table p1 add primary key (b);
alter table p1 alter b set not null;
alter table p1 add constraint cc check (c > 5);
alter table p1 add constraint cc check (c > 4);
alter table p1 add column d int default 42, add e text;
select * from p1 order by a;
alter table p1 drop column c;
select * from p1 order by a;
alter table p1 alter e set default 'q';
insert into p1(a) values (9);
select * from p1 order by a;
alter table p1 alter e drop default;
alter table p1 alter column a drop not null;
alter table p1 drop constraint nope;
alter table p1 drop constraint p1_pkey;
alter table p1 add unique (a) with (fillfactor=80);
alter table p1 set (fillfactor=60);
create table q1(id int references p1(a));
truncate p1;
truncate p1, q1;
select count(*) from p1;
insert into p1 values (1,'z');
select * from p1;
select * from p1 where a=1;
truncate p1 cascade;
begin; create table w(a int primary key, b text); insert into w values (1,'k'); truncate w; insert into w values (1,'l'); select * from w; commit;
select * from w;
create temp table tm(a int) on commit delete rows; 
begin; insert into tm values(1); select * from tm; commit; select * from tm;
begin; create table rb(a int primary key); rollback; select * from rb;
begin; savepoint s; create table rb(a int primary key); rollback to s; create table rb(b int); commit; select * from rb;
begin; drop table w; rollback; select * from w;
alter table p1 add foreign key (d) references w(a) not valid;
alter table p1 drop constraint p1_d_fkey;
create table dups(a int); insert into dups values (1),(1); create unique index on dups(a);
create index on dups(a); 
drop table dups;
alter table nope add x int;
alter table if exists nope add x int;
alter table p1 add column a int;
alter table p1 add column if not exists a int;
`,
};

/** Rows of what was made, with names for OIDs. */
const CATALOGS: readonly string[] = [
  `select 'class', regexp_replace(relname,'\\d{5}','N'), relnamespace::regnamespace, reltype<>0, relkind, relpersistence, relam, relfilenode<>0, reltablespace, relpages, reltuples, relallvisible, reltoastrelid<>0, relhasindex, relnatts, relchecks, relhasrules, relhastriggers, relhassubclass, relrowsecurity, relispopulated, relreplident, relispartition, relfrozenxid<>0, relminmxid<>0, relacl, reloptions from pg_class where oid>=16384 `,
  `select 'attr', regexp_replace(c.relname,'\\d{5}','N'), attname, case when atttypid<16384 then atttypid end, attstattarget,attlen,attnum,attndims,attcacheoff,atttypmod,attbyval,attalign,attstorage,attcompression,attnotnull,atthasdef,atthasmissing,attidentity,attgenerated,attisdropped,attislocal,attinhcount,attcollation,attacl,attoptions,attfdwoptions,attmissingval from pg_attribute a join pg_class c on c.oid=attrelid where attrelid>=16384 `,
  `select 'type', typname, typlen,typbyval,typtype,typcategory,typispreferred,typisdefined,typdelim,typrelid<>0,typsubscript::int,typelem<>0,typarray<>0,typinput::int,typoutput::int,typreceive::int,typsend::int,typmodin::int,typmodout::int,typanalyze::int,typalign,typstorage,typnotnull,typbasetype,typtypmod,typndims,typcollation,typdefault,typacl from pg_type where oid>=16384 `,
  `select 'index', (select regexp_replace(relname,'\\d{5}','N') from pg_class where oid=indexrelid), indnatts,indnkeyatts,indisunique,indnullsnotdistinct,indisprimary,indisexclusion,indimmediate,indisclustered,indisvalid,indcheckxmin,indisready,indislive,indisreplident,indkey,indcollation,indclass,indoption,indexprs,indpred from pg_index where indexrelid>=16384 `,
  `select 'con', conname,(select relname from pg_class where oid=conrelid),contype,condeferrable,condeferred,convalidated,conindid<>0,confupdtype,confdeltype,confmatchtype,conislocal,coninhcount,connoinherit,conkey,confkey,conpfeqop,conppeqop,conffeqop,confdelsetcols,regexp_replace(conbin,':location -?\\d+','','g') from pg_constraint where oid>=16384 `,
  `select 'def', (select relname from pg_class where oid=adrelid), adnum, regexp_replace(adbin,'(location |constvalue 4 \\[)[ \\d-]+','','g') from pg_attrdef where oid>=16384 `,
  `select 'trig', regexp_replace(tgname,'\\d{5}','N'), (select relname from pg_class where oid=tgrelid), tgfoid::int,tgtype,tgenabled,tgisinternal,tgconstrrelid<>0,tgconstrindid<>0,tgconstraint<>0,tgdeferrable,tginitdeferred,tgnargs,tgattr,tgargs from pg_trigger where oid>=16384 `,
  `with nm as (select 1259 cl, oid, regexp_replace(relname,'\\d{5}','N') n from pg_class union all select 1247,oid,typname from pg_type union all select 2606,oid,'con '||conname from pg_constraint union all select 2604, oid, 'def of '||(select relname from pg_class where oid=adrelid)||adnum from pg_attrdef union all select 2620, oid, 'trig '||tgfoid||(select relname from pg_class where oid=tgrelid)||tgtype from pg_trigger union all select 2615, oid, nspname from pg_namespace) select 'dep', a.n, objsubid, b.n, refobjsubid, deptype from pg_depend d left join nm a on a.cl=classid and a.oid=objid left join nm b on b.cl=refclassid and b.oid=refobjid where objid>=16384 `,
  `select 'shdep', classid, deptype, count(*) from pg_shdepend where dbid<>0 and objid>=16384 and dbid=(select oid from pg_database where datname=current_database()) group by 1,2,3 `,
  `select 'inh', (select relname from pg_class where oid=inhrelid), (select relname from pg_class where oid=inhparent), inhseqno from pg_inherits `,
];

describe.runIf(hasOracle)('DDL beside PostgreSQL', () => {
  let cluster: Cluster;
  let server: OracleServer;
  let folder: string;
  beforeAll(async () => {
    cluster = await Cluster.create();
    folder = mkdtempSync(join(tmpdir(), 'nodegres-ddl-'));
    const data = join(folder, 'data');
    chmodSync(folder, 0o777);
    oracle('initdb', '-D', data, '-U', 'postgres', '-A', 'trust', '-N', '-E', 'UTF8', '--locale=C.UTF-8');
    // The socket lies where PostgreSQL's user may write.
    server = new OracleServer(data, tmpdir(), 54733);
  });
  afterAll(async () => {
    server.stop();
    giveFolder(folder, 'us');
    rmSync(folder, { recursive: true, force: true });
    await cluster.destroy();
  });

  /** What psql says to a script, errors and notices in their places. */
  function say(address: readonly string[], database: string, sql: string): string {
    const file = join(folder, 'script.sql');
    writeFileSync(file, `\\set VERBOSITY verbose\n${sql}`);
    const command = `psql -XAt -f ${file} ${address.join(' ')} -d ${database} 2>&1`;
    const text = execFileSync('sh', ['-c', command], { encoding: 'utf8' });
    return text.replace(/^LOCATION:.*\n/gm, '').replace(/^SCHEMA NAME:.*\n/gm, '');
  }
  const ours = (): string[] => ['-h', '127.0.0.1', '-p', String(cluster.port), '-U', 'postgres'];

  test.each(Object.keys(SCRIPTS))('%s', (name) => {
    const sql = SCRIPTS[name]!;
    expect(say(ours(), 'postgres', sql)).toBe(say(server.address, 'postgres', sql));
    for (const query of CATALOGS) {
      const rows = (address: readonly string[]): string[] => say(address, 'postgres', query).split('\n').sort();
      expect(rows(ours())).toEqual(rows(server.address));
    }
  });
});
