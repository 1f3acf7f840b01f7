/** fork-probe.ts — does a forked V8 live on this machine, with this node, under these flags?
 *
 *  V8 does not promise it, so it is tried before it is relied on: a child that collects garbage, compiles, runs wasm and
 *  takes a signal must end with the agreed code. Any other end, or none in time, means process_model = spawn. */
import { native, SIGNAL, signalText } from '#platform/native.ts';
import { monotonicMs } from '#platform/clock.ts';
import { signalPending } from '#runtime/interrupts.ts';

const PROBE_OK = 42;
const PROBE_DEADLINE_MS = 5000;

/** (module (func (export "f") (result i32) i32.const 7)) */
const TINY_WASM = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 127, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0, 10, 6, 1, 4, 0, 65, 7, 11,
]);

interface WasmRuntime {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: Readonly<Record<string, unknown>> };
}
function runTinyWasm(): number {
  const { Module, Instance } = (globalThis as unknown as { WebAssembly: WasmRuntime }).WebAssembly;
  return (new Instance(new Module(TINY_WASM)).exports['f'] as () => number)();
}

function exercise(): boolean {
  let kept: unknown[] = [];
  for (let i = 0; i < 20_000; i++) {
    kept.push({ i, text: `garbage ${i}`, big: BigInt(i) * 12345678901234567890n });
    if (kept.length > 2000) kept = [];
  }
  const compiled = new Function('n', 'let s = 0; for (let i = 0; i < n; i++) s = (s + i * 3) | 0; return s;') as (
    n: number,
  ) => number;
  let sum = 0;
  for (let i = 0; i < 300; i++) sum ^= compiled(1000);
  const seven = runTinyWasm();
  native.signalAction(SIGNAL.USR2, native.SIG_ACTION.WORD);
  native.kill(native.getpid(), SIGNAL.USR2);
  return sum === 0 && seven === 7 && /^a+b$/u.test('aaab') && signalPending(SIGNAL.USR2);
}

/** undefined if forking works, else why not. */
export function probeFork(): string | undefined {
  if (!process.execArgv.includes('--single-threaded'))
    return 'node runs without --single-threaded, so it has threads that a fork would lose.';
  const pid = native.fork();
  if (pid < 0) return `fork failed: ${native.errorMessage(-pid)}`;
  if (pid === 0) native.exitNow(exercise() ? PROBE_OK : 1);
  return awaitProbe(pid);
}

function awaitProbe(pid: number): string | undefined {
  const out = new Int32Array(2);
  const deadline = monotonicMs() + PROBE_DEADLINE_MS;
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (;;) {
    const reaped = native.waitpid(pid, false, out);
    if (reaped === 1) break;
    if (reaped < 0) return `waitpid failed: ${native.errorMessage(-reaped)}`;
    if (monotonicMs() > deadline) {
      native.kill(pid, SIGNAL.KILL);
      native.waitpid(pid, true, out);
      return 'the probe process hung.';
    }
    Atomics.wait(pause, 0, 0, 0.5);
  }
  const status = out[1]!;
  if ((status & 0x7f) !== 0) return `the probe process died by signal ${status & 0x7f}: ${signalText(status & 0x7f)}.`;
  const code = (status >> 8) & 0xff;
  return code === PROBE_OK ? undefined : `the probe process ended with exit code ${code}.`;
}
