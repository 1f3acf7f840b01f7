/** main.ts — from a command line to a serving postmaster.
 *
 *  Sequence (PostgreSQL's, and the one the seed document draws): switches, configuration files, data directory, lock
 *  file, preloaded libraries, shared memory, log, sockets, pg_hba.conf, first children, server loop.
 *  Counterpart: PostmasterMain() of src/backend/postmaster/postmaster.c */
import { currentTimestamp } from '#platform/clock.ts';
import { native, SIGNAL } from '#platform/native.ts';
import {
  changeDirectory,
  exists,
  FileError,
  readTextFile,
  removeFileIfExists,
  statFile,
  writeFile,
} from '#platform/file-system.ts';
import { exitProcess, onProcExit } from '#runtime/exit-callbacks.ts';
import { installLogSink } from '#runtime/error/sinks.ts';
import { PgError, report, reportHooks, toPgError } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { getConfigOption, setInternalOption, settings } from '#runtime/guc/guc.ts';
import { initializeGucOptions, selectConfigFiles } from '#runtime/guc/guc-file.ts';
import { parsePostgresSwitches } from '#runtime/guc/switches.ts';
import { useSignalWords } from '#runtime/interrupts.ts';
import { becomeProcess, myProcess } from '#runtime/my-process.ts';
import { serverFacts } from '#runtime/server-facts.ts';
import { VERSION_TEXT } from '#runtime/version.ts';
import '#adt/load.ts';
import '#commands/variable-checks.ts';
import '#wal/wal-settings.ts';
import { loadSharedPreloadLibraries } from '#bgworker/load-library.ts';
import { registerBackgroundWorker } from '#bgworker/registry.ts';
import { initWaiting, watchReadable } from '#shm/wait-event-set.ts';
import { installExtensionApi } from '#processes/extension-api.ts';
import { LOGICAL_LAUNCHER_WORKER } from '#processes/logical-launcher.ts';
import { CONTROL_FILE_PATH } from '#wal/control-file-layout.ts';
import { readControlFile } from '#wal/control-file.ts';
import { loadHba } from '#tcop/hba.ts';
import { loadIdent } from '#tcop/ident.ts';
import { adoptStaticWorkers, maybeStartWorkers } from '#postmaster/background-workers.ts';
import { startSingle } from '#postmaster/children.ts';
import { childEntry } from '#postmaster/child-entry.ts';
import { probeFork } from '#postmaster/fork-probe.ts';
import { setChildEntry } from '#postmaster/launch.ts';
import { closeListenSockets, openListenSockets } from '#postmaster/listen.ts';
import { createDataDirectoryLockFile, setPidFileStatus } from '#postmaster/lock-files.ts';
import { redirectStderrToLogger } from '#postmaster/log-redirect.ts';
import { PM, pm } from '#postmaster/pm-state.ts';
import { preloadForFork } from '#postmaster/preload.ts';
import { serverLoop } from '#postmaster/server-loop.ts';
import { createSharedMemory, sizeProcessTables } from '#postmaster/shared-memory.ts';
import { setState } from '#postmaster/state-machine.ts';
import { removePgTempFiles } from '#storage/file/temp-files.ts';

export interface PostmasterArguments {
  /** Full name of the program, for postmaster.opts. */
  readonly program: string;
  readonly argv: readonly string[];
}

const say = (text: string): void => {
  const bytes = Buffer.from(text);
  native.writeBytes(2, bytes, 0, bytes.length);
};
function die(text: string, code: number): never {
  say(text);
  return native.exitNow(code);
}

export function postmasterMain(args: PostmasterArguments): never {
  process.umask(0o077);
  becomeProcess('postmaster', 'postmaster');
  myProcess.postmasterPid = myProcess.pid;
  reportHooks.exitProcess = exitProcess;
  reportHooks.abortProcess = native.abortNow;
  useSignalWords(new Int32Array(native.signalWords()));
  installLogSink();
  try {
    start(args);
    serverLoop();
  } catch (caught) {
    // Nothing catches an ERROR of the postmaster, so it is FATAL.
    const error = toPgError(caught);
    report('FATAL', error instanceof PgError ? { ...error.fields, code: error.code } : { message: String(error) });
  }
}

function start(args: PostmasterArguments): void {
  serverFacts.postmasterStartTime = currentTimestamp();
  readConfiguration(args);
  checkDataDirectory();
  checkControlFile();
  changeDirectory(settings.data_directory);
  myProcess.dataDirectory = settings.data_directory;
  checkSettings();
  installSignals();
  pm.interlockFd = createDataDirectoryLockFile();
  serverFacts.interlockFd = pm.interlockFd;
  readControlFile();
  native.titleInit();
  installExtensionApi();
  registerBackgroundWorker(LOGICAL_LAUNCHER_WORKER);
  loadSharedPreloadLibraries();
  installSignals();
  sizeProcessTables();
  createSharedMemory();
  adoptStaticWorkers();
  setInternalOption('shared_memory_size', `${Math.ceil(pm.segmentSize / 0x100000)}MB`);
  native.raiseFileLimit(65_536);
  openDeathPipe();
  removeFileIfExists('promote');
  removeFileIfExists('logrotate');
  removeFileIfExists('current_logfiles');
  removeFileIfExists('pg_stat_tmp/restarts');
  decideProcessModel();
  startLogger();
  report('LOG', { message: `starting ${VERSION_TEXT}` });
  removePgTempFiles();
  if (native.effectiveUid() === 0)
    report('WARNING', {
      message: '"root" execution of the server is not recommended',
      hint: 'The server can read and write everything on this machine. Run it under an unprivileged user ID unless this is a container of its own.',
    });
  onProcExit(closeListenSockets);
  openListenSockets();
  writeOptionsFile(args);
  loadAccessRules();
  pm.statsSocket = native.udpLoopback(256 * 1024);
  serverFacts.statsSocket = pm.statsSocket;
  setPidFileStatus('starting');
  initWaiting(-1);
  for (const fd of pm.listenSockets) watchReadable(fd);
  setChildEntry(childEntry);
  if (pm.forkMode) preloadForFork();
  startSingle('checkpointer');
  startSingle('background-writer');
  startSingle('startup');
  pm.startupStatus = 'running';
  setState(PM.STARTUP);
  maybeStartWorkers();
}

function readConfiguration(args: PostmasterArguments): void {
  initializeGucOptions();
  const switches = parsePostgresSwitches(args.argv, 'commandLine');
  if (switches.usageError !== undefined) die(switches.usageError, 1);
  if (switches.positional.length > 0)
    die(`postgres: invalid argument: "${switches.positional[0]}"\nTry "postgres --help" for more information.\n`, 1);
  const problem = selectConfigFiles(switches.dataDirectory, 'postgres');
  if (problem !== undefined) die(problem, 2);
  serverFacts.configLoadTime = currentTimestamp();
  if (switches.printParameter !== undefined) printParameter(switches.printParameter);
}

/** `postgres -C name`: answers and leaves. */
function printParameter(name: string): never {
  if (RUNTIME_COMPUTED.has(name.toLowerCase())) {
    loadSharedPreloadLibraries();
    sizeProcessTables();
  }
  const value = getConfigOption(name);
  const text = Buffer.from(`${value ?? ''}\n`);
  native.writeBytes(1, text, 0, text.length);
  return native.exitNow(0);
}
const RUNTIME_COMPUTED = new Set(['shared_memory_size', 'shared_memory_size_in_huge_pages']);

function checkDataDirectory(): void {
  const directory = settings.data_directory;
  let status: ReturnType<typeof statFile>;
  try {
    status = statFile(directory);
  } catch (caught) {
    if (!(caught instanceof FileError)) throw caught;
    if (caught.code === 'ENOENT')
      report('FATAL', { code: SQLSTATE.undefinedFile, message: `data directory "${directory}" does not exist` });
    report('FATAL', { message: `could not read permissions of directory "${directory}": ${caught.reason}` });
  }
  if (!status.isDirectory)
    report('FATAL', {
      code: SQLSTATE.objectNotInPrerequisiteState,
      message: `specified data directory "${directory}" is not a directory`,
    });
  if (status.uid !== native.effectiveUid())
    report('FATAL', {
      code: SQLSTATE.objectNotInPrerequisiteState,
      message: `data directory "${directory}" has wrong ownership`,
      hint: 'The server must be started by the user that owns the data directory.',
    });
  if ((status.mode & 0o027) !== 0)
    report('FATAL', {
      code: SQLSTATE.objectNotInPrerequisiteState,
      message: `data directory "${directory}" has invalid permissions`,
      detail: 'Permissions should be u=rwx (0700) or u=rwx,g=rx (0750).',
    });
  setInternalOption('data_directory_mode', (status.mode & 0o777).toString(8).padStart(4, '0'));
  if ((status.mode & 0o040) !== 0) process.umask(0o027);
  checkVersion(directory);
}

/** A directory without pg_control is no database, whatever else it has. */
function checkControlFile(): void {
  const directory = settings.data_directory;
  const path = `${directory}/${CONTROL_FILE_PATH}`;
  try {
    statFile(path);
  } catch (caught) {
    if (!(caught instanceof FileError)) throw caught;
    die(
      `postgres: could not find the database system\nExpected to find it in the directory "${directory}",\nbut could not open file "${path}": ${caught.reason}\n`,
      2,
    );
  }
}

function checkVersion(directory: string): void {
  const path = `${directory}/PG_VERSION`;
  if (!exists(path))
    report('FATAL', {
      code: SQLSTATE.invalidParameterValue,
      message: `"${directory}" is not a valid data directory`,
      detail: `File "${path}" is missing.`,
    });
  const version = readTextFile(path).trim();
  if (!/^\d+(\.\d+)?$/.test(version))
    report('FATAL', {
      code: SQLSTATE.invalidParameterValue,
      message: `"${directory}" is not a valid data directory`,
      detail: `File "${path}" does not contain valid data.`,
      hint: 'You might need to initdb.',
    });
  if (version !== '15')
    report('FATAL', {
      code: SQLSTATE.invalidParameterValue,
      message: 'database files are incompatible with server',
      detail: `The data directory was initialized by PostgreSQL version ${version}, which is not compatible with this version 15.18.`,
    });
}

function checkSettings(): void {
  if (settings.superuser_reserved_connections >= settings.max_connections)
    die(
      `postgres: superuser_reserved_connections (${settings.superuser_reserved_connections}) must be less than max_connections (${settings.max_connections})\n`,
      1,
    );
  if (settings.archive_mode !== 'off' && settings.wal_level === 'minimal')
    report('ERROR', { message: 'WAL archival cannot be enabled when wal_level is "minimal"' });
  if (settings.max_wal_senders > 0 && settings.wal_level === 'minimal')
    report('ERROR', { message: 'WAL streaming (max_wal_senders > 0) requires wal_level "replica" or "logical"' });
}

function installSignals(): void {
  const { WORD, IGNORE, WAKE } = native.SIG_ACTION;
  for (const signal of [SIGNAL.HUP, SIGNAL.INT, SIGNAL.QUIT, SIGNAL.TERM, SIGNAL.USR1, SIGNAL.USR2, SIGNAL.CHLD])
    native.signalAction(signal, WORD);
  for (const signal of [SIGNAL.ALRM, SIGNAL.PIPE, SIGNAL.TTIN, SIGNAL.TTOU]) native.signalAction(signal, IGNORE);
  native.signalAction(SIGNAL.URG, WAKE);
  native.signalMask('set', []);
}

function openDeathPipe(): void {
  const ends = native.pipe(true);
  if (typeof ends === 'number')
    report('FATAL', { message: `could not create pipe to monitor postmaster death: ${native.errorMessage(-ends)}` });
  [pm.deathPipeRead, pm.deathPipeWrite] = ends;
}

function decideProcessModel(): void {
  pm.forkMode = settings.process_model === 'fork';
  serverFacts.isForked = pm.forkMode;
  if (!pm.forkMode) return;
  const reason = probeFork();
  if (reason === undefined) return;
  pm.forkMode = false;
  serverFacts.isForked = false;
  report('LOG', {
    message: 'process_model = fork does not work here, using spawn instead',
    detail: reason,
  });
}

function startLogger(): void {
  if (!settings.logging_collector) return;
  const ends = native.pipe(false);
  if (typeof ends === 'number')
    report('FATAL', { message: `could not create pipe for syslog: ${native.errorMessage(-ends)}` });
  [pm.logPipeRead, pm.logPipeWrite] = ends;
  setChildEntry(childEntry);
  if (startSingle('logger')) redirectStderrToLogger();
}

function loadAccessRules(): void {
  if (!loadHba()) report('FATAL', { code: SQLSTATE.configFileError, message: `could not load ${settings.hba_file}` });
  // A bad pg_ident.conf only makes its maps unusable.
  loadIdent();
}

function writeOptionsFile(args: PostmasterArguments): void {
  const quoted = args.argv.map((word) => ` "${word}"`).join('');
  try {
    writeFile('postmaster.opts', `${args.program}${quoted}\n`);
  } catch (caught) {
    if (!(caught instanceof FileError)) throw caught;
    report('LOG', { message: `could not create file "postmaster.opts": ${caught.reason}` });
  }
  if (settings.external_pid_file === '') return;
  const path = settings.external_pid_file;
  try {
    writeFile(path, `${myProcess.pid}\n`, 0o644);
    onProcExit(() => removeFileIfExists(path));
  } catch (caught) {
    if (!(caught instanceof FileError)) throw caught;
    say(`postgres: could not write external PID file "${path}": ${caught.reason}\n`);
  }
}
