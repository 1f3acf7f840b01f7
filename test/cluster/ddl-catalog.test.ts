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
  'names, schemas, owners': `
create role j1own;
create schema j1s;
create table r1(a int primary key, b text unique, c int check (c>0), d serial);
create index r1i on r1(b, c);
create view r1v as select a,b from r1;
create sequence r1s;
alter table r1 rename to r2;
alter table r2 rename column b to bb;
alter table r2 rename constraint r1_pkey to r2_pk;
alter table r2 rename constraint r1_c_check to r2_cc;
alter index r1i rename to r2i;
alter table r2i rename to r2ii;
alter index nope rename to x;
alter index if exists nope rename to x;
alter table r2 rename bb to a;
alter table r2 rename nope to a;
alter table r2 rename ctid to a;
alter table r2 rename a to ctid;
alter table r2 rename to r1v;
alter view r1v rename to r2v;
alter view r2v rename column a to aa;
alter sequence r1s rename to r2s;
alter sequence r2 rename to r2s;
alter view r2 rename to r2s;
select * from r2v;
alter table r2 set schema j1s;
alter sequence r2s set schema j1s;
alter sequence j1s.r1_d_seq set schema public;
alter view r2v set schema j1s;
alter table j1s.r2 set schema j1s;
alter table j1s.r2 set schema nope;
alter table j1s.r2ii set schema public;
select * from j1s.r2v;
insert into j1s.r2 values (1,'x',3);
alter table j1s.r2 owner to j1own;
alter view j1s.r2v owner to j1own;
alter sequence j1s.r2s owner to j1own;
alter sequence j1s.r1_d_seq owner to postgres;
alter index j1s.r2ii owner to postgres;
alter table j1s.r2 owner to nope;
select relname, relnamespace::regnamespace, relowner::regrole, relacl from pg_class where relnamespace='j1s'::regnamespace order by 1;
select typname, typnamespace::regnamespace, typowner::regrole from pg_type where typnamespace='j1s'::regnamespace order by 1;
select conname, connamespace::regnamespace from pg_constraint where connamespace='j1s'::regnamespace order by 1;
`,
  'types and rewrites': `
create table wt(a int, b text default 'q', c int, d varchar(10), e numeric(10,2), f timestamp, g int[], primary key(a));
create index on wt(b); create index on wt(c desc, lower(b)) where c > 3; create unique index wu on wt(d varchar_pattern_ops) include (c) with (fillfactor=60);
alter table wt add constraint wck check (c > 0), add constraint wu2 unique (c) ;
create table wf(x int references wt(a), y int references wt(c) on delete cascade);
comment on constraint wck on wt is 'hello'; comment on index wt_b_idx is 'idx';
insert into wt values (1,'a',5,'dd',3.14,'2020-01-01','{1,2}'),(2,'b',6,null,null,null,null);
insert into wf values (1,5);
alter table wt alter a type bigint;
select * from wt order by a;
alter table wt alter c type bigint, alter b type varchar(20), alter b set default 'zz';
select * from wt order by a; insert into wt(a,c) values (3,9); select * from wt order by a;
alter table wt alter d type varchar(20);
alter table wt alter d type varchar(1);
alter table wt alter e type int;
alter table wt alter e type int using (e*100)::int;
alter table wt alter f type date using f::date;
alter table wt alter b type int;
alter table wt alter b type int using length(b);
alter table wt alter b drop default, alter b type int using length(b);
alter table wt alter g type text[];
alter table wt alter nope type int; alter table wt alter ctid type int;
alter table wt alter c type text, alter c type int;
alter table wt alter c type text;
alter table wt alter c type numeric using c*1.5;
select * from wt order by a;
alter table wt add h int default 3 , add i text not null default clock_timestamp()::text, add j serial, add k int generated always as (a*2) stored, add l bigint generated by default as identity;
select a,h,i is not null,j,k,l from wt order by a;
alter table wt add m int not null;
alter table wt alter k drop expression; 
alter table wt alter l drop identity;
alter table wt alter l drop identity;
alter table wt alter l drop identity if exists;
alter table wt alter a type int;
alter table wt set unlogged; select relname, relpersistence from pg_class where relname like 'wt%' and relnamespace=2200 order by 1;
alter table wf drop constraint wf_x_fkey, drop constraint wf_y_fkey;
alter table wt set unlogged; select relname, relpersistence from pg_class where relname like 'wt%' and relnamespace=2200 order by 1;
alter table wt set logged; select relname, relpersistence from pg_class where relname like 'wt%' and relnamespace=2200 order by 1;
select a,b,c,d,e,f,g,h,j,k from wt where a = 2;  
`,
  'indexes made and dropped concurrently': `
create table cc(a int, b text) with (autovacuum_enabled=off); insert into cc select g, 'v'||g from generate_series(1,500) g;
create index concurrently cc_a on cc(a);
create unique index concurrently cc_b on cc(lower(b)) where a > 3;
create index concurrently if not exists cc_a on cc(a);
select indexrelid::regclass, indisvalid, indisready, indislive, indcheckxmin from pg_index where indrelid='cc'::regclass order by 1;
insert into cc values (7,'v7x');
create unique index concurrently cc_bad on cc(a);
select indexrelid::regclass, indisvalid, indisready, indislive from pg_index where indrelid='cc'::regclass order by 1;
begin; create index concurrently x on cc(a); rollback;
begin; drop index concurrently cc_bad; rollback;
drop index concurrently cc_bad;
drop index concurrently cc_a, cc_b;
drop index concurrently cc_a cascade;
drop index concurrently cc_a;
drop index concurrently if exists cc_a;
select indexrelid::regclass, indisvalid, indisready, indislive from pg_index where indrelid='cc'::regclass order by 1;
select relname, relhasindex from pg_class where relname like 'cc%' order by 1;
create temp table ct(a int); create index concurrently on ct(a); drop index concurrently ct_a_idx;
`,
  'children, and ALTER of what is no table': `
create table par(a int, b int default 3, constraint pc check (a > 0)); create table ch(x int) inherits (par); create table gch() inherits (ch);
insert into par values (1); insert into ch values (2,4,5); insert into gch values (6,7,8);
alter table par add c int default 9 not null; alter table only par add d int; alter table ch add z int; alter table par add z int; alter table ch add y text; alter table par add y int;
select * from only par; select * from only gch;
alter table par drop b; select * from only ch; alter table only par drop c; alter table ch drop a; alter table ch drop c;
alter table par rename a to aa; alter table only par rename aa to aaa; alter table ch rename aa to q; alter table par rename constraint pc to pcc; alter table ch rename constraint pcc to pc; 
alter table par alter aa type bigint; select * from only par; alter table only par alter aa type int; alter table ch alter aa type int; alter table par alter aa type text using aa||'x';
alter table par drop constraint pcc;
alter table par alter aa type text using aa||'x'; select aa from only ch;
alter table par add constraint ac check (length(aa)>1); alter table par add constraint ac2 check (length(aa)>2); alter table par add check (z is null) not valid; alter table only par validate constraint par_z_check; alter table par validate constraint par_z_check;
alter table par alter aa set not null, alter aa set default 'e', alter aa set statistics 50, alter aa set storage external; alter table par alter aa drop not null;
alter table gch no inherit ch; alter table gch no inherit ch; alter table gch inherit ch; alter table par inherit gch; create table pz(a int); alter table pz inherit par;
alter table par alter aa set storage nope; alter table par alter z set storage main; alter table par alter aa set compression pglz; alter table par alter aa set (n_distinct=5); alter table par alter aa set (foo=1); 
alter table par set without cluster; create unique index pi on par(z); alter table par cluster on pi; alter table par replica identity using index pi; alter table par replica identity full; alter table par replica identity default; alter table par cluster on nope;
alter table par add constraint pk primary key using index pi; alter table cc add constraint cc_b unique using index cc_b; create unique index cc_u on cc(b); alter table cc add constraint cu unique using index cc_u deferrable;
alter table par disable trigger all; alter table par disable trigger nope; alter table par enable trigger user;
alter table par_pkey add x int; alter index pk set (fillfactor=50); create view vv as select 1 as a; alter view vv alter a set default 3; alter view vv set (security_barrier=true); alter view vv add b int; alter table vv owner to j1own; alter index pk alter 1 set statistics 3; alter table vv set (fillfactor=4);
`,
};

/** Indexes that ALTER TYPE made again: PostgreSQL's locations are places in a text that it wrote itself. */
const rebuilt = (column: string): string =>
  `case when indexrelid::regclass::text like 'wt%' then regexp_replace(${column}::text, ':location \\d+', '', 'g') else ${column}::text end`;
/** Rows of what was made, with names for OIDs. */
const CATALOGS: readonly string[] = [
  `select 'class', regexp_replace(relname,'\\d{5}','N'), relnamespace::regnamespace, reltype<>0, relkind, relpersistence, relam, relfilenode<>0, reltablespace, relpages, reltuples, relallvisible, reltoastrelid<>0, relhasindex, relnatts, relchecks, relhasrules, relhastriggers, relhassubclass, relrowsecurity, relispopulated, relreplident, relispartition, relfrozenxid<>0, relminmxid<>0, relacl, reloptions from pg_class where oid>=16384 `,
  `select 'attr', regexp_replace(c.relname,'\\d{5}','N'), attname, case when atttypid<16384 then atttypid end, attstattarget,attlen,attnum,attndims,attcacheoff,atttypmod,attbyval,attalign,attstorage,attcompression,attnotnull,atthasdef,atthasmissing,attidentity,attgenerated,attisdropped,attislocal,attinhcount,attcollation,attacl,attoptions,attfdwoptions,attmissingval from pg_attribute a join pg_class c on c.oid=attrelid where attrelid>=16384 `,
  `select 'type', typname, typlen,typbyval,typtype,typcategory,typispreferred,typisdefined,typdelim,typrelid<>0,typsubscript::int,typelem<>0,typarray<>0,typinput::int,typoutput::int,typreceive::int,typsend::int,typmodin::int,typmodout::int,typanalyze::int,typalign,typstorage,typnotnull,typbasetype,typtypmod,typndims,typcollation,typdefault,typacl from pg_type where oid>=16384 `,
  `select 'index', (select regexp_replace(relname,'\\d{5}','N') from pg_class where oid=indexrelid), indnatts,indnkeyatts,indisunique,indnullsnotdistinct,indisprimary,indisexclusion,indimmediate,indisclustered,indisvalid,indcheckxmin,indisready,indislive,indisreplident,indkey,indcollation,indclass,indoption,${rebuilt('indexprs')},${rebuilt('indpred')} from pg_index where indexrelid>=16384 `,
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
    return text.replace(/^LOCATION:.*\n/gm, '');
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
