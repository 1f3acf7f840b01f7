import { describe, expect, it } from 'vitest';
import type { LogFilePort, LoggerSettings } from '#processes/log-files.ts';
import { LogFiles } from '#processes/log-files.ts';
import { currentLogFile, METAINFO_FILE } from '#runtime/error/current-log-files.ts';
import type { LogDestination } from '#runtime/error/log-pipe.ts';
import { setLogTimeZone, utcTime } from '#runtime/error/log-time.ts';

const EMFILE = -24;
const ENOSPC = -28;
const EACCES = -13;
const HOUR = 3600;
const start = Date.UTC(2026, 10, 21, 12, 46, 45) / 1000;

/** Files in memory, with failures on demand. */
class MemoryFiles implements LogFilePort {
  readonly files = new Map<string, string>();
  readonly modes = new Map<string, number>();
  readonly directories: string[] = [];
  openFailure = 0;
  writeFailure = 0;
  openCount = 0;
  private readonly open_ = new Map<number, string>();
  private nextFd = 10;
  open(path: string, mode: number, truncate: boolean): number {
    if (this.openFailure !== 0) return this.openFailure;
    if (truncate || !this.files.has(path)) this.files.set(path, '');
    this.modes.set(path, mode);
    this.open_.set(this.nextFd, path);
    this.openCount++;
    return this.nextFd++;
  }
  size(fd: number): number {
    return this.files.get(this.open_.get(fd) ?? '')?.length ?? ENOSPC;
  }
  write(fd: number, bytes: Uint8Array): number {
    if (this.writeFailure !== 0) return this.writeFailure;
    const path = this.open_.get(fd) ?? '';
    this.files.set(path, (this.files.get(path) ?? '') + new TextDecoder().decode(bytes));
    return bytes.length;
  }
  close(fd: number): void {
    this.open_.delete(fd);
  }
  makeDirectory(path: string): void {
    this.directories.push(path);
  }
  replace(path: string, text: string): number {
    this.files.set(path, text);
    return 0;
  }
  remove(path: string): void {
    this.files.delete(path);
  }
  isTransient(failure: number): boolean {
    return failure === EMFILE;
  }
  message(failure: number): string {
    return failure === ENOSPC ? 'No space left on device' : `errno ${-failure}`;
  }
  get openPaths(): string[] {
    return [...this.open_.values()].sort();
  }
}

interface Fixture {
  readonly port: MemoryFiles;
  readonly settings: { -readonly [K in keyof LoggerSettings]: LoggerSettings[K] };
  readonly files: LogFiles;
  readonly logged: string[];
  readonly shouted: string[];
}
function fixture(changes: Partial<LoggerSettings> = {}): Fixture {
  setLogTimeZone(undefined, 'UTC');
  const settings = {
    log_destination: 'stderr',
    log_directory: 'log',
    log_filename: 'pg-%H%M%S.log',
    log_file_mode: 0o600,
    log_rotation_age: 60,
    log_rotation_size: 0,
    log_truncate_on_rotation: false,
    ...changes,
  };
  const port = new MemoryFiles();
  const logged: string[] = [];
  const shouted: string[] = [];
  const report = { log: (m: string) => void logged.push(m), stderr: (t: string) => void shouted.push(t) };
  const files = new LogFiles(port, settings, report);
  files.start(start, start);
  return { port, settings, files, logged, shouted };
}
const put = (f: Fixture, text: string, to: LogDestination = 'stderr'): void =>
  f.files.write(to, new TextEncoder().encode(text));

describe('log files', () => {
  it('are named by log_filename at opening, one per destination, and listed in current_logfiles', () => {
    const f = fixture({ log_destination: 'csvlog, stderr,jsonlog', log_file_mode: 0o440 });
    expect(f.port.openPaths).toEqual(['log/pg-124645.csv', 'log/pg-124645.json', 'log/pg-124645.log']);
    expect(f.port.files.get(METAINFO_FILE)).toBe(
      'stderr log/pg-124645.log\ncsvlog log/pg-124645.csv\njsonlog log/pg-124645.json\n',
    );
    expect(f.port.modes.get('log/pg-124645.log')).toBe(0o640);
    expect(f.port.directories).toEqual(['log']);
  });
  it('get .csv appended when the name has no .log to replace', () => {
    const f = fixture({ log_destination: 'csvlog', log_filename: 'server' });
    expect(f.port.openPaths).toEqual(['log/server', 'log/server.csv']);
    expect(f.port.files.get(METAINFO_FILE)).toBe('csvlog log/server.csv\n');
  });
  it('take entries of their own destination, the stderr file all others', () => {
    const f = fixture({ log_destination: 'stderr,csvlog' });
    put(f, 'a');
    put(f, 'b', 'csvlog');
    put(f, 'c', 'jsonlog');
    expect(f.port.files.get('log/pg-124645.log')).toBe('ac');
    expect(f.port.files.get('log/pg-124645.csv')).toBe('b');
  });
  it('rotate by age at whole hours, and say how long to sleep', () => {
    const f = fixture();
    expect(f.files.tick(start)).toBe((13 * 60 + 15) * 1000);
    expect(f.files.tick(start + 13 * 60 + 15)).toBe(HOUR * 1000);
    expect(f.port.openPaths).toEqual(['log/pg-130000.log']);
    expect(f.port.files.get(METAINFO_FILE)).toBe('stderr log/pg-130000.log\n');
  });
  it('rotate by age in local time', () => {
    const f = fixture({ log_rotation_age: 24 * 60 });
    setLogTimeZone((s) => ({ ...utcTime(s + 2 * HOUR), utcOffset: 2 * HOUR, abbreviation: 'X' }), 'X');
    f.settings.log_rotation_age = 1440 * 2;
    f.files.settingsChanged(start);
    f.settings.log_rotation_age = 1440;
    f.files.settingsChanged(start);
    const midnight = Date.UTC(2026, 10, 21, 22, 0, 0) / 1000;
    expect(f.files.tick(start)).toBe((midnight - start) * 1000);
  });
  it('rotate by size, each file for itself', () => {
    const f = fixture({ log_rotation_size: 1, log_destination: 'stderr,csvlog', log_rotation_age: 0 });
    put(f, 'x'.repeat(1023), 'csvlog');
    expect(f.files.tick(start + 1)).toBe(-1);
    expect(f.port.openCount).toBe(2);
    put(f, 'x', 'csvlog');
    f.files.tick(start + 2);
    expect(f.port.openPaths).toEqual(['log/pg-124645.log', 'log/pg-124647.csv']);
  });
  it('rotate on request', () => {
    const f = fixture();
    f.files.requestRotation();
    f.files.tick(start + 5);
    expect(f.port.openPaths).toEqual(['log/pg-124650.log']);
  });
  it('are emptied by a rotation by age under log_truncate_on_rotation only, never on request', () => {
    const f = fixture({ log_truncate_on_rotation: true, log_filename: 'pg-%H.log' });
    f.port.files.set('log/pg-13.log', 'yesterday');
    f.files.tick(start + HOUR);
    put(f, 'today');
    expect(f.port.files.get('log/pg-13.log')).toBe('today');
    f.files.requestRotation();
    f.files.tick(start + HOUR + 1);
    put(f, '!');
    expect(f.port.files.get('log/pg-13.log')).toBe('today!');
  });
  it('follow changed settings', () => {
    const f = fixture();
    f.settings.log_directory = 'elsewhere';
    f.settings.log_destination = 'stderr,jsonlog';
    f.files.settingsChanged(start + 1);
    f.files.tick(start + 1);
    expect(f.port.openPaths).toEqual(['elsewhere/pg-124646.json', 'elsewhere/pg-124646.log']);
    f.settings.log_destination = 'stderr';
    f.files.settingsChanged(start + 2);
    f.files.tick(start + 2);
    expect(f.port.openPaths).toEqual(['elsewhere/pg-124647.log']);
    f.settings.log_destination = 'syslog';
    f.files.settingsChanged(start + 3);
    expect(f.port.files.has(METAINFO_FILE)).toBe(false);
  });
  it('stay in use when a new one cannot be opened, and rotation waits for SIGHUP', () => {
    const f = fixture();
    f.port.openFailure = EACCES;
    f.files.requestRotation();
    expect(f.files.tick(start + 1)).toBe(-1);
    expect(f.logged).toEqual([
      'could not open log file "log/pg-124646.log": errno 13',
      'disabling automatic rotation (use SIGHUP to re-enable)',
    ]);
    put(f, 'still here');
    expect(f.port.files.get('log/pg-124645.log')).toBe('still here');
    expect(f.files.tick(start + 2 * HOUR)).toBe(-1);
    f.port.openFailure = 0;
    f.files.settingsChanged(start + 2 * HOUR);
    f.files.tick(start + 2 * HOUR);
    // The rotation by age that was due at 13:00 names the file.
    expect(f.port.openPaths).toEqual(['log/pg-130000.log']);
  });
  it('are tried again when only descriptors ran out', () => {
    const f = fixture();
    f.port.openFailure = EMFILE;
    f.files.requestRotation();
    expect(f.files.tick(start + 1)).toBeGreaterThan(0);
    f.port.openFailure = 0;
    f.files.tick(start + 2);
    expect(f.port.openPaths).toEqual(['log/pg-124647.log']);
  });
  it('on a full disk complain to standard error and go on', () => {
    const f = fixture();
    f.port.writeFailure = ENOSPC;
    put(f, 'lost');
    expect(f.shouted).toEqual(['could not write to log file: No space left on device\n']);
    f.port.writeFailure = 0;
    put(f, 'kept');
    expect(f.port.files.get('log/pg-124645.log')).toBe('kept');
  });
  it('give way to standard error when the first one cannot be opened, until SIGHUP finds one', () => {
    const { settings } = fixture();
    const port = new MemoryFiles();
    port.openFailure = EACCES;
    const shouted: string[] = [];
    const logged: string[] = [];
    const report = { log: (m: string) => void logged.push(m), stderr: (t: string) => void shouted.push(t) };
    const files = new LogFiles(port, settings, report);
    files.start(start, start);
    const f = { port, settings, files, logged, shouted };
    put(f, 'entry');
    expect(logged).toEqual(['could not open log file "log/pg-124645.log": errno 13']);
    expect(shouted).toEqual(['entry']);
    port.openFailure = 0;
    files.settingsChanged(start + 1);
    files.tick(start + 1);
    put(f, 'next');
    expect(port.files.get('log/pg-124646.log')).toBe('next');
  });
});

describe('current_logfiles', () => {
  const text = 'stderr log/a b.log\ncsvlog log/a.csv\n';
  it('names the first file, or the one of a destination', () => {
    expect(currentLogFile(text)).toBe('log/a b.log');
    expect(currentLogFile(text, 'csvlog')).toBe('log/a.csv');
    expect(currentLogFile(text, 'jsonlog')).toBeUndefined();
    expect(currentLogFile('')).toBeUndefined();
  });
});
