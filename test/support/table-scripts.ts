/** Statements about tables that this server and PostgreSQL must answer alike: what changes, what comes back, how it is
 *  found. Costs are left out of plans where they depend on what the index's ends hold just then. */

const ROWS = `
create table t(a int primary key, b text, c int, d int, f bool);
insert into t select g, 'x'||g, g%100, case when g%4=0 then null else g%7 end, g%3=0 from generate_series(1,5000) g;
create index tc on t(c); create index td on t(d); create index tp on t(b) where d=3;
vacuum analyze t;
`;

export const TABLE_SCRIPTS: Readonly<Record<string, string>> = {
  'changes and what they return': `
    create table t(a int primary key, b text, c int);
    insert into t select g, 'x'||g, g%10 from generate_series(1,200) g;
    update t set b='q' where a=5 returning *;
    update t set (b,c)=(select 'z', 77) where a=6 returning *;
    update t set (b,c)=(select u.b||'!', t.a*2 from t u where u.a=t.a+1) where a in (7,8) returning *;
    with d as (delete from t where a<4 returning *) select * from d order by a;
    with d as (delete from t where a<6 returning *) select 1;
    with i as (insert into t values (2000,'new',1) returning a), u as (update t set c=-1 where a=10 returning a)
      select * from i union all select * from u;
    select a, c from t where a in (10,2000) order by a;
    insert into t values(6,'dup',0);
    insert into t values(6,'dup',0) on conflict (a) do update set b=excluded.b||'!' where t.a>0 returning *;
    insert into t values(6,'dup',0) on conflict do nothing;
    insert into t values(6,'dup',0),(6,'dup',0) on conflict (a) do update set b='q';
    insert into t values(null);
    insert into t(a) values(1,2);
    delete from t using t u where u.a=t.a+1 and t.a=50 returning t.a, u.a;
    select count(*), sum(a) from t;`,
  'read-only transactions': `
    create table t(a int); insert into t values (1); create temp table tt(a int);
    begin read only; insert into tt values(1); insert into t values(1); rollback;
    begin read only; select * from t for update; rollback;
    begin read only; with d as (delete from t returning *) select * from d; rollback;`,
  'plans follow the catalog': `
    create table t(a int primary key, b text); insert into t values (1,'one'),(2,'two');
    prepare p(int) as select b from t where a=$1;
    execute p(1); alter table t add column d int default 5; execute p(2);
    prepare q as select * from t where a=2;
    execute q; alter table t drop column d; execute q;
    deallocate all;`,
  'ways through indexes': `${ROWS}
    explain (costs off) select * from t where a=5;
    explain (costs off) select * from t where c=5;
    explain (costs off) select * from t where a=7 or c=5;
    explain (costs off) select * from t where b='x3' and d=3;
    explain (costs off) select * from t where a between 5 and 10 order by a desc;
    explain (costs off) select a from t where a > 4900;
    explain (costs off) select * from t order by a limit 3;
    explain (costs off) select * from t x left join t y on y.a=x.a+4990 where x.a<10;
    explain (costs off) select * from t where (a,c)>(5,3) order by a limit 2;
    explain (costs off) update t set b='z' where a=5;
    explain (costs off) delete from t where c=5;
    explain (costs off) select * from t where a=5 for update;
    set enable_seqscan=off;
    explain (costs off) select * from t where c=5 and d=5;
    explain (costs off) select * from t where d is null;
    set enable_bitmapscan=off;
    explain (costs off) select * from t where c=5;`,
  'rows through indexes': `${ROWS}
    set enable_seqscan=off;
    select count(*), sum(a) from t where c=5;
    select count(*), sum(a) from t where c=5 or d=6;
    select count(*), sum(a) from t where c=5 and d=5;
    select count(*), sum(a) from t where d is null;
    select count(*), sum(a) from t where c in (1,2,3) and f;
    select a from t where (a,c)>(5,3) order by a limit 3;
    select a from t where a<4 order by a desc;
    select count(*) from t x join t y on y.c=x.a where x.a<4;
    select count(*) from t x left join t y on y.a=x.a+4990;
    select count(*) from t where exists (select 1 from t y where y.a=t.c);
    set work_mem='64kB';
    select count(*), sum(a) from t where c<50 and b<>'q';
    begin; update t set b='z' where c=5; select count(*) from t where b='z' and c=5;
    delete from t where c=5 or d=6; select count(*) from t; rollback;
    select count(*) from t;`,
  'estimates from statistics': `${ROWS}
    explain select * from t where c=5;
    explain select * from t where d=3;
    explain select * from t where d is null;
    explain select * from t where d<>3;
    explain select * from t where f;
    explain select * from t where c in (5,6,7);
    explain select count(*) from t group by c;`,
};
