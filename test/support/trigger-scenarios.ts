/** trigger-scenarios.ts — statements whose triggers are compared with PostgreSQL's: foreign keys, deferred constraints, CREATE
 *  TRIGGER; and sessions that meet at a foreign key. */
import type { Scenario } from './isolation-scenarios.ts';

export const TRIGGER_SCRIPTS: Readonly<Record<string, string>> = {
  'foreign keys, statement by statement': `
set QUIET
create table fk_p(id int primary key, b text, u int);
create table fk_c(a int references fk_p on delete cascade on update cascade, n int);
insert into fk_p values(1,'x'),(2,'y'),(3,'z');
insert into fk_c values(1,1),(2,2),(null,3);
insert into fk_c values(5,1);
update fk_c set a = 9 where n = 1;
update fk_p set id = 10 where id = 1;
select * from fk_c order by n;
delete from fk_p where id = 2;
select * from fk_c order by n;
begin; insert into fk_p values (11); insert into fk_c values (11, 11); delete from fk_p where id=11; select count(*) from fk_c; rollback;
create table fk_r(a int references fk_p on delete restrict on update restrict);
insert into fk_r values (3);
delete from fk_p where id = 3;
update fk_p set id = 4 where id = 3;
update fk_p set b = 'q' where id = 3;
drop table fk_r;
create table fk_n(a int references fk_p on delete set null on update set null, b int);
insert into fk_n values (3,1); update fk_p set id = 5 where id = 3; select * from fk_n;
update fk_n set a = 5; delete from fk_p where id = 5; select * from fk_n;
create table fk_d(a int default 10 references fk_p on delete set default on update set default, b int);
insert into fk_p values (20),(21); insert into fk_d values (20,1),(21,2); delete from fk_p where id=20; select * from fk_d order by b; update fk_p set id=22 where id=21; select * from fk_d order by b;
delete from fk_p where id=10;
delete from fk_d; delete from fk_n;
create table fk_p2(x int, y text, primary key(x,y));
create table fk_m(x int, y text, foreign key (x,y) references fk_p2 match full);
create table fk_s(x int, y text, z int default 1, foreign key (x,y) references fk_p2 on delete set null (y));
insert into fk_p2 values (1,'a'),(1,'b');
insert into fk_m values (1,null);
insert into fk_m values (null,null),(1,'a');
insert into fk_m values (1,'c');
insert into fk_s values (1,null),(1,'b'),(null,'q');
delete from fk_p2 where y='a';
delete from fk_p2 where y='b'; select * from fk_s;
update fk_m set x = null where x = 1;
drop table fk_m, fk_s, fk_p2;
-- self reference
create table tree(id int primary key, parent int references tree);
insert into tree values (1,2),(2,1);
delete from tree where id=1;
delete from tree;
insert into tree values (1,1); update tree set id=2, parent=2; select * from tree;
drop table tree;
-- cross type
create table pk8(id bigint primary key, v varchar unique, n numeric unique);
create table f4(a int references pk8, t text references pk8(v), s numeric references pk8(n) on update cascade);
insert into pk8 values (1,'a',1.0);
insert into f4 values (1,'a',1.00); insert into f4 values (2,'a',1);
insert into f4 values (1,'b',1);
insert into f4 values (1,'a',1.1);
update pk8 set n = 1.000; select s from f4;
drop table f4; drop table pk8;
-- validate
create table v1(a int); insert into v1 values (10),(77);
alter table v1 add foreign key (a) references fk_p;
delete from v1 where a=77;
alter table v1 add foreign key (a) references fk_p;
alter table v1 drop constraint v1_a_fkey;
insert into v1 values (88);
alter table v1 add constraint q foreign key (a) references fk_p not valid;
insert into v1 values (89);
alter table v1 validate constraint q;
drop table v1;
select conname, convalidated from pg_constraint where conname='q';
`,
  'deferred constraints': `
create table p(id int primary key);
create table c(a int constraint cfk references p deferrable, n int constraint cn unique deferrable initially deferred, m int constraint cm unique deferrable);
insert into c values (1,1,1);
begin; set constraints cfk deferred; insert into c values (1,1,1); insert into p values (1); commit;
begin; set constraints all deferred; insert into c values (2,2,2); set constraints all immediate; rollback;
begin; set constraints all deferred; insert into c values (2,2,2); commit;
select * from c;
insert into c values (1,1,5);
insert into c values (1,6,1);
insert into c values (1,2,2),(1,3,3);
update c set n = n + 1; update c set m = m + 1;
select * from c order by n;
update c set m = 3 where m = 2;
begin; insert into c values (1, 2, 20); delete from c where m = 20; commit;
begin; insert into c values (1, 2, 20); update c set n = 50 where m = 20; commit;
begin; insert into c values (1, 2, 21); update c set n = 2 where m = 21; commit;
begin; savepoint a; insert into c values (1, 2, 22); rollback to a; commit;
begin; set constraints all deferred; savepoint a; set constraints all immediate; rollback to a; insert into c values (9,9,9); delete from c where a=9; commit;
begin; set constraints all deferred; insert into c values (9,9,9); savepoint a; delete from c where a=9; set constraints all immediate; rollback to a; commit;
begin; set constraints all deferred; insert into c values (9,9,9); savepoint a; delete from c where a=9; release a; commit;
set constraints all deferred;
set constraints nope immediate;
begin; set constraints k.cfk, cn immediate; insert into c values(1,2,77); rollback;
begin; set constraints k.cfk, cn immediate; set constraints nosuch.cfk immediate; rollback;
create table nd(a int constraint ndk references p);
set constraints ndk deferred;
set constraints ndk immediate;
begin; set constraints all deferred; insert into c values(1,99,99); truncate c; alter table c add column z int; drop table c; rollback;
begin; insert into c values(1,99,99); alter table c add column z int; rollback;
begin; set constraints all deferred; delete from p; insert into p values (1); commit;
begin; set constraints all deferred; delete from p where id = 1; commit;
begin; set constraints all deferred; delete from p where id = 1; select count(*) from p; set constraints cfk immediate; rollback;
`,
  'foreign keys together with everything else': `
create table p(id int primary key); insert into p values (1);
create table c(a int constraint cfk references p deferrable); insert into c values (1);
create table nd(a int constraint ndk references p);
-- two levels of cascade
create table a1(id int primary key); create table a2(id int primary key references a1 on delete cascade on update cascade); create table a3(id int references a2 on delete cascade on update cascade);
insert into a1 select g from generate_series(1,5) g; insert into a2 select * from a1; insert into a3 select * from a2; 
update a1 set id = id + 10; select * from a3;
delete from a1 where id < 14; select * from a3;
with d as (delete from a1 returning id) select * from d; select count(*) from a3;
-- conflict and FK
insert into p values (1) on conflict do nothing;
insert into nd values (1) returning a;
insert into nd values (3) returning a;
explain (costs off) delete from p where id=1;
begin; declare cu cursor for select * from p; fetch cu; insert into nd values (44); rollback;
begin; declare cu cursor for select * from p; fetch cu; insert into nd values (1); close cu; insert into nd values (45); rollback;
copy nd from stdin;
1
1
\\.
copy nd from stdin;
1
77
\\.
prepare q as insert into nd values ($1); execute q(1); execute q(2);
alter table p rename to pp; execute q(3); alter table pp rename id to idd; insert into nd values (4); alter table nd rename a to b; insert into nd values (1), (4); alter table nd rename constraint ndk to ndk2; insert into nd values (4);
delete from pp;
begin isolation level repeatable read; select 1; insert into nd values (1); commit;
set session_replication_role = replica; insert into nd values (1234); reset session_replication_role;
create table g(a int primary key, b int generated always as (a+1) stored references g(a) deferrable initially deferred);
insert into g(a) values (1);
begin; insert into g(a) values (1); insert into g(a) values (2); rollback;
create role k_u; grant usage on schema k to k_u; grant insert, select(b) on nd to k_u;
set role k_u; insert into nd values (1); insert into nd values (7); reset role;
grant select on pp to k_u;grant delete on pp to k_u; set role k_u; insert into nd values (7); delete from pp; reset role; 
revoke all on nd, pp from k_u; revoke usage on schema k from k_u; drop role k_u;
`,
  'CREATE TRIGGER and its like': `
create table t(a int, b text, c numeric, d int generated always as (a+1) stored); create view v as select 1 as x;
create trigger z before update on t for each row execute function suppress_redundant_updates_trigger();
insert into t values (1,'x',1.0),(2,'y',2.0);
update t set a = a;
update t set b = 'x';
update t set c = 1.00 where a = 1; update t set c = 1.00;
drop trigger z on t;
create trigger z2 before update of a, c on t for each row when (old.* is distinct from new.*) execute procedure suppress_redundant_updates_trigger('q', 1, 'z''s');
create trigger z2 before update of a, c on t for each row execute procedure suppress_redundant_updates_trigger();
create or replace trigger z2 before update of a, b on t for each row when (old.a > 1 and new.b = 'x') execute procedure suppress_redundant_updates_trigger('q', 'w');
update t set b = b; update t set c = c;
select tgname, tgtype, tgattr, tgargs, tgqual is null, tgnargs, tgenabled, tgisinternal from pg_trigger where tgrelid='t'::regclass order by 1;
select d.classid::regclass, d.objsubid, refclassid::regclass, refobjsubid, deptype, pg_describe_object(refclassid,refobjid,refobjsubid) from pg_depend d, pg_trigger t where t.tgname='z2' and ((objid=t.oid and classid='pg_trigger'::regclass) or (refobjid=t.oid and refclassid='pg_trigger'::regclass)) order by 1,2,3,4,5,6;
alter trigger z2 on t rename to z3; alter trigger z2 on t rename to z4; alter trigger z3 on t rename to z3;
create constraint trigger ct after update on t deferrable initially deferred for each row execute function suppress_redundant_updates_trigger();
update t set a = a where a = 2;
begin; update t set a = a where a = 1; set constraints ct immediate; rollback;
begin; update t set a = a where a = 1; commit;
select conname, contype, condeferrable, condeferred, connoinherit, conkey from pg_constraint where conrelid='t'::regclass;
alter table t drop constraint ct;
comment on trigger z3 on t is 'hi';
drop trigger if exists nope on t; drop trigger nope on t; drop trigger ct on t; drop trigger if exists x on nope;
create trigger x instead of insert on t for each row execute function suppress_redundant_updates_trigger();
create trigger x before insert on v for each row execute function suppress_redundant_updates_trigger();
create trigger x instead of insert on v for each statement execute function suppress_redundant_updates_trigger();
create trigger x instead of insert on v for each row when (true) execute function suppress_redundant_updates_trigger();
create trigger x instead of update of x on v for each row execute function suppress_redundant_updates_trigger();
create trigger x before truncate on v execute function suppress_redundant_updates_trigger();
create trigger x before truncate on t for each row execute function suppress_redundant_updates_trigger();
create trigger x before insert on pg_class for each row execute function suppress_redundant_updates_trigger();
create sequence sq; create trigger x before insert on sq execute function suppress_redundant_updates_trigger();
create index ti on t(a); create trigger x before insert on ti execute function suppress_redundant_updates_trigger();
create trigger x before insert on nope execute function suppress_redundant_updates_trigger();
create trigger x before insert on t execute function nope();
create trigger x before insert on t execute function now();
create trigger x before update of q on t execute function suppress_redundant_updates_trigger();
create trigger x before update of a,a on t execute function suppress_redundant_updates_trigger();
create trigger x before insert on t when (new.a > 1) execute function suppress_redundant_updates_trigger();
create trigger x before insert on t for each row when (old.a > 1) execute function suppress_redundant_updates_trigger();
create trigger x before delete on t for each row when (new.a > 1) execute function suppress_redundant_updates_trigger();
create trigger x before insert on t for each row when (new.d > 1) execute function suppress_redundant_updates_trigger();
create trigger x before insert on t for each row when (new.* is null) execute function suppress_redundant_updates_trigger();
create trigger x before insert on t for each row when (new.xmin is null) execute function suppress_redundant_updates_trigger();
create trigger x before insert on t for each row when (a > 1) execute function suppress_redundant_updates_trigger();
create trigger x before insert on t for each row when (new.a) execute function suppress_redundant_updates_trigger();
create trigger x before insert on t for each row when (exists (select 1)) execute function suppress_redundant_updates_trigger();
create trigger x before insert on t for each row when (count(*) > 1) execute function suppress_redundant_updates_trigger();
create trigger x before insert on t for each row execute function suppress_redundant_updates_trigger();
insert into t values (1);
drop trigger x on t;
create trigger x before insert on t for each statement execute function suppress_redundant_updates_trigger();
insert into t values (1);
drop table t;
create table fkp(a int primary key); create table fkc(a int references fkp);
create trigger "RI_x" after insert on fkc for each row execute function "RI_FKey_check_ins"();
insert into fkc values (1);
select relhastriggers from pg_class where relname='fkc';
`,
  'statement triggers, TRUNCATE, COPY, disabled triggers': `
create table t(a int primary key); create table u(a int references t);
create trigger b before truncate on t execute function suppress_redundant_updates_trigger();
insert into t values (1);
truncate t; truncate t, u; truncate t cascade;
drop trigger b on t; create trigger b after truncate on t execute function suppress_redundant_updates_trigger();
truncate t, u; drop trigger b on t; truncate t, u; select * from t;
create trigger b after update on t execute function suppress_redundant_updates_trigger();
create trigger a before update on t execute function suppress_redundant_updates_trigger();
update t set a = 1; drop trigger a on t; update t set a = 1; insert into t values (1) on conflict (a) do update set a = 2;
drop trigger b on t;
create trigger b after insert on t for each row execute function suppress_redundant_updates_trigger(); 
copy t from stdin;
5
6
\\.
alter table t disable trigger b; insert into t values (7);
alter table t enable trigger b; insert into t values (8);
alter table t disable trigger user; insert into t values (8); alter table t enable always trigger b; set session_replication_role=replica; insert into t values (9); reset session_replication_role;
alter table t disable trigger all; alter table u disable trigger all; insert into u values (99); alter table u enable trigger all; insert into u values (98);
alter table t disable trigger nope;
alter table u disable trigger user; select tgenabled from pg_trigger where tgrelid='u'::regclass;
-- partial unique deferrable + hot updates + many rows
create table w(a int, b int, unique (a) deferrable); insert into w select g, g from generate_series(1,500) g; update w set a = a + 1; update w set a = 501 - a where a > 400; select count(*), sum(a) from w;
update w set a = 5;
begin; set constraints all deferred; update w set a = 5; update w set a = b; commit; select count(distinct a) from w;
begin; set constraints all deferred; savepoint s1; update w set a = 5; rollback to s1; savepoint s2; update w set a = 6 where b < 3; update w set a = b where b < 3; release s2; commit;
begin; set constraints all deferred; update w set a = 6 where b < 3; prepare transaction 'x';
`,
};

const FAMILY = `drop schema if exists k2 cascade; create schema k2; set search_path = k2;
  create table p(id int primary key, b text); create table c(a int references p);
  create table cc(a int references p on delete cascade, n int); create table u(a int unique deferrable initially deferred);
  create table dc(a int references p deferrable initially deferred); insert into p values (1, 'a'), (2, 'b')`;

export const TRIGGER_SCENARIOS: Readonly<Record<string, Scenario>> = {
  'insert child while parent deleted': {
    setup: FAMILY,
    script: `
      a: set search_path = k2
      b: set search_path = k2
      c: set search_path = k2
      a: begin
      a: delete from p where id=1
      b: insert into c values (1)
      a: commit
      c: select * from c`,
  },
  'insert child, parent delete rolled back': {
    setup: FAMILY,
    script: `
      a: set search_path = k2
      b: set search_path = k2
      c: set search_path = k2
      a: begin
      a: delete from p where id=1
      b: insert into c values (1)
      a: rollback
      c: select * from c`,
  },
  'delete parent while child inserted': {
    setup: FAMILY,
    script: `
      a: set search_path = k2
      b: set search_path = k2
      c: set search_path = k2
      a: begin
      a: insert into c values (1)
      b: delete from p where id=1
      a: commit
      c: select * from p`,
  },
  'child insert, update non-key of parent': {
    setup: FAMILY,
    script: `
      a: set search_path = k2
      b: set search_path = k2
      c: set search_path = k2
      a: begin
      a: insert into c values (1)
      b: update p set b='z' where id=1
      a: commit
      c: select * from p`,
  },
  'update non-key first': {
    setup: FAMILY,
    script: `
      a: set search_path = k2
      b: set search_path = k2
      c: set search_path = k2
      a: begin
      a: update p set b='z' where id=1
      b: insert into c values (1)
      a: commit
      c: select * from p`,
  },
  'key update first': {
    setup: FAMILY,
    script: `
      a: set search_path = k2
      b: set search_path = k2
      c: set search_path = k2
      a: begin
      a: update p set id=7 where id=1
      b: insert into c values (1)
      a: commit
      c: select * from p`,
  },
  'rr child insert after concurrent parent insert': {
    setup: FAMILY,
    script: `
      a: set search_path = k2
      b: set search_path = k2
      c: set search_path = k2
      a: begin isolation level repeatable read
      a: select count(*) from c
      b: insert into p values (5)
      a: insert into c values (5)
      a: commit
      c: select * from c`,
  },
  'rr delete parent, child unseen': {
    setup: FAMILY,
    script: `
      a: set search_path = k2
      b: set search_path = k2
      c: set search_path = k2
      a: begin isolation level repeatable read
      a: select count(*) from c
      b: insert into c values (2)
      a: delete from p where id=2
      a: commit
      c: select * from p`,
  },
  'rr cascade delete with unseen child': {
    setup: FAMILY,
    script: `
      a: set search_path = k2
      b: set search_path = k2
      c: set search_path = k2
      a: begin isolation level repeatable read
      a: select count(*) from cc
      b: insert into cc values (2)
      a: delete from p where id=2
      a: commit
      c: select * from cc`,
  },
  'rr cascade delete, child updated': {
    setup: FAMILY,
    script: `
      a: set search_path = k2
      b: set search_path = k2
      c: set search_path = k2
      b: insert into cc values (2,0)
      a: begin isolation level repeatable read
      a: select count(*) from cc
      b: update cc set n=1
      a: delete from p where id=2
      a: commit
      c: select * from cc`,
  },
  'cascade delete waits on child update': {
    setup: FAMILY,
    script: `
      a: set search_path = k2
      b: set search_path = k2
      c: set search_path = k2
      b: insert into cc values (2,0)
      a: begin
      a: update cc set n=5
      b: delete from p where id=2
      a: commit
      c: select * from cc`,
  },
  serializable: {
    setup: FAMILY,
    script: `
      a: set search_path = k2
      b: set search_path = k2
      c: set search_path = k2
      a: begin isolation level serializable
      a: insert into c values (1)
      b: begin isolation level serializable
      b: delete from p where id=1
      a: commit
      b: commit
      c: select * from p`,
  },
  'deferred unique': {
    setup: FAMILY,
    script: `
      a: set search_path = k2
      b: set search_path = k2
      c: set search_path = k2
      a: begin
      a: insert into u values (1)
      b: begin
      b: insert into u values (1)
      a: commit
      b: commit
      c: select * from u`,
  },
  'deferred unique other waits': {
    setup: FAMILY,
    script: `
      a: set search_path = k2
      b: set search_path = k2
      c: set search_path = k2
      a: begin
      a: insert into u values (1)
      b: begin
      b: insert into u values (1)
      b: commit
      a: rollback
      c: select * from u`,
  },
  'deferred fk': {
    setup: FAMILY,
    script: `
      a: set search_path = k2
      b: set search_path = k2
      c: set search_path = k2
      a: begin
      a: insert into dc values (9)
      b: insert into p values (9)
      a: commit
      c: select * from dc`,
  },
  'noaction: key replaced': {
    setup: FAMILY,
    script: `
      a: set search_path = k2
      c: set search_path = k2
      a: insert into c values (1)
      a: begin
      a: delete from p where id=1
      a: insert into p values(1)
      a: commit
      c: select * from c`,
  },
};
