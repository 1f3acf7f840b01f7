/** Types of cycles.mjs for tests in TypeScript. */
export interface TortureOptions {
  readonly seed: number;
  readonly cycles: number;
  readonly writers: number;
  readonly durationMs: number;
  readonly ways: readonly string[];
  /** Each way in its turn instead of at random. */
  readonly inTurn?: boolean;
  readonly judge?: boolean;
  readonly keep?: boolean;
  readonly conf?: readonly string[];
  readonly kinds?: readonly string[];
  say(text: string): void;
}
/** Problems found, none if all is well. */
export function torture(options: TortureOptions): Promise<string[]>;
export const WAYS: readonly string[];
