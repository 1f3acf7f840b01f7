/** controldata.ts — pg_controldata: what pg_control says.
 *  Counterpart: src/bin/pg_controldata/pg_controldata.c */
// Effect: times in the system's zone.
import '#adt/log-time-zone.ts';
import { type OptionSpec, parseCommandLine } from '#cli/getopt.ts';
import type { Output } from '#cli/initdb.ts';
import { versionLine } from '#cli/package-folder.ts';
import { readControlImage } from '#cli/control-image.ts';
import { systemTimeZone } from '#cli/time-zone.ts';
import { complain, UsageMistake } from '#cli/program-error.ts';
import { followLogTimeZone, formatTime } from '#runtime/error/log-time.ts';
import { readCheckPoint } from '#wal/check-point.ts';
import { ControlFileLayout as L } from '#wal/control-file-layout.ts';
import {
  isValidSegmentSize,
  lsnText,
  segmentFileName,
  segmentOf,
  setWalSegmentSize,
  WAL_LEVEL_NAMES,
} from '#wal/wal-format.ts';

const USAGE = `pg_controldata displays control information of a PostgreSQL database cluster.

Usage:
  pg_controldata [OPTION] [DATADIR]

Options:
 [-D, --pgdata=]DATADIR  data directory
  -V, --version          output version information, then exit
  -?, --help             show this help, then exit

If no data directory (DATADIR) is specified, the environment variable PGDATA
is used.
`;
const SPECS: readonly OptionSpec[] = [
  { name: 'pgdata', short: 'D', long: 'pgdata', value: true },
  { name: 'version', short: 'V', long: 'version' },
  { name: 'help', short: '?', long: 'help' },
];
const STATES = [
  'starting up',
  'shut down',
  'shut down in recovery',
  'shutting down',
  'in crash recovery',
  'in archive recovery',
  'in production',
];
const FLOAT_FORMAT = 1234567.0;

/** What the program prints of a directory: warnings first. */
export function controlText(directory: string): { readonly warnings: string; readonly text: string } {
  const { memory, crcIsRight } = readControlImage(directory);
  const number = (name: 'catalogVersion' | 'pgControlVersion' | 'state' | 'minRecoveryPointTli'): number =>
    L[name].get(memory, 0);
  let warnings = '';
  if (!crcIsRight)
    warnings +=
      'WARNING: Calculated CRC checksum does not match value stored in file.\n' +
      'Either the file is corrupt, or it has a different layout than this program\n' +
      'is expecting.  The results below are untrustworthy.\n\n';
  let segmentSize = L.xlogSegSize.get(memory, 0);
  if (!isValidSegmentSize(segmentSize)) {
    const bytes = `${segmentSize} byte${segmentSize === 1 ? '' : 's'}`;
    warnings +=
      'WARNING: invalid WAL segment size\n' +
      `The WAL segment size stored in the file, ${bytes}, is not a power of two\n` +
      'between 1 MB and 1 GB.  The file is corrupt and the results below are\nuntrustworthy.\n\n';
    segmentSize = 0;
  }
  const checkPoint = readCheckPoint(memory, L.checkPointCopy.offset);
  if (segmentSize !== 0) setWalSegmentSize(segmentSize);
  const redoFile = segmentSize === 0 ? '???' : segmentFileName(checkPoint.thisTimeline, segmentOf(checkPoint.redo));
  const time = (seconds: number): string => formatTime('%c', seconds);
  const onOff = (flag: boolean): string => (flag ? 'on' : 'off');
  const yesNo = (flag: boolean): string => (flag ? 'yes' : 'no');
  const xid = `${Math.floor(checkPoint.nextXid / 0x1_0000_0000)}:${checkPoint.nextXid % 0x1_0000_0000}`;
  const nonceAt = L.mockAuthNonce.offset;
  const nonce = Buffer.from(memory.u8.slice(nonceAt, nonceAt + 32)).toString('hex');
  const rows: readonly (readonly [string, string | number | bigint])[] = [
    ['pg_control version number', number('pgControlVersion')],
    ['Catalog version number', number('catalogVersion')],
    ['Database system identifier', memory.view.getBigUint64(L.systemIdentifier.offset, true)],
    ['Database cluster state', STATES[number('state')] ?? 'unrecognized status code'],
    ['pg_control last modified', time(L.time.get(memory, 0))],
    ['Latest checkpoint location', lsnText(L.checkPoint.get(memory, 0))],
    ["Latest checkpoint's REDO location", lsnText(checkPoint.redo)],
    ["Latest checkpoint's REDO WAL file", redoFile],
    ["Latest checkpoint's TimeLineID", checkPoint.thisTimeline],
    ["Latest checkpoint's PrevTimeLineID", checkPoint.prevTimeline],
    ["Latest checkpoint's full_page_writes", onOff(checkPoint.fullPageWrites)],
    ["Latest checkpoint's NextXID", xid],
    ["Latest checkpoint's NextOID", checkPoint.nextOid],
    ["Latest checkpoint's NextMultiXactId", checkPoint.nextMulti],
    ["Latest checkpoint's NextMultiOffset", checkPoint.nextMultiOffset],
    ["Latest checkpoint's oldestXID", checkPoint.oldestXid],
    ["Latest checkpoint's oldestXID's DB", checkPoint.oldestXidDb],
    ["Latest checkpoint's oldestActiveXID", checkPoint.oldestActiveXid],
    ["Latest checkpoint's oldestMultiXid", checkPoint.oldestMulti],
    ["Latest checkpoint's oldestMulti's DB", checkPoint.oldestMultiDb],
    ["Latest checkpoint's oldestCommitTsXid", checkPoint.oldestCommitTsXid],
    ["Latest checkpoint's newestCommitTsXid", checkPoint.newestCommitTsXid],
    ['Time of latest checkpoint', time(checkPoint.time)],
    ['Fake LSN counter for unlogged rels', lsnText(L.unloggedLsn.get(memory, 0))],
    ['Minimum recovery ending location', lsnText(L.minRecoveryPoint.get(memory, 0))],
    ["Min recovery ending loc's timeline", number('minRecoveryPointTli')],
    ['Backup start location', lsnText(L.backupStartPoint.get(memory, 0))],
    ['Backup end location', lsnText(L.backupEndPoint.get(memory, 0))],
    ['End-of-backup record required', yesNo(L.backupEndRequired.get(memory, 0))],
    ['wal_level setting', WAL_LEVEL_NAMES[L.walLevel.get(memory, 0)] ?? 'unrecognized "wal_level"'],
    ['wal_log_hints setting', onOff(L.walLogHints.get(memory, 0))],
    ['max_connections setting', L.maxConnections.get(memory, 0)],
    ['max_worker_processes setting', L.maxWorkerProcesses.get(memory, 0)],
    ['max_wal_senders setting', L.maxWalSenders.get(memory, 0)],
    ['max_prepared_xacts setting', L.maxPreparedXacts.get(memory, 0)],
    ['max_locks_per_xact setting', L.maxLocksPerXact.get(memory, 0)],
    ['track_commit_timestamp setting', onOff(L.trackCommitTimestamp.get(memory, 0))],
    ['Maximum data alignment', L.maxAlign.get(memory, 0)],
    ['Database block size', L.blcksz.get(memory, 0)],
    ['Blocks per segment of large relation', L.relsegSize.get(memory, 0)],
    ['WAL block size', L.xlogBlcksz.get(memory, 0)],
    ['Bytes per WAL segment', L.xlogSegSize.get(memory, 0)],
    ['Maximum length of identifiers', L.nameDataLen.get(memory, 0)],
    ['Maximum columns in an index', L.indexMaxKeys.get(memory, 0)],
    ['Maximum size of a TOAST chunk', L.toastMaxChunkSize.get(memory, 0)],
    ['Size of a large-object chunk', L.loblksize.get(memory, 0)],
    ['Date/time type storage', '64-bit integers'],
    ['Float8 argument passing', L.float8ByVal.get(memory, 0) ? 'by value' : 'by reference'],
    ['Data page checksum version', L.dataChecksumVersion.get(memory, 0)],
    ['Mock authentication nonce', nonce],
  ];
  // A different float format means a different machine wrote this.
  if (L.floatFormat.get(memory, 0) !== FLOAT_FORMAT && crcIsRight)
    warnings += 'WARNING: possible byte ordering mismatch\n';
  const width = "Latest checkpoint's oldestMulti's DB: ".length;
  return { warnings, text: rows.map(([label, value]) => `${`${label}:`.padEnd(width)}${value}\n`).join('') };
}

/** Exit code. */
export function controldata(argv: readonly string[], env: NodeJS.ProcessEnv, io: Output): number {
  try {
    if (argv[0] === '--help' || argv[0] === '-?') io.out(USAGE);
    else if (argv[0] === '--version' || argv[0] === '-V') io.out(`${versionLine('pg_controldata')}\n`);
    else {
      const { options, operands } = parseCommandLine(argv, SPECS);
      let directory = options.findLast((one) => one.name === 'pgdata')?.value;
      const rest = [...operands];
      directory ??= rest.shift() ?? env['PGDATA'];
      if (rest.length > 0) throw new UsageMistake(`too many command-line arguments (first is "${rest[0]}")`);
      if (directory === undefined) throw new UsageMistake('no data directory specified');
      followLogTimeZone(systemTimeZone(env));
      const { warnings, text } = controlText(directory);
      io.out(warnings + text);
    }
    return 0;
  } catch (caught) {
    return complain('pg_controldata', caught, io);
  }
}

export function main(argv: readonly string[]): void {
  process.exitCode = controldata(argv, process.env, {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
  });
}
