select * from unnest(array[1,2], array['a','b','c']) with ordinality t(a,b,c);
select generate_series(1, x) from generate_series(1,3) x;
select x, generate_series(1, 2) * 10 from generate_series(1,2) x order by x desc, 2;
select unnest(array[1,2]), unnest(array['x','y','z']);
select x, generate_series(1,x) g from generate_series(1,3) x order by g desc, x;
select x, generate_series(1,x) g from generate_series(1,3) x order by x desc limit 2;
select x, unnest(array[x, x+1]) from generate_series(1,2) x where x > 1;
select * from unnest(array[1,2,3]) with ordinality as t(v, o) where o > 1;
select * from unnest('{{1,2},{3,4}}'::int[]);
