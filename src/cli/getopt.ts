/** getopt.ts — command lines as getopt_long reads them: clustered short options, `--name=value`, unambiguous
 *  abbreviations of long names, operands anywhere, `--` ends the options. PostgreSQL's programs promise this behaviour
 *  and its complaints, which general option parsers do not give. */

export interface OptionSpec {
  /** Key under which the option is reported. */
  readonly name: string;
  readonly short?: string;
  readonly long?: string;
  /** Takes a value; `optional` only behind an equals sign. */
  readonly value?: boolean | 'optional';
}
export interface ParsedOption {
  readonly name: string;
  readonly value: string;
}
export interface CommandLine {
  readonly options: readonly ParsedOption[];
  readonly operands: readonly string[];
}

/** A mistake in the command line; the caller adds who complains. */
export class CommandLineError extends Error {}

function findLong(specs: readonly OptionSpec[], given: string): OptionSpec {
  const exact = specs.find((spec) => spec.long === given);
  if (exact !== undefined) return exact;
  const close = specs.filter((spec) => spec.long?.startsWith(given));
  const only = close[0];
  if (only === undefined || given === '') throw new CommandLineError(`unrecognized option '--${given}'`);
  if (close.length > 1) {
    const possible = close.map((spec) => `'--${spec.long}'`).join(' ');
    throw new CommandLineError(`option '--${given}' is ambiguous; possibilities: ${possible}`);
  }
  return only;
}

export function parseCommandLine(argv: readonly string[], specs: readonly OptionSpec[]): CommandLine {
  const options: ParsedOption[] = [];
  const operands: string[] = [];
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? '';
    if (word === '--') {
      operands.push(...argv.slice(at + 1));
      break;
    }
    if (word.startsWith('--')) {
      const equals = word.indexOf('=');
      const spec = findLong(specs, word.slice(2, equals < 0 ? undefined : equals));
      let value = equals < 0 ? undefined : word.slice(equals + 1);
      if ((spec.value ?? false) === false && value !== undefined) {
        throw new CommandLineError(`option '--${spec.long}' doesn't allow an argument`);
      }
      if (spec.value === true && value === undefined) {
        value = argv[++at];
        if (value === undefined) throw new CommandLineError(`option '--${spec.long}' requires an argument`);
      }
      options.push({ name: spec.name, value: value ?? '' });
    } else if (word.startsWith('-') && word !== '-') {
      for (let letterAt = 1; letterAt < word.length; letterAt++) {
        const letter = word.charAt(letterAt);
        const spec = specs.find((candidate) => candidate.short === letter);
        if (spec === undefined) throw new CommandLineError(`invalid option -- '${letter}'`);
        if (spec.value !== true) {
          options.push({ name: spec.name, value: '' });
          continue;
        }
        const rest = word.slice(letterAt + 1);
        const value = rest !== '' ? rest : argv[++at];
        if (value === undefined) throw new CommandLineError(`option requires an argument -- '${letter}'`);
        options.push({ name: spec.name, value });
        break;
      }
    } else operands.push(word);
  }
  return { options, operands };
}
