import { describe, expect, it } from 'vitest';
import { PGLZ_ALWAYS, pglzCompress, pglzDecompress, pglzMaxOutput } from '#base/pglz.ts';

const round = (input: Uint8Array): { packed: Uint8Array | null; back: Uint8Array | null } => {
  const out = new Uint8Array(pglzMaxOutput(input.length));
  const length = pglzCompress(input, 0, input.length, out, 0, PGLZ_ALWAYS);
  if (length < 0) return { packed: null, back: null };
  const back = new Uint8Array(input.length);
  expect(pglzDecompress(out, 0, length, back, 0, input.length, true)).toBe(input.length);
  return { packed: out.slice(0, length), back };
};

describe('pglz', () => {
  it('gives back what it was given', () => {
    let state = 1;
    const random = (below: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return state % below;
    };
    for (let n = 0; n < 200; n++) {
      const input = new Uint8Array(random(9000) + 1);
      const alphabet = random(20) + 1;
      for (let i = 0; i < input.length; i++)
        input[i] = i > 300 && random(3) > 0 ? input[i - random(300) - 1]! : random(alphabet);
      const { back } = round(input);
      if (back !== null) expect(Buffer.from(back).equals(Buffer.from(input))).toBe(true);
    }
  });

  it('writes the bytes that PostgreSQL 15 writes', () => {
    // The compressed datum of `repeat('abcdefgh', 400)` as it stands in a heap page of PostgreSQL 15.
    const out = new Uint8Array(3300);
    const input = Buffer.from('abcdefgh'.repeat(400));
    const length = pglzCompress(input, 0, input.length, out, 0);
    expect(length).toBe(47);
    expect(Buffer.from(out.subarray(0, 16)).toString('hex')).toBe('006162636465666768ff0f08ff0f08ff');
  });

  it('refuses damage', () => {
    const out = new Uint8Array(100);
    expect(pglzDecompress(Uint8Array.from([1, 0x00, 0x05]), 0, 3, out, 0, 10, true)).toBe(-1);
    expect(pglzDecompress(Uint8Array.from([0, 65, 66]), 0, 3, out, 0, 10, true)).toBe(-1);
    expect(pglzDecompress(Uint8Array.from([0, 65, 66]), 0, 3, out, 0, 10, false)).toBe(2);
  });
});
