/** native-script.ts — runs a function in a Node process of its own, with the flags that a forking parent needs.
 *
 *  The function travels as its source text, so it sees nothing but its parameters. Its process leads a process group
 *  that is killed afterwards, whatever happened: no test leaves a process behind. */
import { spawn } from 'node:child_process';
import type * as FileSystem from 'node:fs';
import { fileURLToPath } from 'node:url';
import type * as NativeShm from '../../native-shm/index.d.ts';

export type Native = typeof NativeShm;

export const nativeShmPath = fileURLToPath(new URL('../../native-shm/index.cjs', import.meta.url));
export const forkFlags = ['--single-threaded', '--v8-pool-size=0', '--liftoff-only'] as const;

export interface ScriptTools {
  readonly native: Native;
  readonly fs: typeof FileSystem;
  readonly require: NodeJS.Require;
  /** For sources that load the addon on their own (worker_threads, spawned processes). */
  readonly addonPath: string;
  /** Values that `runScript` returns. May be called in forked children too. */
  report(value: unknown): void;
  /** Throws unless the condition holds. */
  check(condition: boolean): void;
  /** Forks; the child runs `work` and ends with its result as exit code, or 99 after printing what it threw. */
  child(work: () => number | undefined): number;
  /** Waits for a child: its exit code, or -signal. */
  reap(pid: number): number;
}

export interface ScriptOptions {
  readonly flags?: readonly string[];
  readonly timeoutMs?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** 0 ends normally; a negative number is the signal that killed it. */
  readonly expectCode?: number;
}

const prelude = `
const native = require(${JSON.stringify(nativeShmPath)});
const fs = require('node:fs');
const tools = {
  native, fs, require, addonPath: ${JSON.stringify(nativeShmPath)},
  check(condition) { if (!condition) throw new Error('check failed'); },
  report(value) { fs.writeSync(1, JSON.stringify(value) + '\\n'); },
  child(work) {
    const pid = native.fork();
    if (pid !== 0) { if (pid < 0) throw new Error('fork: ' + native.errorMessage(pid)); return pid; }
    native.parentDeathSignal(9);
    let code = 99;
    try { code = work() ?? 0; } catch (error) { fs.writeSync(2, error.stack + '\\n'); }
    native.exitNow(code);
  },
  reap(pid) {
    const out = new Int32Array(2);
    for (;;) {
      const result = native.waitpid(pid, true, out);
      if (result === 1) return (out[1] & 127) === 0 ? out[1] >> 8 & 255 : -(out[1] & 127);
      if (result !== -native.ERRNO.EINTR) throw new Error('waitpid: ' + native.errorMessage(result));
    }
  },
};
`;

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function runSource(source: string, options: ScriptOptions): Promise<Ended> {
  const flags = options.flags ?? forkFlags;
  const node = spawn(process.execPath, [...flags, '-e', source], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '', ...options.env },
    cwd: options.cwd,
  });
  const pid = node.pid;
  if (pid === undefined) throw new Error('node could not be started');
  return new Promise((resolve) => {
    let stdout = '';
    let stderr = '';
    node.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    node.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const timer = setTimeout(() => {
      stderr += 'killed: too slow\n';
      killGroup(pid);
    }, options.timeoutMs ?? 30_000);
    // Children that outlive the leader would keep the pipes open and 'close' from coming.
    node.on('exit', () => killGroup(pid));
    node.on('close', (code, signal) => {
      clearTimeout(timer);
      const number = signal === null ? 0 : (signalNumbers[signal] ?? 255);
      resolve({ code: code ?? -number, stdout, stderr });
    });
  });
}

const signalNumbers: Readonly<Record<string, number>> = { SIGABRT: 6, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 };

/** Runs `script` in its own process and returns what it reported. Any other end than the expected one is an error. */
export async function runScript(
  script: (tools: ScriptTools) => void,
  options: ScriptOptions = {},
): Promise<readonly unknown[]> {
  const ended = await runSource(`${prelude}\n(${script.toString()})(tools);`, options);
  if (ended.code !== (options.expectCode ?? 0)) {
    throw new Error(`script ended with ${ended.code}\n${ended.stderr}\n${ended.stdout}`);
  }
  const lines = ended.stdout.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as unknown);
}

/** The only value a script reported. */
export async function runScriptForOne(
  script: (tools: ScriptTools) => void,
  options: ScriptOptions = {},
): Promise<unknown> {
  const reports = await runScript(script, options);
  if (reports.length !== 1) throw new Error(`${reports.length} reports instead of one`);
  return reports[0];
}
