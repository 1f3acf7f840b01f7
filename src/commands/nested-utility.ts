/** nested-utility.ts — a command that another command runs: the sequence of a serial column, the elements of a schema.
 *  Installed by tcop/utility.ts, which knows all commands.
 *  Counterpart: ProcessUtility() with PROCESS_UTILITY_SUBCOMMAND */
import type { Node } from '@pgsql/types';
import { commandCounterIncrement } from '#transam/xact.ts';

let run: (node: Node, sourceText: string) => void = () => {
  throw new Error('no utility commands are installed');
};
export function setNestedUtility(process: (node: Node, sourceText: string) => void): void {
  run = process;
}
export function processNested(node: Node, sourceText: string): void {
  run(node, sourceText);
  commandCounterIncrement();
}
