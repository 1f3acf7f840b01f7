/** nodegres.ts — one command for everything around the server: PostgreSQL's initdb and pg_ctl under one name, plus the
 *  process tree (`ps`) and the log (`logs`). */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { resolve } from 'node:path';
import { checksums } from '#cli/checksums.ts';
import { controldata } from '#cli/controldata.ts';
import { portOf, runForeground } from '#cli/foreground.ts';
import type { Output } from '#cli/initdb.ts';
import { initdb } from '#cli/initdb.ts';
import { showLogs } from '#cli/logs-command.ts';
import { pgCtl } from '#cli/pg-ctl.ts';
import { PidFileError } from '#cli/pid-file.ts';
import { showProcesses } from '#cli/ps-command.ts';
import { waldump } from '#cli/waldump.ts';
import { NODEGRES_VERSION } from '#runtime/version.ts';

/** Handed to pg_ctl with all their words. */
const PG_CTL_COMMANDS: Readonly<Record<string, string>> = {
  stop: 'stop the server: [-D DATADIR] [-m smart|fast|immediate] [-W] [-t SECS]',
  restart: 'stop the server and start it again',
  reload: 'make the server read its configuration files again',
  status: 'say whether a server runs in a data directory',
  promote: 'promote a standby',
  logrotate: 'begin a new log file',
  kill: 'send a signal to one process: SIGNALNAME PID',
};
const DEFAULT_DIRECTORY = 'pgdata';

function lineCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 0) throw new InvalidArgumentError('It is no line count.');
  return count;
}

interface DirectoryOption {
  readonly pgdata?: string;
}

class Nodegres {
  private exitCode = 0;
  private readonly program = new Command('nodegres');
  constructor(
    private readonly env: NodeJS.ProcessEnv,
    private readonly io: Output,
  ) {
    this.program
      .description("PostgreSQL's process architecture in TypeScript: create, run, watch and stop a server.")
      .version(NODEGRES_VERSION, '-V, --version', 'print the version')
      .helpOption('-?, --help', 'print this help')
      .helpCommand(false)
      .configureOutput({ writeOut: io.out, writeErr: io.err })
      .exitOverride();
    this.addInitdb();
    this.addStart();
    for (const [name, description] of Object.entries(PG_CTL_COMMANDS)) {
      this.passThrough(name, description, (words) => pgCtl([name, ...words], this.env, this.io));
    }
    this.addInspection();
    this.addPs();
    this.addLogs();
  }

  async run(argv: readonly string[]): Promise<number> {
    try {
      if (argv.length === 0) {
        this.program.outputHelp({ error: true });
        return 1;
      }
      await this.program.parseAsync(argv, { from: 'user' });
      return this.exitCode;
    } catch (caught) {
      if (caught instanceof CommanderError) return caught.exitCode;
      if (caught instanceof PidFileError) {
        this.io.err(`nodegres: ${caught.message}\n`);
        return caught.noDirectory ? 4 : 1;
      }
      throw caught;
    }
  }

  /** -D, then $PGDATA, then ./pgdata. */
  private directory({ pgdata }: DirectoryOption): string {
    return resolve(pgdata ?? (this.env['PGDATA'] || DEFAULT_DIRECTORY));
  }

  /** A command whose words another program's parser reads. */
  private passThrough(name: string, description: string, work: (words: string[]) => Promise<number>): Command {
    return this.program
      .command(name)
      .description(description)
      .argument('[words...]')
      .usage('[options]')
      .allowUnknownOption()
      .helpOption(false)
      .action(async (words: string[]) => {
        this.exitCode = await work(words);
      });
  }

  private addInitdb(): void {
    this.passThrough('initdb', 'create a data directory: [-D DATADIR] [-U NAME] [-A METHOD] …', (words) =>
      initdb(words, this.env, this.io),
    );
  }

  private addInspection(): void {
    this.passThrough('waldump', 'show the write-ahead log: [-p PATH] [-s START] [STARTSEG [ENDSEG]] …', (words) =>
      waldump(words, this.env, this.io),
    );
    this.passThrough('controldata', 'show the control file: [-D DATADIR]', async (words) =>
      controldata(words, this.env, this.io),
    );
    this.passThrough('checksums', 'verify, enable or disable checksums: [-c|-d|-e] [-D DATADIR]', async (words) =>
      checksums(words, this.env, this.io),
    );
  }

  private addStart(): void {
    const description = 'start a server: [-D DATADIR] [-l FILENAME] [-o OPTIONS]; or --foreground [-D DATADIR]';
    this.passThrough('start', description, async (words) => {
      if (!words.includes('--foreground')) return pgCtl(['start', ...words], this.env, this.io);
      return this.startForeground(words.filter((word) => word !== '--foreground'));
    });
  }

  private async startForeground(words: readonly string[]): Promise<number> {
    const command = new Command('nodegres start --foreground')
      .addOption(new Option('-D, --pgdata <dir>', 'data directory (default: $PGDATA or ./pgdata)'))
      .addOption(new Option('-h, --host <address>', 'address to listen on').default('127.0.0.1'))
      .helpOption('-?, --help', 'print this help')
      .configureOutput({ writeOut: this.io.out, writeErr: this.io.err })
      .exitOverride()
      .parse(words, { from: 'user' });
    const { pgdata, host } = command.opts<{ pgdata?: string; host: string }>();
    const port = portOf(this.env);
    if (port === undefined) {
      this.io.err(`nodegres: PGPORT "${this.env['PGPORT']}" is no port number\n`);
      return 1;
    }
    const dataDirectory = this.directory(pgdata === undefined ? {} : { pgdata });
    return runForeground({ dataDirectory, host, port }, this.env, this.io);
  }

  private addPs(): void {
    this.program
      .command('ps')
      .description('show the processes of a running server')
      .option('-D, --pgdata <dir>', 'data directory (default: $PGDATA or ./pgdata)')
      .action(async (options: DirectoryOption) => {
        this.exitCode = await showProcesses(this.directory(options), this.env, this.io);
      });
  }

  private addLogs(): void {
    this.program
      .command('logs')
      .description('show the log file in use')
      .option('-D, --pgdata <dir>', 'data directory (default: $PGDATA or ./pgdata)')
      .option('-f, --follow', 'go on showing what is added')
      .option('-n, --lines <count>', 'lines to show from the end', lineCount, 50)
      .addOption(new Option('--format <name>', 'which file').choices(['stderr', 'csvlog', 'jsonlog']))
      .action(async (options: DirectoryOption & { follow?: boolean; lines: number; format?: string }) => {
        const { follow = false, lines, format } = options;
        this.exitCode = await showLogs(this.directory(options), { follow, lines, destination: format }, this.io);
      });
  }
}

/** Exit code. */
export const nodegres = (argv: readonly string[], env: NodeJS.ProcessEnv, io: Output): Promise<number> =>
  new Nodegres(env, io).run(argv);

export async function main(argv: readonly string[]): Promise<void> {
  const io: Output = {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
  };
  process.exitCode = await nodegres(argv, process.env, io);
}
