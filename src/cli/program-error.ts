/** program-error.ts — how PostgreSQL's small programs complain: their name, `error:`, and perhaps a detail and a hint. */
import { CommandLineError } from '#cli/getopt.ts';
import type { Output } from '#cli/initdb.ts';

/** Why a program cannot go on, without its name. */
export class ProgramError extends Error {}
/** A mistake in the command line that the program itself found; getopt's own are CommandLineErrors. */
export class UsageMistake extends ProgramError {
  constructor(
    message: string,
    readonly detail?: string,
  ) {
    super(message);
  }
}

/** Exit code 1; throws on what is no complaint. */
export function complain(program: string, caught: unknown, io: Output): number {
  if (!(caught instanceof ProgramError || caught instanceof CommandLineError)) throw caught;
  if (caught instanceof CommandLineError) {
    if (caught.message !== '') io.err(`${program}: ${caught.message}\n`);
  } else io.err(`${program}: error: ${caught.message}\n`);
  if (caught instanceof UsageMistake && caught.detail !== undefined) io.err(`${program}: detail: ${caught.detail}\n`);
  if (caught instanceof UsageMistake || caught instanceof CommandLineError)
    io.err(`${program}: hint: Try "${program} --help" for more information.\n`);
  return 1;
}
