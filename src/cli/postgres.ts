/** postgres.ts — behind bin/postgres: the server, one of its spawned children, or an answer to a question.
 *  Counterpart: src/backend/main/main.c */
// Effect: log entries in log_timezone, from the first one on.
import '#adt/log-time-zone.ts';
import { packageRoot } from '#platform/native.ts';
import { describeConfig } from '#runtime/guc/describe-config.ts';
import { SERVER_VERSION } from '#runtime/version.ts';
import { spawnedChildMain } from '#postmaster/child-entry.ts';
import { EnterEventLoop } from '#processes/async-worker.ts';
import { postmasterMain } from '#postmaster/main.ts';

const HELP = `postgres is the Nodegres server.

Usage:
  postgres [OPTION]...

Options:
  -B NBUFFERS        number of shared buffers
  -c NAME=VALUE      set run-time parameter
  -C NAME            print value of run-time parameter, then exit
  -d 1-5             debugging level
  -D DATADIR         database directory
  -e                 use European date input format (DMY)
  -F                 turn fsync off
  -h HOSTNAME        host name or IP address to listen on
  -i                 enable TCP/IP connections
  -k DIRECTORY       Unix-domain socket location
  -l                 enable SSL connections
  -N MAX-CONNECT     maximum number of allowed connections
  -p PORT            port number to listen on
  -s                 show statistics after each query
  -S WORK-MEM        set amount of memory for sorts (in kB)
  -V, --version      output version information, then exit
  --NAME=VALUE       set run-time parameter
  -?, --help         show this help, then exit
`;

export function main(argv: readonly string[]): void {
  const [first] = argv;
  if (first === '--forkchild') {
    try {
      spawnedChildMain();
    } catch (caught) {
      // An async worker leaves the stack this way, and Node goes on into its event loop.
      if (caught instanceof EnterEventLoop) return;
      throw caught;
    }
  }
  if (first === '--help' || first === '-?') {
    process.stdout.write(HELP);
    return;
  }
  if (first === '--version' || first === '-V') {
    process.stdout.write(`postgres (PostgreSQL) ${SERVER_VERSION}\n`);
    return;
  }
  if (first === '--describe-config') {
    process.stdout.write(describeConfig());
    return;
  }
  postmasterMain({ program: `${packageRoot}/bin/postgres`, argv });
}
