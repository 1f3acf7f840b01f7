import { expect, test } from 'vitest';
import '#adt/load.ts';
import type { RecordDatum } from '#adt/datum.ts';
import { builtin, type CallInfo } from '#adt/fmgr.ts';
import { jsonbIn } from '#adt/jsonb-value.ts';
import { recordOut } from '#adt/record.ts';
import type { Oid } from '#base/ids.ts';
import '#catalog/type-cache.ts';

const columns = { names: ['a', 'b', 'c'], types: [23, 25, 1007] as unknown as Oid[], typmods: [-1, -1, -1] };
const info = { argTypes: [], resultColumns: columns } as unknown as CallInfo;
function rowOf(prosrc: string, value: unknown): string {
  const code = builtin(prosrc);
  if (code?.style !== 'callinfo') throw new Error(`${prosrc} is not registered`);
  return recordOut(code.call(info, value) as RecordDatum);
}

test('an object fills the columns named like its keys', () => {
  expect(rowOf('json_to_record', '{"a": 1, "b": {"x": 1}, "c": [1,null,3]}')).toBe('(1,"{""x"": 1}","{1,NULL,3}")');
  expect(rowOf('jsonb_to_record', jsonbIn('{"b":"t","z":1}'))).toBe('(,t,)');
});

test('a set has one row for each object', () => {
  const code = builtin('json_to_recordset');
  if (code?.style !== 'set') throw new Error('json_to_recordset returns no set');
  const rows: string[] = [];
  const iterator = code.call(info, '[{"a":1},{"b":"x"}]');
  while (iterator.next()) rows.push(recordOut(iterator.value as RecordDatum));
  expect(rows).toEqual(['(1,,)', '(,x,)']);
});

test('what is no array cannot fill an array column', () => {
  expect(() => rowOf('json_to_record', '{"c": 1}')).toThrow('expected JSON array');
  expect(() => rowOf('json_to_record', '[1]')).toThrow('cannot call populate_composite on an array');
});
