select 1;
select 1+1 as x, 'a', 'a'||'b', 1.5*2, now(), current_date, null;
select * from pg_class where oid = 1259;
select relname, c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'pg_catalog' order by 1 limit 5;
select count(*), relkind from pg_class group by relkind having count(*) > 1 order by count(*) desc;
select x from generate_series(1,10) x;
select * from pg_type natural join pg_class;
select foo from pg_class;
select * from nope;
select 1 + 'a';
select relname from pg_class group by relkind;
select $1::int + $2;
select case when true then 1 else 2.5 end, coalesce(null, 'x'), nullif(1,2), greatest(1,2.0), array[1,2,3], (array[1,2])[1], row(1,'a');
with recursive t(n) as (values (1) union all select n+1 from t where n < 10) select sum(n) from t;
select row_number() over (partition by relkind order by relname), sum(oid::int) over w from pg_class window w as (order by oid rows between 1 preceding and current row);
select 1 union select 2.5 order by 1;
select foo(1);
select lower(1);
select relname from pg_class c where exists (select 1 from pg_attribute a where a.attrelid = c.oid) and oid in (select attrelid from pg_attribute);
select * from (values (1,'a'),(2,'b')) v(a,b);
select * from unnest(array[1,2], array['a','b']) with ordinality as t(a,b,o);
select extract(year from now()), position('a' in 'ba'), trim('  x '), substring('abc' from 2), 'a' like 'b', 'a' similar to 'b', now() at time zone 'utc', overlay('abc' placing 'x' from 1);
select 'x'::int;
select cast('2020-01-01' as date) + 1, '1 day'::interval * 2;
select pg_sleep(1), version();
selec 1;
select 1 where 1;
select abs('1');
select a.attname, (select 1), array(select 1) from pg_attribute a;
select max(relname), array_agg(relname order by oid), string_agg(relname, ',') filter (where true), percentile_cont(0.5) within group (order by oid::int) from pg_class;
select json_build_object('a', 1), jsonb_set('{}','{a}','1');
select make_interval(days => 3), format('%s', 1);
select oid::regclass, oid::regtype from pg_class;
select 'pg_class'::regclass, 'int4'::regtype, 'nope'::regclass;
select 'nope.x'::regclass;
select 'integer[]'::regtype;
select relnam from pg_class;
select c.relnam from pg_class c;
select pg_class.relname from pg_class c;
select x.relname from pg_class c;
select * from pg_class a, pg_class a;
select * from pg_class, (select 1);
select * from pg_class, (values (1));
select relname from pg_class, pg_type where relname = typname and oid = 1;
select 1 +;
select 'abc;
select "abc;
select $1;
select $1 + 1, $2 || 'x', $3 like 'a', coalesce($4, 5);
select $1 = $2;
select * from generate_series(1, 3) as g(x, y);
select * from generate_series(1, 3) with ordinality;
select * from pg_stat_activity;
select * from json_to_record('{}') as x(a int, b text);
select * from json_to_record('{}');
select * from generate_series(1,2) as x(a int);
select count(distinct relname), count(*) filter (where oid > 5) from pg_class;
select count(*) from pg_class where count(*) > 1;
select sum(count(*)) from pg_class;
select sum(sum(oid::int)) over () from pg_class;
select relname, count(*) from pg_class;
select relname, count(*) from pg_class group by 1;
select relname, count(*) from pg_class group by 3;
select relname, count(*) from pg_class group by 2;
select relname from pg_class order by 2;
select relname from pg_class order by 'x';
select distinct relname from pg_class order by oid;
select distinct on (relkind) relname from pg_class order by relname;
select relname as x, relkind as x from pg_class order by x;
select a.oid from pg_class a join pg_type b using (oid);
select oid from pg_class a join pg_type b using (oid);
select * from pg_class a join pg_type b using (nope);
select * from pg_class a left join pg_type b on a.oid = b.oid and c.x = 1;
select * from pg_class a, lateral (select a.relname) b;
select * from pg_class a, (select a.relname) b;
select * from pg_class a right join lateral (select a.relname) b on true;
select (select oid, relname from pg_class);
select 1 in (select 1, 2);
select (1,2) in (select 1, 2);
select (1,2) = (3,4), (1,2) < (3,4), row(1,2) is distinct from row(1,3);
select (1,2) = (3,4,5);
select 1 in (1, 2.5, '3');
select 'a' in ('b', 1);
select case when 1 then 2 end;
select case 1 when 'a' then 2 end;
select case when true then 1 else 'x' end;
select 1 union select 'a';
select 1 union select 'a'::text;
select 1, 2 union select 1;
select null union select null;
select 'a' union all select 'b' order by 1;
select 1 as a union select 2 order by a + 1;
select 1 as a union select 2 order by b;
select 1 limit 'a';
select 1 limit -1;
select relname from pg_class limit oid;
select 1 limit 1.5;
select 1 offset $1;
select 1::nope;
select 1::int4(3);
select 1::numeric(10,2000);
select cast(1 as text), cast('1' as int), 1::bool, 'a'::"char";
select 1::date;
select now()::int;
select array[1,2,'3'], array[[1,2],[3,4]], array[]::int[], '{1,2}'::int[];
select array[];
select array[1,'a'];
select (array[1,2])[1:2], (array[[1]])[1][1], ('{"a":1}'::int[])['a'];
select (row(1,2)).f1;
select (pg_class).relname from pg_class;
select pg_class.* from pg_class;
select (pg_class.*).relname from pg_class;
select c from pg_class c;
select c.nope from pg_class c;
select (c).nope from pg_class c;
select (1).x;
select relname.x from pg_class;
select 1 = any(array[1,2]), 1 = all('{1}'), 'a' = any(array['a']);
select 1 = any(1);
select any(1);
select exists(select 1), array(select relname from pg_class), (select 1);
select 1 between 2 and 3, 1 not between 2 and 3, 1 between symmetric 3 and 2;
select 'a' like 'b', 'a' not like 'b', 'a' ilike 'b', 'a' similar to 'b', 'a' ~ 'b', 'a' like 'b' escape 'c';
select 1 is null, 1 isnull, null is not null, true is true, 1 is true;
select not 1;
select true and 1;
select 1 or true;
select -'1', +1, @ -5, !!1;
select 1 ** 2;
select 1 <> 'a'::text;
select 5 % 2, 5 / 2.0, 5 ^ 2, |/ 4, 5 & 3, 5 # 3, ~ 5, 1 << 2;
select date '2020-01-01', timestamp '2020-01-01 00:00', interval '1 day', time '10:00', timestamptz 'now', interval '1' day, interval(3) '1 sec';
select date 'x';
select current_timestamp, current_timestamp(3), localtime, localtimestamp(2), current_user, session_user, user, current_catalog, current_schema, current_role;
select extract(epoch from now()), date_part('year', now()), date_trunc('day', now());
select substring('abc' from 1 for 2), substring('abc', 1), substring('abc' similar 'a' escape 'b'), position('a' in 'b'), overlay('a' placing 'b' from 1 for 2), trim(leading 'a' from 'aa'), trim(trailing from 'a'), normalize('a', NFC), 'a' is normalized;
select nullif('a', 1);
select nullif(1, 'x');
select greatest(1, 'a');
select least(1, 2.5, 3::float8);
select coalesce(1, 'x');
select coalesce(1, now());
select grouping(relkind), relkind, count(*) from pg_class group by rollup(relkind);
select grouping(relname) from pg_class group by relkind;
select relkind, relname, count(*) from pg_class group by grouping sets ((relkind), (relname), ());
select relkind, relname, count(*) from pg_class group by cube (relkind, relname);
select oid, relname from pg_class group by oid;
select oid, relname from pg_class group by ();
select sum(oid) from pg_class;
select avg(1), sum(1), sum(1::bigint), sum(1.5), sum(1::real), max('a'), min(now()), count(null), bool_and(true), every(false), string_agg('a', ','), array_agg(1), array_agg(array[1]), json_agg(1), xmlagg(null);
select string_agg('a');
select string_agg(distinct 'a', ',' order by 'b');
select rank(1) within group (order by 2), mode() within group (order by 'a'), percentile_cont(0.5) within group (order by 1), percentile_disc(array[0.5]) within group (order by 1);
select rank() over (), row_number() over (order by relname), lag(relname) over w, first_value(oid) over w, ntile(3) over w from pg_class window w as (partition by relkind order by oid);
select rank();
select sum(1) over (order by 1 rows between unbounded preceding and unbounded following), sum(1) over (order by 1 range between 1 preceding and 1 following), count(*) over (order by now() range '1 day' preceding);
select sum(1) over (range 1 preceding);
select sum(1) over (groups 1 preceding);
select sum(1) over w;
select sum(1) over (w rows 1 preceding) from pg_class window w as (rows 2 preceding);
select 1 where sum(1) over () > 0;
select generate_series(1,3), generate_series(1,2);
select generate_series(1,3) + 1;
select case when true then generate_series(1,2) end;
select 1 where generate_series(1,2) = 1;
select * from abs(generate_series(1,2));
select sum(generate_series(1,2));
with a as (select 1 x) select * from a, a b;
with a as (select 1 x), a as (select 2) select * from a;
with a as (select * from b), b as (select 1) select * from a;
with recursive a as (select * from b), b as (select 1) select * from a;
with recursive a as (select 1 union all select x from a) select * from a;
with recursive a(x) as (select 1 union all select x+1.5 from a) select * from a;
with recursive a(x) as (select x from a union all select 1) select * from a;
with recursive a(x) as (select 1 union all select (select x from a)) select * from a;
with recursive a(x) as (select 1 union all select a.x from a, a b) select * from a;
with recursive a(x) as (select 1 union all select 2 from a order by 1) select * from a;
with recursive a(x) as (select 1 from a) select * from a;
with a(x, y) as (select 1) select * from a;
with a as materialized (select 1) select * from a;
values (1, 'a'), (2, null);
values (1), (1, 2);
values (1), ('a');
values (default);
select * from (values (1, 2), (3, 4.5)) as v(a, b) order by b;
select foo.bar.baz.qux.x from pg_class;
select pg_catalog.abs(1), nope.abs(1);
select postgres.pg_catalog.pg_class.relname from pg_class;
select other.pg_catalog.pg_class.relname from pg_class;
select * from other.pg_catalog.pg_class;
select * from nope.pg_class;
select f(1, 'a', now(), null, $1);
select abs('a');
select abs(null), abs($1);
select round(1.5), round(1.5::float8), round('1'), mod(5,2), power(2,3), sqrt(4), ln(1), log(10), random();
select upper('a'), lower('A'), length('a'), char_length('a'), concat('a', 1, null), concat_ws(',', 'a', 1), format('%s %s', 1, 2), left('a', 1), lpad('a', 5), lpad('a', 5, 'x'), repeat('a', 3), replace('a','b','c'), split_part('a','b',1), to_char(now(), 'YYYY'), to_char(1, '9'), to_date('a','b'), md5('a'), encode('a', 'hex'), ascii('a'), chr(65), initcap('a'), strpos('a','b'), regexp_replace('a','b','c'), regexp_match('a','b'), string_to_array('a',','), array_to_string(array[1], ','), quote_ident('a'), quote_literal(1), translate('a','b','c');
select format(variadic array['%s','a']), concat(variadic array[1,2]), concat(variadic 1);
select jsonb_build_object('a', 1, 'b', now()), json_build_array(1,2), to_json(1), to_jsonb('a'::text), row_to_json(row(1,2)), jsonb_path_query(null, null);
select make_interval(years => 1, days := 2), make_interval(1, 2, hours => 3), make_interval(days => 1, days => 2), make_interval(nope => 1);
select make_interval(days => 1, 2);
select make_date(2020, 1, 1), age(now()), age(now(), now()), now() - interval '1 day', now() - now(), date '2020-01-01' - date '2019-01-01', date '2020-01-01' + 1, date '2020-01-01' + interval '1 day', time '10:00' + interval '1h', 2 * interval '1 day', interval '1 day' / 2;
select overlaps(now(), now(), now(), now()), (now(), now()) overlaps (now(), interval '1 day');
select now() at time zone 'utc', timestamp '2020-01-01' at time zone 'utc', timezone('utc', now());
select 'a' collate "C", 'a' collate "nope", 1 collate "C";
select 'a' collate "C" < 'b' collate "POSIX";
select relname collate "C" from pg_class order by relname collate "POSIX";
select collation for ('a' collate "C");
select pg_typeof(1), pg_typeof('a'), pg_typeof(null);
select * from pg_class for update;
select * from pg_class for update of nope;
select distinct relname from pg_class for update;
select 1 for update;
select 'a' || 1, 1 || 'a', 'a' || 'b', array[1] || 2, array[1] || array[2], 1 || array[2], '{1}' || array[2], null || 'a', 1 || 2;
select 1 || 2;
select '1' + '2';
select '1' + 2, 2 + '1', '2020-01-01'::date - '2019-01-01', now() - '1 day', now() > '2020-01-01';
select now() > 'x';
select 1::text + 1;
select '{1,2}'::int[] && array[1], array[1] @> array[1], array[1] = array[1.5];
select 123456789012, 12345678901234567890, 1e5, 0.5, .5, 5., 1e400;
select 2147483647, 2147483648, -2147483648, 9223372036854775807, 9223372036854775808;
select b'101', x'1F', E'a\nb', U&'\0041', $$abc$$, 'a' 'b';
select U&'\00';
select true, false, 't'::bool, 'x'::bool;
select 1 as "select", 2 as select;
select 1 a, 2 "B", 3 as c;
select t.* from (select 1 as a, 2 as b) t;
select t from (select 1 as a, 2 as b) t;
select (t).a from (select 1 as a, 2 as b) t;
select t.c from (select 1 as a, 2 as b) t;
select (select max(a.oid) from pg_type b) from pg_class a;
select (select count(a.oid)) from pg_class a group by relkind;
select (select a.oid) from pg_class a group by relkind;
select relkind, (select a.relkind) from pg_class a group by relkind;
select oid from pg_stat_activity;
delete from nope;
select * from rows from (generate_series(1,2), generate_series(1,3)) as t(a, b);
select * from rows from (json_to_record('{}') as (a int)) with ordinality;
select * from unnest(array[1,2]) u, unnest(array[u]) v;
select * from current_date, lower('A') as l;
select * from pg_get_keywords();
select word from pg_get_keywords() k where k.catcode = 'R';
select (pg_get_keywords()).word;
select (pg_get_keywords()).*;
select pg_get_keywords();
select k from pg_get_keywords() k;
select pg_sleep('1'), pg_sleep(1), pg_sleep(1.5);
select count(), count(1,2);
select lower(variadic array['a']);
select distinct 1, 2 order by 3;
select 1 group by 1 having true;
select 1 having 1;
select oid from pg_class where relname;
select oid from pg_class where relname = 1;
select oid from pg_class where oid = 'pg_class'::regclass and relname = 'x' and relkind = 'r';
select oid from pg_class where relkind in ('r', 'v') and relname like 'pg%' and oid <> all (array[1,2]);
select relname || 'x', relname = 'a'::text, relkind || 'x', oid::int + 1, oid + 1, oid = 1, oid < '5' from pg_class;
select oid + 1.5 from pg_class;
select relacl[1], relacl[1]::text, aclexplode(relacl) from pg_class;
select (aclexplode(relacl)).grantee from pg_class;
select indkey[0], indkey[0:1], array_upper(indkey, 1), 1 = any(indkey) from pg_index;
select * from pg_index where indexrelid = 'pg_class_oid_index'::regclass;
select 0x1F, 1_000;
select 1 as é, nope from pg_class where 'ü' = 'x';
select 'ü', foo;
select x is json from (select '1' x) a;
select * from pg_class where relname = $1 and oid = $2 limit $3;
select $1::text, $1::int;
select case when $1 then $2 else 3 end;
select $1 in (1,2,3), $2 = any($3::int[]), $4 between 1 and 10;
select array[$1, 2], row($1), $2;
select * from generate_series($1, $2);
select $1 || $2;
select ($1)::regclass, $1;
values ($1), (2);
select $1 union select 2;
select abs($1), lower($1);
select * from pg_class order by oid using <, relname using >;
select * from pg_class order by oid using =;
select oid from pg_class order by relname desc nulls last fetch first 3 rows with ties;
select oid from pg_class fetch first 3 rows only;
select * from pg_class a natural left join pg_namespace b;
select * from pg_class a cross join pg_namespace b;
select * from (pg_class a join pg_namespace b on a.relnamespace = b.oid) x;
select x.oid from (pg_class a join pg_namespace b on a.relnamespace = b.oid) x;
select * from (pg_class a join pg_type b using (oid)) as x;
select y.oid, a.relname from pg_class a join pg_type b using (oid) as y;
select y.* from pg_class a full join pg_type b using (oid) as y;
select a.oid, b.oid, oid from pg_class a full join pg_type b using (oid) where oid is not null;
select * from (select 1 a) x full join (select 1.5 a) y using (a);
select * from (select 1 a) x join (select 'x'::text a) y using (a);
select * from (select 1 a, 2 a) x;
select a from (select 1 a, 2 a) x;
select * from (select 1 a, 2 b) x(c);
select * from (select 1 a) x(c, d);
select b.x from (select 1) b(x), lateral (select b.x + 1 as y) c where c.y > 1;
select (select sum(b.oid::int) from pg_type b where b.oid = a.oid) from pg_class a;
select a.relname, (select count(*) from pg_attribute where attrelid = a.oid) n from pg_class a where a.oid in (select b.attrelid from pg_attribute b where b.attname = a.relname) order by n;
select exists (select from pg_class);
select from pg_class;
select distinct from pg_class;
select count(*) over () c, relname from pg_class where c > 1;
select relname r from pg_class where r = 'x';
select relname r from pg_class group by r;
select relname r, count(*) from pg_class group by r having r = 'x';
select upper(relname) as relname from pg_class group by relname;
select relkind k, count(*) from pg_class group by k order by k, count(*);
select relkind || 'x', count(*) from pg_class group by relkind || 'x';
select relkind || 'y', count(*) from pg_class group by relkind || 'x';
select max(relname) filter (where count(*) > 1) from pg_class;
select max((select count(*) from pg_type)) from pg_class;
select (select max(a.relname) from pg_type) from pg_class a;
select (select max(a.relname || b.typname) from pg_type b) from pg_class a;
select 1 from pg_class having max(oid::int) > 1;
select oid from pg_class having max(oid::int) > 1;
select sum(oid::int) from pg_class where sum(oid::int) > 1;
select * from pg_class a join pg_type b on max(a.oid::int) = 1;
select * from generate_series(1, max(1)) from pg_class;
select rank() over (order by rank() over ()) from pg_class;
select rank() over (partition by 1) from pg_class order by rank() over (order by oid);
select relname from pg_class where rank() over () = 1;
select sum(rank() over ()) from pg_class;
select sum(distinct oid::int) over () from pg_class;
select sum(1 order by 2) over () from pg_class;
select lower('a') over ();
select lower(distinct 'a');
select lower('a' order by 1);
select lower('a') filter (where true);
select percentile_cont(0.5) from pg_class;
select sum(1) within group (order by 1);
select count(distinct *) from pg_class;
select count(all relname) from pg_class;
select array_agg(distinct relname order by relname desc) from pg_class;
select array_agg(distinct relname order by oid) from pg_class;
select first_value(oid) over (order by oid rows between 1 following and 1 preceding) from pg_class;
select count(*) over (order by oid range between 1 preceding and current row) from pg_class;
select count(*) over (order by relname range between 1 preceding and current row) from pg_class;
select count(*) over (rows oid::int preceding) from pg_class;
select count(*) over (rows 'a' preceding) from pg_class;
select count(*) over w, count(*) over (w order by oid) from pg_class window w as (partition by relkind);
select count(*) over (w partition by oid) from pg_class window w as (partition by relkind);
select 1 from pg_class window w as (), w as ();
select 1 from pg_class window w as (order by nope);
(select 1) union (select 2) order by 1 limit 1;
select 1 union all (select 2 order by 1 limit 1);
(select 1 a order by a) union select 2;
select 1 intersect select 2 except select 3;
select relname from pg_class union select typname from pg_type;
select relname, oid from pg_class union select 'x', null;
select '1' union select 2;
select 'x' union select 2;
select null union select null union select 1;
select null union all select 1;
select array[1] union select array[2];
select json '1' union select json '1';
select xid '1' union select xid '2';
select distinct '1'::json;
select 1 order by '1'::json;
select * from pg_class order by relacl;
with t as (select 1 a) select * from t union select 2;
with t as (select 1 a), u as (select a + 1 b from t) select a, b from t, u;
with recursive t(a, b) as (select 1, 'x' union all select a + 1, b || 'y' from t where a < 5) select * from t;
with recursive t(a) as (select 1::numeric(10,2) union all select a + 1 from t) select * from t;
with recursive t(a) as (select 'x'::varchar(10) union all select a || 'y' from t) select * from t;
with recursive t as (select 1 as n union select n + 1 from t where n < 3), s as (select sum(n) from t) select * from s;
with recursive t(a) as (select 1 union all select 1 from t left join t t2 on true) select * from t;
with recursive t(a) as (select 1 union all select 1 from pg_class left join t on true) select * from t;
with recursive t(a) as (select 1 union all select count(*)::int from t) select * from t;
with recursive t(a) as (select 1 union all select 1 from t intersect select 1) select * from t;
with recursive t(a) as ((select 1 union all select 2) union all select a from t) select * from t;
select * from (with x as (select 1 a) select * from x) y;
select (with x as (select 1 a) select a from x);
select * from pg_class where oid = (with x as (select oid from pg_type) select oid from x limit 1);
set work_mem = '1MB';
begin;
prepare x as select 1;
create table t (a int);
select 1 into foo;
select * into foo from pg_class;
select * from pg_class where relname ~ '^pg' and relname !~ 'x' and relname ~~ 'pg%' and relname operator(pg_catalog.=) 'a';
select 1 operator(nope.+) 2;
select 1 operator(pg_catalog.+) 2, pg_catalog.now(), pg_catalog.count(*) from pg_catalog.pg_class;
select +'1', -'1'::int, - -1, -(-1), 2 - -1;
select 1 +-+- 1;
select 'a' < 1;
select 'a' = 'b', 'a' < 'b', null = null, null < 1, 'x' = null;
select true > false, 't' = true, 'x' = true;
select now() = '2020-01-01', current_date = '2020-01-01', now()::date - current_date;
select '1 day'::interval > '1 hour', '1 day' + now(), now() + '1 day';
select current_date + 1, 1 + current_date, current_date - 1, current_date - current_date, current_date + time '10:00', current_date + '1 day';
select time '10:00' - time '09:00', timestamp '2020-01-01' - timestamp '2019-01-01', date '2020-01-01' - timestamp '2019-01-01';
select 1::real + 1, 1::real + 1::float8, 1.5 + 1::real, 1::int2 + 1, 1::int2 + 1::int2, 1::int8 + 1, 1::int8 + 1.5, 1.5::money;
select 10 / 3, 10.0 / 3, 10 % 3, 10::float8 / 3, 2 ^ 3, 2::numeric ^ 3;
select 'abc'::varchar || 'd'::char(1), 'abc'::varchar = 'abc'::char(3), 'a'::name = 'a', 'a'::name || 'b', 'a'::name = 'a'::text;
select length('abc'::char(5)), length('abc'::varchar), octet_length('abc'), bit_length('abc'), length('abc'::bytea);
select '\xff'::bytea, '\xff'::bytea || '\x00', substring('\xff'::bytea from 1 for 1), position('\x00'::bytea in '\xff'::bytea);
select inet '1.2.3.4', '1.2.3.4'::inet + 1, host('1.2.3.4'), '10.0.0.0/8'::cidr >> '10.1.1.1', inet '1.2.3.4' << '1.0.0.0/8';
select uuid 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', gen_random_uuid();
select '0/0'::pg_lsn, '0/1'::pg_lsn - '0/0', pg_current_wal_lsn();
select width_bucket(5, 0, 10, 5), width_bucket(5.0, 0, 10, 5), width_bucket(5, array[1,2]), num_nulls(1, null), num_nonnulls(variadic array[1]);
select cardinality(array[1]), array_length(array[1],1), array_append(array[1], 2), array_prepend(1, array[2]), array_cat(array[1], array[2]), array_position(array[1], 1), array_remove(array[1], 1), array_fill(1, array[2]), unnest(array[1]), array_append(array[1], 2.5), array_append(array[1], 'x');
select array_cat(array[1], array['a']);
select generate_series('2020-01-01'::timestamp, '2020-01-02', '1 hour'), generate_series(1, 2, 0.5), generate_series(1::bigint, 2);
select string_to_table('a,b', ','), regexp_split_to_table('a b', ' '), regexp_matches('a', 'a');
select txid_current(), pg_backend_pid(), pg_postmaster_start_time(), inet_client_addr(), version(), current_setting('work_mem'), set_config('work_mem', '1MB', false);
select to_timestamp(0), to_timestamp('2020', 'YYYY'), to_number('1', '9'), to_char(now(), 'x'), to_char(1.5, '9'), to_char('1 day'::interval, 'x'), to_char(1::int, '9');
select ceil(1.5), ceil(1.5::float8), ceil(1), floor(1), trunc(1.5, 1), round(1.5, 1), round(1, 1), sign(-1), abs(-1.5), div(5, 2), gcd(4, 6), factorial(5), exp(1), exp(1.0), pi(), degrees(1), sin(1), atan2(1, 2), power(2, 0.5), sqrt(2.0), cbrt(8), log(2.0, 8), setseed(0.5), random();
select decode('ff', 'hex'), convert_from('a', 'UTF8'), convert_to('a', 'UTF8'), sha256('a'), md5('a'::bytea), crc32('a');
select greatest('a', 'b'), least(now(), '2020-01-01'), greatest(null, 1), coalesce(null, null), coalesce('a', null, 'b'), nullif('a', 'b'), nullif(null, 1);
select case when true then null else 1 end, case 'a' when 'b' then 1 end, case relkind when 'r' then 'x' else relname end from pg_class;
select cast(null as int), cast('1' as numeric(5,2)), cast(array['1'] as int[]), cast('{1}' as numeric(5,2)[]), array[1]::text[], array['1']::int[], array[1,2]::numeric(3,1)[];
select array[1,null], array[null], array[null, 'a'], array[array[1], null], array[[1], array[2]], array[[]]::int[];
select (array[1,2,3])[2], (array[1,2,3])[:2], (array[1,2,3])[2:], ('{{1}}'::int[])[1], array[1][1], (array[1])[1.5], (array[1])['1'];
select (1)[1];
select (jsonb '{}')['a'], (jsonb '{}')['a'][1];
select row(1, 'a'), row(), (1, 2), row(pg_class.*) from pg_class;
select row(1,2)::pg_am;
select (row(1,'a','b','c')::pg_am).amname;
select pg_am from pg_am;
select pg_am::text, (pg_am).amname, pg_am.amname, amname(pg_am), pg_am.*::text from pg_am;
select pg_am = pg_am, pg_am is null, row(1,2) is not null, (1,null) is null from pg_am;
select count(pg_am), max(pg_am.amname) from pg_am;
select to_json(pg_am), row_to_json(pg_am), jsonb_agg(pg_am) from pg_am;
select json_each('{}'), (json_each('{}')).key, (json_each('{}')).*;
select * from json_each('{}') as j(k, v);
select * from json_each('{}') as j(k, v, w);
select j.key from json_each('{}') j;
select * from pg_class p where p is not null;
select * from pg_class where (oid, relname) in (select oid, typname from pg_type);
select * from pg_class where (oid, relname) = any (select oid, typname from pg_type);
select * from pg_class where oid > all (select oid from pg_type);
select * from pg_class where oid = any ('{1,2}');
select * from pg_class where oid = any (array['1','2']);
select * from pg_class where relname = any (array['a','b']);
select * from pg_class where relname = any (array['a','b']::name[]);
select * from pg_class where not exists (select 1 from pg_type where typrelid = pg_class.oid);
select table_name::text || 'x', ordinal_position + 1 from information_schema.columns;
select count(*) from information_schema.columns where is_nullable = 'YES' group by data_type;
select rank('1') within group (order by 2), rank(1) within group (order by 2.5), dense_rank('a') within group (order by relname) from pg_class;
select rank(1, 2) within group (order by 2);
select rank('a') within group (order by 2);
with recursive a(x) as (select 1 union all select a.x from pg_attribute, a b) select * from a;
select real from pg_class;
select a.real from pg_class a;
select grouping(1);
select * from generate_series(1,2) as x(a years);
select * from pg_get_keywords() as x(a int);
select xmin from pg_class group by relname;
select 1 limit 1, 2;
SELECT n.nspname as "Schema",
  c.relname as "Name",
  CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'i' THEN 'index' WHEN 'S' THEN 'sequence' WHEN 't' THEN 'TOAST table' WHEN 'f' THEN 'foreign table' WHEN 'p' THEN 'partitioned table' WHEN 'I' THEN 'partitioned index' END as "Type",
  pg_catalog.pg_get_userbyid(c.relowner) as "Owner"
FROM pg_catalog.pg_class c
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
WHERE c.relkind IN ('r','p','v','m','S','f','')
      AND n.nspname <> 'pg_catalog'
      AND n.nspname !~ '^pg_toast'
      AND n.nspname <> 'information_schema'
  AND pg_catalog.pg_table_is_visible(c.oid)
ORDER BY 1,2;
**************************

Did not find any relations.
SELECT n.nspname as "Schema",
  c.relname as "Name",
  CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'i' THEN 'index' WHEN 'S' THEN 'sequence' WHEN 't' THEN 'TOAST table' WHEN 'f' THEN 'foreign table' WHEN 'p' THEN 'partitioned table' WHEN 'I' THEN 'partitioned index' END as "Type",
  pg_catalog.pg_get_userbyid(c.relowner) as "Owner"
FROM pg_catalog.pg_class c
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
WHERE c.relkind IN ('r','p','')
      AND n.nspname <> 'pg_catalog'
      AND n.nspname !~ '^pg_toast'
      AND n.nspname <> 'information_schema'
  AND pg_catalog.pg_table_is_visible(c.oid)
ORDER BY 1,2;
**************************

Did not find any relations.
SELECT d.datname as "Name",
       pg_catalog.pg_get_userbyid(d.datdba) as "Owner",
       pg_catalog.pg_encoding_to_char(d.encoding) as "Encoding",
       d.datcollate as "Collate",
       d.datctype as "Ctype",
       d.daticulocale as "ICU Locale",
       CASE d.datlocprovider WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu' END AS "Locale Provider",
       pg_catalog.array_to_string(d.datacl, E'\n') AS "Access privileges"
FROM pg_catalog.pg_database d
ORDER BY 1;
**************************

                                            List of databases
   Name    |  Owner   | Encoding | Collate | Ctype | ICU Locale | Locale Provider |   Access privileges   
-----------+----------+----------+---------+-------+------------+-----------------+-----------------------
 postgres  | postgres | UTF8     | C       | C     |            | libc            | 
 template0 | postgres | UTF8     | C       | C     |            | libc            | =c/postgres          +
           |          |          |         |       |            |                 | postgres=CTc/postgres
 template1 | postgres | UTF8     | C       | C     |            | libc            | =c/postgres          +
           |          |          |         |       |            |                 | postgres=CTc/postgres
(3 rows)

SELECT r.rolname, r.rolsuper, r.rolinherit,
  r.rolcreaterole, r.rolcreatedb, r.rolcanlogin,
  r.rolconnlimit, r.rolvaliduntil,
  ARRAY(SELECT b.rolname
        FROM pg_catalog.pg_auth_members m
        JOIN pg_catalog.pg_roles b ON (m.roleid = b.oid)
        WHERE m.member = r.oid) as memberof
, r.rolreplication
, r.rolbypassrls
FROM pg_catalog.pg_roles r
WHERE r.rolname !~ '^pg_'
ORDER BY 1;
**************************

                                   List of roles
 Role name |                         Attributes                         | Member of 
-----------+------------------------------------------------------------+-----------
 postgres  | Superuser, Create role, Create DB, Replication, Bypass RLS | {}

SELECT n.nspname as "Schema",
  p.proname as "Name",
  pg_catalog.pg_get_function_result(p.oid) as "Result data type",
  pg_catalog.pg_get_function_arguments(p.oid) as "Argument data types",
 CASE p.prokind
  WHEN 'a' THEN 'agg'
  WHEN 'w' THEN 'window'
  WHEN 'p' THEN 'proc'
  ELSE 'func'
 END as "Type"
FROM pg_catalog.pg_proc p
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE p.proname OPERATOR(pg_catalog.~) '^(pg_sleep)$' COLLATE pg_catalog.default
  AND pg_catalog.pg_function_is_visible(p.oid)
ORDER BY 1, 2, 4;
**************************

                           List of functions
   Schema   |   Name   | Result data type | Argument data types | Type 
------------+----------+------------------+---------------------+------
 pg_catalog | pg_sleep | void             | double precision    | func
(1 row)

SELECT n.nspname as "Schema",
  c.relname as "Name",
  CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'i' THEN 'index' WHEN 'S' THEN 'sequence' WHEN 't' THEN 'TOAST table' WHEN 'f' THEN 'foreign table' WHEN 'p' THEN 'partitioned table' WHEN 'I' THEN 'partitioned index' END as "Type",
  pg_catalog.pg_get_userbyid(c.relowner) as "Owner"
FROM pg_catalog.pg_class c
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('v','s','')
  AND c.relname OPERATOR(pg_catalog.~) '^(pg_roles)$' COLLATE pg_catalog.default
  AND n.nspname OPERATOR(pg_catalog.~) '^(pg_catalog)$' COLLATE pg_catalog.default
ORDER BY 1,2;
**************************

            List of relations
   Schema   |   Name   | Type |  Owner   
------------+----------+------+----------
 pg_catalog | pg_roles | view | postgres
(1 row)

SELECT c.oid,
  n.nspname,
  c.relname
FROM pg_catalog.pg_class c
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname OPERATOR(pg_catalog.~) '^(pg_stat_activity)$' COLLATE pg_catalog.default
  AND pg_catalog.pg_table_is_visible(c.oid)
ORDER BY 2, 3;
**************************

SELECT c.relchecks, c.relkind, c.relhasindex, c.relhasrules, c.relhastriggers, c.relrowsecurity, c.relforcerowsecurity, false AS relhasoids, c.relispartition, '', c.reltablespace, CASE WHEN c.reloftype = 0 THEN '' ELSE c.reloftype::pg_catalog.regtype::pg_catalog.text END, c.relpersistence, c.relreplident, am.amname
FROM pg_catalog.pg_class c
 LEFT JOIN pg_catalog.pg_class tc ON (c.reltoastrelid = tc.oid)
LEFT JOIN pg_catalog.pg_am am ON (c.relam = am.oid)
WHERE c.oid = '12222';
**************************

SELECT a.attname,
  pg_catalog.format_type(a.atttypid, a.atttypmod),
  (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true)
   FROM pg_catalog.pg_attrdef d
   WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef),
  a.attnotnull,
  (SELECT c.collname FROM pg_catalog.pg_collation c, pg_catalog.pg_type t
   WHERE c.oid = a.attcollation AND t.oid = a.atttypid AND a.attcollation <> t.typcollation) AS attcollation,
  a.attidentity,
  a.attgenerated
FROM pg_catalog.pg_attribute a
WHERE a.attrelid = '12222' AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum;
**************************

                      View "pg_catalog.pg_stat_activity"
      Column      |           Type           | Collation | Nullable | Default 
------------------+--------------------------+-----------+----------+---------
 datid            | oid                      |           |          | 
 datname          | name                     |           |          | 
 pid              | integer                  |           |          | 
 leader_pid       | integer                  |           |          | 
 usesysid         | oid                      |           |          | 
 usename          | name                     |           |          | 
 application_name | text                     |           |          | 
 client_addr      | inet                     |           |          | 
 client_hostname  | text                     |           |          | 
 client_port      | integer                  |           |          | 
 backend_start    | timestamp with time zone |           |          | 
 xact_start       | timestamp with time zone |           |          | 
 query_start      | timestamp with time zone |           |          | 
 state_change     | timestamp with time zone |           |          | 
 wait_event_type  | text                     |           |          | 
 wait_event       | text                     |           |          | 
 state            | text                     |           |          | 
 backend_xid      | xid                      |           |          | 
 backend_xmin     | xid                      |           |          | 
 query_id         | bigint                   |           |          | 
 query            | text                     |           |          | 
 backend_type     | text                     |           |          | 

SELECT c.oid,
  n.nspname,
  c.relname
FROM pg_catalog.pg_class c
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname OPERATOR(pg_catalog.~) '^(pg_class)$' COLLATE pg_catalog.default
  AND pg_catalog.pg_table_is_visible(c.oid)
ORDER BY 2, 3;
**************************

SELECT c.relchecks, c.relkind, c.relhasindex, c.relhasrules, c.relhastriggers, c.relrowsecurity, c.relforcerowsecurity, false AS relhasoids, c.relispartition, '', c.reltablespace, CASE WHEN c.reloftype = 0 THEN '' ELSE c.reloftype::pg_catalog.regtype::pg_catalog.text END, c.relpersistence, c.relreplident, am.amname
FROM pg_catalog.pg_class c
 LEFT JOIN pg_catalog.pg_class tc ON (c.reltoastrelid = tc.oid)
LEFT JOIN pg_catalog.pg_am am ON (c.relam = am.oid)
WHERE c.oid = '1259';
**************************

SELECT a.attname,
  pg_catalog.format_type(a.atttypid, a.atttypmod),
  (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true)
   FROM pg_catalog.pg_attrdef d
   WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef),
  a.attnotnull,
  (SELECT c.collname FROM pg_catalog.pg_collation c, pg_catalog.pg_type t
   WHERE c.oid = a.attcollation AND t.oid = a.atttypid AND a.attcollation <> t.typcollation) AS attcollation,
  a.attidentity,
  a.attgenerated
FROM pg_catalog.pg_attribute a
WHERE a.attrelid = '1259' AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum;
**************************

SELECT c2.relname, i.indisprimary, i.indisunique, i.indisclustered, i.indisvalid, pg_catalog.pg_get_indexdef(i.indexrelid, 0, true),
  pg_catalog.pg_get_constraintdef(con.oid, true), contype, condeferrable, condeferred, i.indisreplident, c2.reltablespace
FROM pg_catalog.pg_class c, pg_catalog.pg_class c2, pg_catalog.pg_index i
  LEFT JOIN pg_catalog.pg_constraint con ON (conrelid = i.indrelid AND conindid = i.indexrelid AND contype IN ('p','u','x'))
WHERE c.oid = '1259' AND c.oid = i.indrelid AND i.indexrelid = c2.oid
ORDER BY i.indisprimary DESC, c2.relname;
**************************

SELECT pol.polname, pol.polpermissive,
  CASE WHEN pol.polroles = '{0}' THEN NULL ELSE pg_catalog.array_to_string(array(select rolname from pg_catalog.pg_roles where oid = any (pol.polroles) order by 1),',') END,
  pg_catalog.pg_get_expr(pol.polqual, pol.polrelid),
  pg_catalog.pg_get_expr(pol.polwithcheck, pol.polrelid),
  CASE pol.polcmd
    WHEN 'r' THEN 'SELECT'
    WHEN 'a' THEN 'INSERT'
    WHEN 'w' THEN 'UPDATE'
    WHEN 'd' THEN 'DELETE'
    END AS cmd
FROM pg_catalog.pg_policy pol
WHERE pol.polrelid = '1259' ORDER BY 1;
**************************

SELECT oid, stxrelid::pg_catalog.regclass, stxnamespace::pg_catalog.regnamespace::pg_catalog.text AS nsp, stxname,
pg_catalog.pg_get_statisticsobjdef_columns(oid) AS columns,
  'd' = any(stxkind) AS ndist_enabled,
  'f' = any(stxkind) AS deps_enabled,
  'm' = any(stxkind) AS mcv_enabled,
stxstattarget
FROM pg_catalog.pg_statistic_ext
WHERE stxrelid = '1259'
ORDER BY nsp, stxname;
**************************

SELECT pubname
     , NULL
     , NULL
FROM pg_catalog.pg_publication p
     JOIN pg_catalog.pg_publication_namespace pn ON p.oid = pn.pnpubid
     JOIN pg_catalog.pg_class pc ON pc.relnamespace = pn.pnnspid
WHERE pc.oid ='1259' and pg_catalog.pg_relation_is_publishable('1259')
UNION
SELECT pubname
     , pg_get_expr(pr.prqual, c.oid)
     , (CASE WHEN pr.prattrs IS NOT NULL THEN
         (SELECT string_agg(attname, ', ')
           FROM pg_catalog.generate_series(0, pg_catalog.array_upper(pr.prattrs::pg_catalog.int2[], 1)) s,
                pg_catalog.pg_attribute
          WHERE attrelid = pr.prrelid AND attnum = prattrs[s])
        ELSE NULL END) FROM pg_catalog.pg_publication p
     JOIN pg_catalog.pg_publication_rel pr ON p.oid = pr.prpubid
     JOIN pg_catalog.pg_class c ON c.oid = pr.prrelid
WHERE pr.prrelid = '1259'
UNION
SELECT pubname
     , NULL
     , NULL
FROM pg_catalog.pg_publication p
WHERE p.puballtables AND pg_catalog.pg_relation_is_publishable('1259')
ORDER BY 1;
**************************

SELECT c.oid::pg_catalog.regclass
FROM pg_catalog.pg_class c, pg_catalog.pg_inherits i
WHERE c.oid = i.inhparent AND i.inhrelid = '1259'
  AND c.relkind != 'p' AND c.relkind != 'I'
ORDER BY inhseqno;
**************************

SELECT c.oid::pg_catalog.regclass, c.relkind, inhdetachpending, pg_catalog.pg_get_expr(c.relpartbound, c.oid)
FROM pg_catalog.pg_class c, pg_catalog.pg_inherits i
WHERE c.oid = i.inhrelid AND i.inhparent = '1259'
ORDER BY pg_catalog.pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT', c.oid::pg_catalog.regclass::pg_catalog.text;
**************************

                     Table "pg_catalog.pg_class"
       Column        |     Type     | Collation | Nullable | Default 
---------------------+--------------+-----------+----------+---------
 oid                 | oid          |           | not null | 
 relname             | name         |           | not null | 
 relnamespace        | oid          |           | not null | 
 reltype             | oid          |           | not null | 
 reloftype           | oid          |           | not null | 
 relowner            | oid          |           | not null | 
 relam               | oid          |           | not null | 
 relfilenode         | oid          |           | not null | 
 reltablespace       | oid          |           | not null | 
 relpages            | integer      |           | not null | 
 reltuples           | real         |           | not null | 
 relallvisible       | integer      |           | not null | 
 reltoastrelid       | oid          |           | not null | 
 relhasindex         | boolean      |           | not null | 
 relisshared         | boolean      |           | not null | 
 relpersistence      | "char"       |           | not null | 
 relkind             | "char"       |           | not null | 
 relnatts            | smallint     |           | not null | 
 relchecks           | smallint     |           | not null | 
 relhasrules         | boolean      |           | not null | 
 relhastriggers      | boolean      |           | not null | 
 relhassubclass      | boolean      |           | not null | 
 relrowsecurity      | boolean      |           | not null | 
 relforcerowsecurity | boolean      |           | not null | 
 relispopulated      | boolean      |           | not null | 
 relreplident        | "char"       |           | not null | 
 relispartition      | boolean      |           | not null | 
 relrewrite          | oid          |           | not null | 
 relfrozenxid        | xid          |           | not null | 
 relminmxid          | xid          |           | not null | 
 relacl              | aclitem[]    |           |          | 
 reloptions          | text[]       | C         |          | 
 relpartbound        | pg_node_tree | C         |          | 
Indexes:
    "pg_class_oid_index" PRIMARY KEY, btree (oid)
    "pg_class_relname_nsp_index" UNIQUE CONSTRAINT, btree (relname, relnamespace)
    "pg_class_tblspc_relfilenode_index" btree (reltablespace, relfilenode)

SELECT n.nspname AS "Name",
  pg_catalog.pg_get_userbyid(n.nspowner) AS "Owner"
FROM pg_catalog.pg_namespace n
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY 1;
**************************

      List of schemas
  Name  |       Owner       
--------+-------------------
 public | pg_database_owner
(1 row)

SELECT n.nspname as "Schema",
  pg_catalog.format_type(t.oid, NULL) AS "Name",
  pg_catalog.obj_description(t.oid, 'pg_type') as "Description"
FROM pg_catalog.pg_type t
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE (t.typrelid = 0 OR (SELECT c.relkind = 'c' FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid))
  AND NOT EXISTS(SELECT 1 FROM pg_catalog.pg_type el WHERE el.oid = t.typelem AND el.typarray = t.oid)
  AND (t.typname OPERATOR(pg_catalog.~) '^(int4)$' COLLATE pg_catalog.default
        OR pg_catalog.format_type(t.oid, NULL) OPERATOR(pg_catalog.~) '^(int4)$' COLLATE pg_catalog.default)
  AND pg_catalog.pg_type_is_visible(t.oid)
ORDER BY 1, 2;
**************************

                           List of data types
   Schema   |  Name   |                   Description                   
------------+---------+-------------------------------------------------
 pg_catalog | integer | -2 billion to 2 billion integer, 4-byte storage
(1 row)

SELECT n.nspname as "Schema",
  o.oprname AS "Name",
  CASE WHEN o.oprkind='l' THEN NULL ELSE pg_catalog.format_type(o.oprleft, NULL) END AS "Left arg type",
  CASE WHEN o.oprkind='r' THEN NULL ELSE pg_catalog.format_type(o.oprright, NULL) END AS "Right arg type",
  pg_catalog.format_type(o.oprresult, NULL) AS "Result type",
  coalesce(pg_catalog.obj_description(o.oid, 'pg_operator'),
           pg_catalog.obj_description(o.oprcode, 'pg_proc')) AS "Description"
FROM pg_catalog.pg_operator o
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
WHERE o.oprname OPERATOR(pg_catalog.~) E'^(\\|\\|)$' COLLATE pg_catalog.default
  AND pg_catalog.pg_operator_is_visible(o.oid)
ORDER BY 1, 2, 3, 4;
**************************

                                                   List of operators
   Schema   | Name |   Left arg type    |   Right arg type   |    Result type     |             Description             
------------+------+--------------------+--------------------+--------------------+-------------------------------------
 pg_catalog | ||   | anycompatible      | anycompatiblearray | anycompatiblearray | prepend element onto front of array
 pg_catalog | ||   | anycompatiblearray | anycompatible      | anycompatiblearray | append element onto end of array
 pg_catalog | ||   | anycompatiblearray | anycompatiblearray | anycompatiblearray | concatenate
 pg_catalog | ||   | anynonarray        | text               | text               | concatenate
 pg_catalog | ||   | bit varying        | bit varying        | bit varying        | concatenate
 pg_catalog | ||   | bytea              | bytea              | bytea              | concatenate
 pg_catalog | ||   | jsonb              | jsonb              | jsonb              | concatenate
 pg_catalog | ||   | text               | anynonarray        | text               | concatenate
 pg_catalog | ||   | text               | text               | text               | concatenate
 pg_catalog | ||   | tsquery            | tsquery            | tsquery            | OR-concatenate
 pg_catalog | ||   | tsvector           | tsvector           | tsvector           | concatenate
(11 rows)

SELECT spcname AS "Name",
  pg_catalog.pg_get_userbyid(spcowner) AS "Owner",
  pg_catalog.pg_tablespace_location(oid) AS "Location"
FROM pg_catalog.pg_tablespace
ORDER BY 1;
**************************

       List of tablespaces
    Name    |  Owner   | Location 
------------+----------+----------
 pg_default | postgres | 
 pg_global  | postgres | 
(2 rows)

SELECT n.nspname as "Schema",
  c.relname as "Name",
  CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table' WHEN 'p' THEN 'partitioned table' END as "Type",
  pg_catalog.array_to_string(c.relacl, E'\n') AS "Access privileges",
  pg_catalog.array_to_string(ARRAY(
    SELECT attname || E':\n  ' || pg_catalog.array_to_string(attacl, E'\n  ')
    FROM pg_catalog.pg_attribute a
    WHERE attrelid = c.oid AND NOT attisdropped AND attacl IS NOT NULL
  ), E'\n') AS "Column privileges",
  pg_catalog.array_to_string(ARRAY(
    SELECT polname
    || CASE WHEN NOT polpermissive THEN
       E' (RESTRICTIVE)'
       ELSE '' END
    || CASE WHEN polcmd != '*' THEN
           E' (' || polcmd::pg_catalog.text || E'):'
       ELSE E':'
       END
    || CASE WHEN polqual IS NOT NULL THEN
           E'\n  (u): ' || pg_catalog.pg_get_expr(polqual, polrelid)
       ELSE E''
       END
    || CASE WHEN polwithcheck IS NOT NULL THEN
           E'\n  (c): ' || pg_catalog.pg_get_expr(polwithcheck, polrelid)
       ELSE E''
       END    || CASE WHEN polroles <> '{0}' THEN
           E'\n  to: ' || pg_catalog.array_to_string(
               ARRAY(
                   SELECT rolname
                   FROM pg_catalog.pg_roles
                   WHERE oid = ANY (polroles)
                   ORDER BY 1
               ), E', ')
       ELSE E''
       END
    FROM pg_catalog.pg_policy pol
    WHERE polrelid = c.oid), E'\n')
    AS "Policies"
FROM pg_catalog.pg_class c
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r','v','m','S','f','p')
  AND c.relname OPERATOR(pg_catalog.~) '^(pg_class)$' COLLATE pg_catalog.default
  AND n.nspname !~ '^pg_' AND pg_catalog.pg_table_is_visible(c.oid)
ORDER BY 1, 2;
**************************

                            Access privileges
 Schema | Name | Type | Access privileges | Column privileges | Policies 
--------+------+------+-------------------+-------------------+----------
(0 rows)

SELECT pg_catalog.format_type(castsource, NULL) AS "Source type",
       pg_catalog.format_type(casttarget, NULL) AS "Target type",
       CASE WHEN c.castmethod = 'b' THEN '(binary coercible)'
            WHEN c.castmethod = 'i' THEN '(with inout)'
            ELSE p.proname
       END AS "Function",
       CASE WHEN c.castcontext = 'e' THEN 'no'
            WHEN c.castcontext = 'a' THEN 'in assignment'
            ELSE 'yes'
       END AS "Implicit?"
FROM pg_catalog.pg_cast c LEFT JOIN pg_catalog.pg_proc p
     ON c.castfunc = p.oid
     LEFT JOIN pg_catalog.pg_type ts
     ON c.castsource = ts.oid
     LEFT JOIN pg_catalog.pg_namespace ns
     ON ns.oid = ts.typnamespace
     LEFT JOIN pg_catalog.pg_type tt
     ON c.casttarget = tt.oid
     LEFT JOIN pg_catalog.pg_namespace nt
     ON nt.oid = tt.typnamespace
WHERE ( (true  AND (ts.typname OPERATOR(pg_catalog.~) '^(int4)$' COLLATE pg_catalog.default
        OR pg_catalog.format_type(ts.oid, NULL) OPERATOR(pg_catalog.~) '^(int4)$' COLLATE pg_catalog.default)
  AND pg_catalog.pg_type_is_visible(ts.oid)
) OR (true  AND (tt.typname OPERATOR(pg_catalog.~) '^(int4)$' COLLATE pg_catalog.default
        OR pg_catalog.format_type(tt.oid, NULL) OPERATOR(pg_catalog.~) '^(int4)$' COLLATE pg_catalog.default)
  AND pg_catalog.pg_type_is_visible(tt.oid)
) )
ORDER BY 1, 2;
**************************

                              List of casts
   Source type    |   Target type    |      Function      |   Implicit?   
------------------+------------------+--------------------+---------------
 "char"           | integer          | int4               | no
 bigint           | integer          | int4               | in assignment
 bit              | integer          | int4               | no
 boolean          | integer          | int4               | no
 double precision | integer          | int4               | in assignment
 integer          | "char"           | char               | no
 integer          | bigint           | int8               | yes
 integer          | bit              | bit                | no
 integer          | boolean          | bool               | no
 integer          | double precision | float8             | yes
 integer          | money            | money              | in assignment
 integer          | numeric          | numeric            | yes
 integer          | oid              | (binary coercible) | yes
 integer          | real             | float4             | yes
 integer          | regclass         | (binary coercible) | yes
 integer          | regcollation     | (binary coercible) | yes
 integer          | regconfig        | (binary coercible) | yes
 integer          | regdictionary    | (binary coercible) | yes
 integer          | regnamespace     | (binary coercible) | yes
 integer          | regoper          | (binary coercible) | yes
 integer          | regoperator      | (binary coercible) | yes
 integer          | regproc          | (binary coercible) | yes
 integer          | regprocedure     | (binary coercible) | yes
 integer          | regrole          | (binary coercible) | yes
 integer          | regtype          | (binary coercible) | yes
 integer          | smallint         | int2               | in assignment
 jsonb            | integer          | int4               | no
 numeric          | integer          | int4               | in assignment
 oid              | integer          | (binary coercible) | in assignment
 real             | integer          | int4               | in assignment
 regclass         | integer          | (binary coercible) | in assignment
 regcollation     | integer          | (binary coercible) | in assignment
 regconfig        | integer          | (binary coercible) | in assignment
 regdictionary    | integer          | (binary coercible) | in assignment
 regnamespace     | integer          | (binary coercible) | in assignment
 regoper          | integer          | (binary coercible) | in assignment
 regoperator      | integer          | (binary coercible) | in assignment
 regproc          | integer          | (binary coercible) | in assignment
 regprocedure     | integer          | (binary coercible) | in assignment
 regrole          | integer          | (binary coercible) | in assignment
 regtype          | integer          | (binary coercible) | in assignment
 smallint         | integer          | int4               | yes
(42 rows)

SELECT c.oid,
  n.nspname,
  c.relname
FROM pg_catalog.pg_class c
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname OPERATOR(pg_catalog.~) '^(pg_roles)$' COLLATE pg_catalog.default
  AND pg_catalog.pg_table_is_visible(c.oid)
ORDER BY 2, 3;
**************************

SELECT c.relchecks, c.relkind, c.relhasindex, c.relhasrules, c.relhastriggers, c.relrowsecurity, c.relforcerowsecurity, false AS relhasoids, c.relispartition, pg_catalog.array_to_string(c.reloptions || array(select 'toast.' || x from pg_catalog.unnest(tc.reloptions) x), ', ')
, c.reltablespace, CASE WHEN c.reloftype = 0 THEN '' ELSE c.reloftype::pg_catalog.regtype::pg_catalog.text END, c.relpersistence, c.relreplident, am.amname
FROM pg_catalog.pg_class c
 LEFT JOIN pg_catalog.pg_class tc ON (c.reltoastrelid = tc.oid)
LEFT JOIN pg_catalog.pg_am am ON (c.relam = am.oid)
WHERE c.oid = '12000';
**************************

SELECT a.attname,
  pg_catalog.format_type(a.atttypid, a.atttypmod),
  (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true)
   FROM pg_catalog.pg_attrdef d
   WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef),
  a.attnotnull,
  (SELECT c.collname FROM pg_catalog.pg_collation c, pg_catalog.pg_type t
   WHERE c.oid = a.attcollation AND t.oid = a.atttypid AND a.attcollation <> t.typcollation) AS attcollation,
  a.attidentity,
  a.attgenerated,
  a.attstorage,
  pg_catalog.col_description(a.attrelid, a.attnum)
FROM pg_catalog.pg_attribute a
WHERE a.attrelid = '12000' AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum;
**************************

SELECT pg_catalog.pg_get_viewdef('12000'::pg_catalog.oid, true);
**************************

SELECT r.rulename, trim(trailing ';' from pg_catalog.pg_get_ruledef(r.oid, true))
FROM pg_catalog.pg_rewrite r
WHERE r.ev_class = '12000' AND r.rulename != '_RETURN' ORDER BY 1;
**************************

                                     View "pg_catalog.pg_roles"
     Column     |           Type           | Collation | Nullable | Default | Storage  | Description 
----------------+--------------------------+-----------+----------+---------+----------+-------------
 rolname        | name                     |           |          |         | plain    | 
 rolsuper       | boolean                  |           |          |         | plain    | 
 rolinherit     | boolean                  |           |          |         | plain    | 
 rolcreaterole  | boolean                  |           |          |         | plain    | 
 rolcreatedb    | boolean                  |           |          |         | plain    | 
 rolcanlogin    | boolean                  |           |          |         | plain    | 
 rolreplication | boolean                  |           |          |         | plain    | 
 rolconnlimit   | integer                  |           |          |         | plain    | 
 rolpassword    | text                     |           |          |         | extended | 
 rolvaliduntil  | timestamp with time zone |           |          |         | plain    | 
 rolbypassrls   | boolean                  |           |          |         | plain    | 
 rolconfig      | text[]                   | C         |          |         | extended | 
 oid            | oid                      |           |          |         | plain    | 
View definition:
 SELECT pg_authid.rolname,
    pg_authid.rolsuper,
    pg_authid.rolinherit,
    pg_authid.rolcreaterole,
    pg_authid.rolcreatedb,
    pg_authid.rolcanlogin,
    pg_authid.rolreplication,
    pg_authid.rolconnlimit,
    '********'::text AS rolpassword,
    pg_authid.rolvaliduntil,
    pg_authid.rolbypassrls,
    s.setconfig AS rolconfig,
    pg_authid.oid
   FROM pg_authid
     LEFT JOIN pg_db_role_setting s ON pg_authid.oid = s.setrole AND s.setdatabase = 0::oid;
SELECT n.nspname as "Schema",
  c.relname as "Name",
  CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'i' THEN 'index' WHEN 'S' THEN 'sequence' WHEN 't' THEN 'TOAST table' WHEN 'f' THEN 'foreign table' WHEN 'p' THEN 'partitioned table' WHEN 'I' THEN 'partitioned index' END as "Type",
  pg_catalog.pg_get_userbyid(c.relowner) as "Owner",
  c2.relname as "Table"
FROM pg_catalog.pg_class c
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
     LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
     LEFT JOIN pg_catalog.pg_class c2 ON i.indrelid = c2.oid
WHERE c.relkind IN ('i','I','s','')
  AND c.relname OPERATOR(pg_catalog.~) '^(pg_class.*)$' COLLATE pg_catalog.default
  AND pg_catalog.pg_table_is_visible(c.oid)
ORDER BY 1,2;
**************************

                              List of relations
   Schema   |               Name                | Type  |  Owner   |  Table   
------------+-----------------------------------+-------+----------+----------
 pg_catalog | pg_class_oid_index                | index | postgres | pg_class
 pg_catalog | pg_class_relname_nsp_index        | index | postgres | pg_class
 pg_catalog | pg_class_tblspc_relfilenode_index | index | postgres | pg_class
(3 rows)

SELECT l.lanname AS "Name",
       pg_catalog.pg_get_userbyid(l.lanowner) as "Owner",
       l.lanpltrusted AS "Trusted",
       d.description AS "Description"
FROM pg_catalog.pg_language l
LEFT JOIN pg_catalog.pg_description d
  ON d.classoid = l.tableoid AND d.objoid = l.oid
  AND d.objsubid = 0
WHERE l.lanplcallfoid != 0
ORDER BY 1;
**************************

                      List of languages
  Name   |  Owner   | Trusted |         Description          
---------+----------+---------+------------------------------
 plpgsql | postgres | t       | PL/pgSQL procedural language
(1 row)

SELECT e.extname AS "Name", e.extversion AS "Version", n.nspname AS "Schema", c.description AS "Description"
FROM pg_catalog.pg_extension e LEFT JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace LEFT JOIN pg_catalog.pg_description c ON c.objoid = e.oid AND c.classoid = 'pg_catalog.pg_extension'::pg_catalog.regclass
ORDER BY 1;
**************************

                 List of installed extensions
  Name   | Version |   Schema   |         Description          
---------+---------+------------+------------------------------
 plpgsql | 1.0     | pg_catalog | PL/pgSQL procedural language
(1 row)

SELECT amname AS "Name",
  CASE amtype WHEN 'i' THEN 'Index' WHEN 't' THEN 'Table' END AS "Type"
FROM pg_catalog.pg_am
ORDER BY 1;
**************************

List of access methods
  Name  | Type  
--------+-------
 brin   | Index
 btree  | Index
 gin    | Index
 gist   | Index
 hash   | Index
 heap   | Table
 spgist | Index
(7 rows)

SELECT n.nspname AS "Schema",
       c.conname AS "Name",
       pg_catalog.pg_encoding_to_char(c.conforencoding) AS "Source",
       pg_catalog.pg_encoding_to_char(c.contoencoding) AS "Destination",
       CASE WHEN c.condefault THEN 'yes'
       ELSE 'no' END AS "Default?"
FROM pg_catalog.pg_conversion c
     JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace
WHERE true
  AND c.conname OPERATOR(pg_catalog.~) '^(utf8_to.*)$' COLLATE pg_catalog.default
  AND pg_catalog.pg_conversion_is_visible(c.oid)
ORDER BY 1, 2;
**************************

                           List of conversions
   Schema   |          Name          | Source |  Destination   | Default? 
------------+------------------------+--------+----------------+----------
 pg_catalog | utf8_to_big5           | UTF8   | BIG5           | yes
 pg_catalog | utf8_to_euc_cn         | UTF8   | EUC_CN         | yes
 pg_catalog | utf8_to_euc_jis_2004   | UTF8   | EUC_JIS_2004   | yes
 pg_catalog | utf8_to_euc_jp         | UTF8   | EUC_JP         | yes
 pg_catalog | utf8_to_euc_kr         | UTF8   | EUC_KR         | yes
 pg_catalog | utf8_to_euc_tw         | UTF8   | EUC_TW         | yes
 pg_catalog | utf8_to_gb18030        | UTF8   | GB18030        | yes
 pg_catalog | utf8_to_gbk            | UTF8   | GBK            | yes
 pg_catalog | utf8_to_iso_8859_1     | UTF8   | LATIN1         | yes
 pg_catalog | utf8_to_iso_8859_10    | UTF8   | LATIN6         | yes
 pg_catalog | utf8_to_iso_8859_13    | UTF8   | LATIN7         | yes
 pg_catalog | utf8_to_iso_8859_14    | UTF8   | LATIN8         | yes
 pg_catalog | utf8_to_iso_8859_15    | UTF8   | LATIN9         | yes
 pg_catalog | utf8_to_iso_8859_16    | UTF8   | LATIN10        | yes
 pg_catalog | utf8_to_iso_8859_2     | UTF8   | LATIN2         | yes
 pg_catalog | utf8_to_iso_8859_3     | UTF8   | LATIN3         | yes
 pg_catalog | utf8_to_iso_8859_4     | UTF8   | LATIN4         | yes
 pg_catalog | utf8_to_iso_8859_5     | UTF8   | ISO_8859_5     | yes
 pg_catalog | utf8_to_iso_8859_6     | UTF8   | ISO_8859_6     | yes
 pg_catalog | utf8_to_iso_8859_7     | UTF8   | ISO_8859_7     | yes
 pg_catalog | utf8_to_iso_8859_8     | UTF8   | ISO_8859_8     | yes
 pg_catalog | utf8_to_iso_8859_9     | UTF8   | LATIN5         | yes
 pg_catalog | utf8_to_johab          | UTF8   | JOHAB          | yes
 pg_catalog | utf8_to_koi8_r         | UTF8   | KOI8R          | yes
 pg_catalog | utf8_to_koi8_u         | UTF8   | KOI8U          | yes
 pg_catalog | utf8_to_shift_jis_2004 | UTF8   | SHIFT_JIS_2004 | yes
 pg_catalog | utf8_to_sjis           | UTF8   | SJIS           | yes
 pg_catalog | utf8_to_uhc            | UTF8   | UHC            | yes
 pg_catalog | utf8_to_windows_1250   | UTF8   | WIN1250        | yes
 pg_catalog | utf8_to_windows_1251   | UTF8   | WIN1251        | yes
 pg_catalog | utf8_to_windows_1252   | UTF8   | WIN1252        | yes
 pg_catalog | utf8_to_windows_1253   | UTF8   | WIN1253        | yes
 pg_catalog | utf8_to_windows_1254   | UTF8   | WIN1254        | yes
 pg_catalog | utf8_to_windows_1255   | UTF8   | WIN1255        | yes
 pg_catalog | utf8_to_windows_1256   | UTF8   | WIN1256        | yes
 pg_catalog | utf8_to_windows_1257   | UTF8   | WIN1257        | yes
 pg_catalog | utf8_to_windows_1258   | UTF8   | WIN1258        | yes
 pg_catalog | utf8_to_windows_866    | UTF8   | WIN866         | yes
 pg_catalog | utf8_to_windows_874    | UTF8   | WIN874         | yes
(39 rows)

SELECT n.nspname AS "Schema",
       c.collname AS "Name",
       c.collcollate AS "Collate",
       c.collctype AS "Ctype",
       c.colliculocale AS "ICU Locale",
       CASE c.collprovider WHEN 'd' THEN 'default' WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu' END AS "Provider",
       CASE WHEN c.collisdeterministic THEN 'yes' ELSE 'no' END AS "Deterministic?"
FROM pg_catalog.pg_collation c, pg_catalog.pg_namespace n
WHERE n.oid = c.collnamespace
      AND n.nspname <> 'pg_catalog'
      AND n.nspname <> 'information_schema'
      AND c.collencoding IN (-1, pg_catalog.pg_char_to_encoding(pg_catalog.getdatabaseencoding()))
  AND pg_catalog.pg_collation_is_visible(c.oid)
ORDER BY 1, 2;
**************************

                            List of collations
 Schema | Name | Collate | Ctype | ICU Locale | Provider | Deterministic? 
--------+------+---------+-------+------------+----------+----------------
(0 rows)

SELECT n.nspname as "Schema",
  p.proname AS "Name",
  pg_catalog.format_type(p.prorettype, NULL) AS "Result data type",
  CASE WHEN p.pronargs = 0
    THEN CAST('*' AS pg_catalog.text)
    ELSE pg_catalog.pg_get_function_arguments(p.oid)
  END AS "Argument data types",
  pg_catalog.obj_description(p.oid, 'pg_proc') as "Description"
FROM pg_catalog.pg_proc p
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE p.prokind = 'a'
  AND p.proname OPERATOR(pg_catalog.~) '^(sum)$' COLLATE pg_catalog.default
  AND pg_catalog.pg_function_is_visible(p.oid)
ORDER BY 1, 2, 4;
**************************

                                          List of aggregate functions
   Schema   | Name | Result data type | Argument data types |                   Description                    
------------+------+------------------+---------------------+--------------------------------------------------
 pg_catalog | sum  | numeric          | bigint              | sum as numeric across all bigint input values
 pg_catalog | sum  | double precision | double precision    | sum as float8 across all float8 input values
 pg_catalog | sum  | bigint           | integer             | sum as bigint across all integer input values
 pg_catalog | sum  | interval         | interval            | sum as interval across all interval input values
 pg_catalog | sum  | money            | money               | sum as money across all money input values
 pg_catalog | sum  | numeric          | numeric             | sum as numeric across all numeric input values
 pg_catalog | sum  | real             | real                | sum as float4 across all float4 input values
 pg_catalog | sum  | bigint           | smallint            | sum as bigint across all smallint input values
(8 rows)

SELECT r.rolname, r.rolsuper, r.rolinherit,
  r.rolcreaterole, r.rolcreatedb, r.rolcanlogin,
  r.rolconnlimit, r.rolvaliduntil,
  ARRAY(SELECT b.rolname
        FROM pg_catalog.pg_auth_members m
        JOIN pg_catalog.pg_roles b ON (m.roleid = b.oid)
        WHERE m.member = r.oid) as memberof
, r.rolreplication
, r.rolbypassrls
FROM pg_catalog.pg_roles r
WHERE r.rolname !~ '^pg_'
ORDER BY 1;
**************************

                                   List of roles
 Role name |                         Attributes                         | Member of 
-----------+------------------------------------------------------------+-----------
 postgres  | Superuser, Create role, Create DB, Replication, Bypass RLS | {}

SELECT pubname AS "Name",
  pg_catalog.pg_get_userbyid(pubowner) AS "Owner",
  puballtables AS "All tables",
  pubinsert AS "Inserts",
  pubupdate AS "Updates",
  pubdelete AS "Deletes",
  pubtruncate AS "Truncates",
  pubviaroot AS "Via root"
FROM pg_catalog.pg_publication
ORDER BY 1;
**************************

                              List of publications
 Name | Owner | All tables | Inserts | Updates | Deletes | Truncates | Via root 
------+-------+------------+---------+---------+---------+-----------+----------
(0 rows);
