/** invariants.ts — dear checks, on under INVARIANTS=1 only. */
export const INVARIANTS: boolean = process.env['INVARIANTS'] === '1';
