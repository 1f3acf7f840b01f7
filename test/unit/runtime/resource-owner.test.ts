import { afterEach, beforeEach, expect, test } from 'vitest';
import { reportHooks } from '#runtime/error/report.ts';
import { type ResourceKind, ResourceOwner, setCurrentResourceOwner } from '#runtime/resource-owner.ts';

let released: string[] = [];
let warnings: string[] = [];
const kind = (name: string, phase: ResourceKind['phase'], priority: number, more = {}): ResourceKind => ({
  name,
  phase,
  priority,
  release: (resource) => void released.push(`${name}${resource}`),
  describeLeak: (resource) => `${name} ${resource} leaked`,
  ...more,
});
const pin = kind('pin', 'beforeLocks', 100);
const cache = kind('cache', 'afterLocks', 200);
const file = kind('file', 'afterLocks', 300);
const emit = reportHooks.emit;
beforeEach(() => {
  released = [];
  warnings = [];
  reportHooks.emit = (level, fields) => void warnings.push(`${level} ${fields.message}`);
});
afterEach(() => {
  reportHooks.emit = emit;
  setCurrentResourceOwner(null);
});
const releaseAll = (owner: ResourceOwner, isCommit: boolean): void => {
  for (const phase of ['beforeLocks', 'locks', 'afterLocks'] as const) owner.releasePhase(phase, isCommit, true);
};

test('children first, phases in order, within a phase by priority, the latest first', () => {
  const top = new ResourceOwner(null, 'top');
  const part = new ResourceOwner(top, 'part');
  top.remember(file, 1);
  top.remember(cache, 2);
  top.remember(pin, 3);
  top.remember(pin, 4);
  part.remember(pin, 5);
  releaseAll(top, false);
  expect(released).toEqual(['pin5', 'pin4', 'pin3', 'cache2', 'file1']);
  expect(warnings).toEqual([]);
  top.delete();
});

test('what is forgotten is not released; the same resource may be held twice', () => {
  const top = new ResourceOwner(null, 'top');
  top.remember(pin, 7);
  top.remember(pin, 8);
  top.remember(pin, 7);
  top.forget(pin, 7);
  top.forget(pin, 8);
  expect(() => top.forget(pin, 8)).toThrow('pin 8 is not owned by resource owner top');
  releaseAll(top, false);
  expect(released).toEqual(['pin7']);
});

test('what is left at commit is a leak', () => {
  const top = new ResourceOwner(null, 'top');
  top.remember(cache, 1, 'extra');
  releaseAll(top, true);
  expect(warnings).toEqual(['WARNING cache 1 leaked']);
  expect(released).toEqual(['cache1']);
});

test('extras follow their resource', () => {
  const extras: unknown[] = [];
  const withExtra = kind('x', 'afterLocks', 1, { release: (_: number, extra: unknown) => void extras.push(extra) });
  const top = new ResourceOwner(null, 'top');
  top.remember(withExtra, 1);
  top.remember(withExtra, 2, 'two');
  top.remember(withExtra, 3, 'three');
  top.forget(withExtra, 2);
  releaseAll(top, false);
  expect(extras).toEqual(['three', undefined]);
});

test('an owner that still holds something or is current cannot be deleted', () => {
  const top = new ResourceOwner(null, 'top');
  top.remember(cache, 1);
  expect(() => top.delete()).toThrow('still holds');
  releaseAll(top, false);
  setCurrentResourceOwner(top);
  expect(() => top.delete()).toThrow('not deleted');
});
