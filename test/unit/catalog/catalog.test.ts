import { describe, expect, it } from 'vitest';
import '#adt/load.ts';
import '#catalog/catalog-functions.ts';
import '#catalog/type-cache.ts';
import '#parser/type-string.ts';
import type { Datum } from '#adt/datum.ts';
import { builtin, typeInfo } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import { factTable } from '#catalog/facts.ts';
import { formatTypeWithTypmod } from '#catalog/format-type.ts';
import { findRelation, functionCandidates, splitIdentifiers } from '#catalog/namespace.ts';
import { ACCESS_METHOD, TYPE } from '#catalog/oids.ts';
import {
  attributes,
  btreeOpclass,
  castRow,
  defaultOpclass,
  familyMember,
  functionArgumentDefault,
  isBinaryCoercible,
  operatorRow,
  procRow,
  typeRow,
} from '#catalog/syscache.ts';
import { PgError } from '#runtime/error/report.ts';

const call = (prosrc: string, ...args: Datum[]): Datum => {
  const code = builtin(prosrc);
  if (code?.style !== 'plain') throw new Error(`${prosrc} is no plain function`);
  return code.call(...args);
};
const complaint = (work: () => unknown): string => {
  try {
    work();
  } catch (caught) {
    if (caught instanceof PgError) return `${caught.code} ${caught.message}`;
    throw caught;
  }
  return 'no error';
};
describe('facts', () => {
  it('are as many as in a fresh cluster of PostgreSQL 15', () => {
    const counts = (
      ['pg_proc', 'pg_operator', 'pg_type', 'pg_cast', 'pg_aggregate', 'pg_amop', 'pg_amproc'] as const
    ).map((name) => factTable(name).count);
    expect(counts).toEqual([3244, 799, 611, 229, 148, 945, 696]);
  });

  it('are found by oid', () => {
    expect(typeRow(TYPE.varchar)).toMatchObject({
      typname: 'varchar',
      typcategory: 'S',
      typcollation: 100,
      typlen: -1,
    });
    expect(procRow(1397 as Oid)).toMatchObject({
      proname: 'abs',
      proargtypes: [23],
      prorettype: 23,
      proisstrict: true,
    });
    expect(operatorRow(96 as Oid)).toMatchObject({ oprname: '=', oprleft: 23, oprright: 23, oprnegate: 518 });
    expect(castRow(TYPE.int4, TYPE.int8)).toMatchObject({ castcontext: 'i', castmethod: 'f', castfunc: 481 });
  });

  it('know the columns of a relation in order', () => {
    expect(attributes(1259 as Oid).map((a) => a.attnum)).toEqual(Array.from({ length: 33 }, (_, i) => i + 1));
  });

  it('know default operator classes, by binary coercion too', () => {
    expect(btreeOpclass(TYPE.int4)?.opcname).toBe('int4_ops');
    expect(btreeOpclass(TYPE.varchar)?.opcname).toBe('text_ops');
    expect(defaultOpclass(TYPE.json, ACCESS_METHOD.btree)).toBeUndefined();
    expect(familyMember(btreeOpclass(TYPE.int4)!.opcfamily, TYPE.int4, TYPE.int8, 1)).toBe(37);
    expect(isBinaryCoercible(TYPE.varchar, TYPE.text)).toBe(true);
    expect(isBinaryCoercible(TYPE.int4, TYPE.int8)).toBe(false);
  });

  it('keep default arguments as SQL', () => {
    expect(functionArgumentDefault(2739 as Oid, 1)).toBe('true');
  });
});

describe('namespace', () => {
  it('puts pg_catalog first and skips schemas that do not exist', () => {
    expect(findRelation({ name: 'pg_class' })?.oid).toBe(1259);
    expect(findRelation({ schema: 'nope', name: 'pg_class' })).toBeUndefined();
  });

  it('splits a path like an identifier list', () => {
    expect(splitIdentifiers('"$user", Public,"A""b"')).toEqual(['$user', 'public', 'A"b']);
    expect(splitIdentifiers('a b')).toBeUndefined();
  });

  it('matches named and default arguments', () => {
    const found = functionCandidates(['make_interval'], 2, ['days', 'secs'], true, true);
    expect(found.map((c) => c.argNumbers)).toEqual([[3, 6, 0, 1, 2, 4, 5]]);
  });
});

describe('type cache', () => {
  it('compares and hashes through the default operator classes', () => {
    const int4 = typeInfo(TYPE.int4);
    expect(int4.compare!(1, 2, 0 as Oid)).toBeLessThan(0);
    expect(int4.equals!(2, 2, 0 as Oid)).toBe(true);
    expect(typeInfo(TYPE.json).compare).toBeUndefined();
    expect(typeInfo(1002 as Oid).elementType).toBe(TYPE.char);
  });
});

describe('names', () => {
  it.each([
    [23, -1, 'integer'],
    [1043, 14, 'character varying(10)'],
    [1700, 655_366, 'numeric(10,2)'],
    [1007, -1, 'integer[]'],
    [18, -1, '"char"'],
    [1042, -1, 'bpchar'],
    [1184, 3, 'timestamp(3) with time zone'],
  ])('type %i with typmod %i is %s', (oid, typmod, text) => {
    expect(formatTypeWithTypmod(oid as Oid, typmod)).toBe(text);
  });

  it('are read and printed by the reg types', () => {
    expect(call('regclassin', 'pg_catalog.pg_class')).toBe(1259);
    expect(call('regclassout', 1259)).toBe('pg_class');
    expect(call('regclassout', 0)).toBe('-');
    expect(call('regtypein', 'character varying(3)[]')).toBe(1015);
    expect(call('regtypeout', 1015)).toBe('character varying[]');
    expect(call('regprocin', 'int4in')).toBe(42);
    expect(call('regprocedureout', 1397)).toBe('abs(integer)');
    expect(call('regoperatorin', '+(int4,int4)')).toBe(551);
    expect(call('to_regclass', 'nope')).toBeNull();
  });

  it('that are missing are reported as by PostgreSQL', () => {
    expect(complaint(() => call('regclassin', 'nope'))).toBe('42P01 relation "nope" does not exist');
    expect(complaint(() => call('regclassin', 'nope.x'))).toBe('3F000 schema "nope" does not exist');
    expect(complaint(() => call('regprocin', 'abs'))).toBe('42725 more than one function named "abs"');
    expect(complaint(() => call('regtypein', 'nope'))).toBe('42704 type "nope" does not exist');
    expect(complaint(() => call('regnamespacein', 'nope'))).toBe('3F000 schema "nope" does not exist');
  });
});

describe('definitions', () => {
  it('of functions, indexes, constraints and views are SQL', () => {
    expect(call('pg_get_function_arguments', 3464)).toBe(
      'years integer DEFAULT 0, months integer DEFAULT 0, weeks integer DEFAULT 0, days integer DEFAULT 0, hours integer DEFAULT 0, mins integer DEFAULT 0, secs double precision DEFAULT 0.0',
    );
    expect(call('pg_get_function_arguments', 3972)).toBe('double precision ORDER BY anyelement');
    expect(call('pg_get_indexdef', 2662)).toBe(
      'CREATE UNIQUE INDEX pg_class_oid_index ON pg_catalog.pg_class USING btree (oid)',
    );
    expect(call('pg_get_viewdef', 12000)).toMatch(/^ SELECT pg_authid\.rolname,/);
  });
});

describe('privileges', () => {
  it('of a superuser are all there are', () => {
    expect(call('has_table_privilege_name', 'pg_authid', 'SELECT, UPDATE WITH GRANT OPTION')).toBe(true);
  });

  it('of others come from the list of the object', () => {
    expect(call('has_table_privilege_name_name', 'pg_monitor', 'pg_class', 'SELECT')).toBe(true);
    expect(call('has_table_privilege_name_name', 'pg_monitor', 'pg_authid', 'SELECT')).toBe(false);
    expect(call('pg_has_role_name_name', 'pg_monitor', 'pg_read_all_stats', 'USAGE')).toBe(true);
  });

  it('must be known by name', () => {
    expect(complaint(() => call('has_table_privilege_name', 'pg_class', 'FLY'))).toBe(
      '22023 unrecognized privilege type: "FLY"',
    );
  });
});
