/** log-files.ts — the logger's files: which are open, under which name, and when they give way to new ones.
 *
 *  One file per destination of log_destination, named by log_filename at the time of opening (.csv and .json replace
 *  .log). A rotation has one of four reasons: age (at multiples of log_rotation_age in log_timezone), size, a request
 *  (SIGUSR1), changed settings. An entry for a file that could not be opened goes to the stderr file. Failures are
 *  reported and survived: the old file stays in use, and unless only descriptors ran out, automatic rotation stops until
 *  SIGHUP. Waits for nothing and knows no process, so that tests drive it with a clock and a file system of their own.
 *  Counterpart: logfile_rotate(), set_next_rotation_time(), update_metainfo_datafile() of syslogger.c */
import { METAINFO_FILE } from '#runtime/error/current-log-files.ts';
import type { LogDestination } from '#runtime/error/log-pipe.ts';
import { LOG_DESTINATIONS, logDestinations } from '#runtime/error/log-pipe.ts';
import { civilTime, formatTime } from '#runtime/error/log-time.ts';

const BYTES_PER_KB = 1024;
const OWNER_WRITE = 0o200;

/** The settings obeyed, in their base units: minutes for age, kilobytes for size. */
export interface LoggerSettings {
  readonly log_destination: string;
  readonly log_directory: string;
  readonly log_filename: string;
  readonly log_file_mode: number;
  readonly log_rotation_age: number;
  readonly log_rotation_size: number;
  readonly log_truncate_on_rotation: boolean;
}
/** What of the operating system is needed. Failures are -errno. */
export interface LogFilePort {
  /** Descriptor, opened for appending; emptied first if `truncate`. */
  open(path: string, mode: number, truncate: boolean): number;
  size(fd: number): number;
  write(fd: number, bytes: Uint8Array): number;
  close(fd: number): void;
  makeDirectory(path: string): void;
  /** Replaces the file by these bytes, or fails. */
  replace(path: string, text: string): number;
  remove(path: string): void;
  /** No descriptor left (EMFILE, ENFILE): worth trying again. */
  isTransient(failure: number): boolean;
  message(failure: number): string;
}
export interface LogFilesReport {
  log(message: string): void;
  /** Straight to standard error: the log itself cannot take it. */
  stderr(text: string): void;
}

interface OpenFile {
  readonly fd: number;
  readonly path: string;
  bytes: number;
}

const EXTENSION: Readonly<Record<LogDestination, string>> = { stderr: '', csvlog: '.csv', jsonlog: '.json' };

export class LogFiles {
  private readonly files = new Map<LogDestination, OpenFile>();
  /** Survives a closed file: truncation wants to know whether the name is new. */
  private readonly lastPath = new Map<LogDestination, string>();
  private rotationRequested = false;
  private rotationDisabled = false;
  private nextRotation = 0;
  private directory: string;
  private namePattern: string;
  private rotationAge: number;

  constructor(
    private readonly port: LogFilePort,
    private readonly settings: LoggerSettings,
    private readonly report: LogFilesReport,
  ) {
    this.directory = settings.log_directory;
    this.namePattern = settings.log_filename;
    this.rotationAge = settings.log_rotation_age;
  }

  /** Opens the first files. `openedAt` is the time that names them: a logger that replaces a dead one goes on with the
   *  same files. Without a file to write to entries go to standard error, until SIGHUP or a request tries again. */
  start(openedAt: number, now: number): void {
    this.port.makeDirectory(this.directory);
    for (const destination of LOG_DESTINATIONS) {
      if (!this.isWanted(destination)) continue;
      const path = this.pathFor(destination, openedAt);
      const fd = this.open(path, false);
      if (fd >= 0) this.install(destination, fd, path);
      else {
        this.reportOpenFailure(path, fd);
        this.rotationDisabled = true;
      }
    }
    this.scheduleRotation(now);
    this.writeMetainfo();
  }

  requestRotation(): void {
    this.rotationRequested = true;
  }

  /** The configuration was read again. */
  settingsChanged(now: number): void {
    const { log_directory: directory, log_filename: pattern, log_rotation_age: age } = this.settings;
    if (directory !== this.directory) {
      this.directory = directory;
      this.rotationRequested = true;
      this.port.makeDirectory(directory);
    }
    if (pattern !== this.namePattern) {
      this.namePattern = pattern;
      this.rotationRequested = true;
    }
    for (const destination of LOG_DESTINATIONS) {
      if (this.isWanted(destination) !== this.files.has(destination)) this.rotationRequested = true;
    }
    if (age !== this.rotationAge) {
      this.rotationAge = age;
      this.scheduleRotation(now);
    }
    if (this.rotationDisabled) {
      this.rotationDisabled = false;
      this.rotationRequested = true;
    }
    this.writeMetainfo();
  }

  /** Rotates if it is time; returns the milliseconds to the next rotation by age, -1 for none. */
  tick(now: number): number {
    const byAge = this.settings.log_rotation_age > 0 && !this.rotationDisabled && now >= this.nextRotation;
    let due: ReadonlySet<LogDestination> = new Set();
    if (byAge || this.rotationRequested) due = new Set(LOG_DESTINATIONS);
    else if (!this.rotationDisabled) due = this.overfull();
    if (due.size > 0) this.rotate(byAge, due, now);
    if (this.settings.log_rotation_age <= 0 || this.rotationDisabled) return -1;
    return Math.max(0, this.nextRotation - now) * 1000;
  }

  write(destination: LogDestination, bytes: Uint8Array): void {
    const file = this.files.get(destination) ?? this.files.get('stderr');
    if (file === undefined) {
      this.report.stderr(new TextDecoder().decode(bytes));
      return;
    }
    let at = 0;
    while (at < bytes.length) {
      const written = this.port.write(file.fd, at === 0 ? bytes : bytes.subarray(at));
      if (written <= 0) {
        // Not into the log: an error about a full disk must not need the disk.
        this.report.stderr(`could not write to log file: ${this.port.message(written)}\n`);
        return;
      }
      file.bytes += written;
      at += written;
    }
  }

  close(): void {
    for (const file of this.files.values()) this.port.close(file.fd);
    this.files.clear();
  }

  private isWanted(destination: LogDestination): boolean {
    return destination === 'stderr' || logDestinations(this.settings.log_destination).has(destination);
  }

  private pathFor(destination: LogDestination, unixSeconds: number): string {
    const path = `${this.directory}/${formatTime(this.namePattern, unixSeconds)}`;
    if (destination === 'stderr') return path;
    const stem = path.length > 4 && path.endsWith('.log') ? path.slice(0, -4) : path;
    return stem + EXTENSION[destination];
  }

  private open(path: string, truncate: boolean): number {
    return this.port.open(path, this.settings.log_file_mode | OWNER_WRITE, truncate);
  }
  private reportOpenFailure(path: string, failure: number): void {
    this.report.log(`could not open log file "${path}": ${this.port.message(failure)}`);
  }
  private install(destination: LogDestination, fd: number, path: string): void {
    const old = this.files.get(destination);
    if (old !== undefined) this.port.close(old.fd);
    this.files.set(destination, { fd, path, bytes: Math.max(0, this.port.size(fd)) });
    this.lastPath.set(destination, path);
  }

  private overfull(): ReadonlySet<LogDestination> {
    const limit = this.settings.log_rotation_size * BYTES_PER_KB;
    if (limit <= 0) return new Set();
    return new Set(LOG_DESTINATIONS.filter((destination) => (this.files.get(destination)?.bytes ?? 0) >= limit));
  }

  private rotate(byAge: boolean, due: ReadonlySet<LogDestination>, now: number): void {
    this.rotationRequested = false;
    const nameTime = byAge ? this.nextRotation : now;
    const complete = LOG_DESTINATIONS.every((destination) => this.rotateOne(destination, byAge, due, nameTime));
    // The schedule moves on after a failure too, or the logger would not sleep until it succeeds.
    if (complete) this.writeMetainfo();
    this.scheduleRotation(now);
  }

  private rotateOne(
    destination: LogDestination,
    byAge: boolean,
    due: ReadonlySet<LogDestination>,
    nameTime: number,
  ): boolean {
    if (!this.isWanted(destination)) {
      const unused = this.files.get(destination);
      if (unused !== undefined) this.port.close(unused.fd);
      this.files.delete(destination);
      this.lastPath.delete(destination);
      return true;
    }
    if (!due.has(destination)) return true;
    const path = this.pathFor(destination, nameTime);
    const last = this.lastPath.get(destination);
    // Only age may truncate, and only a name that comes round again: a restart or a full file must not lose entries.
    const truncate = this.settings.log_truncate_on_rotation && byAge && last !== undefined && last !== path;
    const fd = this.open(path, truncate);
    if (fd < 0) {
      this.reportOpenFailure(path, fd);
      if (this.port.isTransient(fd)) this.rotationRequested = true;
      else {
        this.report.log('disabling automatic rotation (use SIGHUP to re-enable)');
        this.rotationDisabled = true;
      }
      return false;
    }
    this.install(destination, fd, path);
    return true;
  }

  /** The next multiple of log_rotation_age in local time. */
  private scheduleRotation(now: number): void {
    if (this.settings.log_rotation_age <= 0) return;
    const interval = this.settings.log_rotation_age * 60;
    const offset = civilTime(now).utcOffset;
    const local = now + offset;
    this.nextRotation = local - (local % interval) + interval - offset;
  }

  /** `current_logfiles`: a line `destination path` for each file in use. */
  private writeMetainfo(): void {
    const wanted = logDestinations(this.settings.log_destination);
    const used = LOG_DESTINATIONS.filter((destination) => wanted.has(destination));
    if (used.length === 0) {
      this.port.remove(METAINFO_FILE);
      return;
    }
    const lines = used.flatMap((destination) => {
      const path = this.lastPath.get(destination);
      return path === undefined ? [] : [`${destination} ${path}\n`];
    });
    const failure = this.port.replace(METAINFO_FILE, lines.join(''));
    if (failure < 0) this.report.log(`could not write file "${METAINFO_FILE}": ${this.port.message(failure)}`);
  }
}
