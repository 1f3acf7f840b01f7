/** fuzz-wire.ts — seeded nonsense for the wire: startup packets and messages that are cut, swollen, swapped or made up.
 *
 *  The same seed gives the same bytes. As a program: `node test/support/fuzz-wire.ts <port> [count] [seed]` throws them at
 *  a running server; it ends with 1 if the server stops answering. (Node 22 runs it as it is, Node 20 through esbuild.) */
import { connect } from 'node:net';
import { message, startupPacket, text } from './wire.ts';

/** mulberry32: small, good enough, the same everywhere. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const STARTUP = startupPacket({ user: 'postgres', database: 'postgres' });
const int16 = (value: number): Buffer => Buffer.from([(value >> 8) & 255, value & 255]);
const int32 = (value: number): Buffer => {
  const out = Buffer.alloc(4);
  out.writeInt32BE(value | 0);
  return out;
};
/** Well-formed messages to begin with. */
const SEEDS: readonly Buffer[] = [
  message('Q', text('select 1')),
  message('Q', text('select 1/0; select 2')),
  message('Q', text('begin')),
  message('P', Buffer.concat([text('s'), text('select $1::int4'), int16(1), int32(23)])),
  message('B', Buffer.concat([text('p'), text('s'), int16(0), int16(1), int32(1), Buffer.from('7'), int16(0)])),
  message('D', Buffer.concat([Buffer.from('S'), text('s')])),
  message('E', Buffer.concat([text('p'), int32(0)])),
  message('C', Buffer.concat([Buffer.from('P'), text('p')])),
  message('H'),
  message('S'),
  message('F', Buffer.concat([int32(1597), int16(0), int16(0), int16(0)])),
  message('d', Buffer.from('copy')),
  message('c'),
  message('f', text('why')),
  message('p', text('password')),
  message('X'),
];

export interface FuzzCase {
  readonly bytes: Buffer;
  /** Ends its own side after the bytes, so that the server sees the end in the middle of something. */
  readonly halfClose: boolean;
}
export function* fuzzCases(count: number, seed: number): Generator<FuzzCase> {
  const random = seededRandom(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const noise = (size: number): Buffer => Buffer.from(Array.from({ length: size }, () => below(256)));
  const damage = (bytes: Buffer): Buffer => {
    const copy = Buffer.from(bytes);
    switch (below(6)) {
      case 0:
        return copy.subarray(0, below(copy.length + 1));
      case 1:
        for (let i = 1 + below(4); i > 0; i--) copy[below(copy.length)] = below(256);
        return copy;
      case 2: // another length
        if (copy.length >= 5) copy.writeInt32BE([0, 1, 3, -1, 0x7fffffff, 0x3fffffff, below(1000)][below(7)]!, 1);
        return copy;
      case 3:
        return Buffer.concat([copy, noise(below(40))]);
      case 4:
        copy[0] = below(256);
        return copy;
      default:
        return copy;
    }
  };
  for (let i = 0; i < count; i++) {
    const parts: Buffer[] = [];
    const greeting = below(8);
    if (greeting === 0) parts.push(noise(1 + below(64)));
    else if (greeting === 1) parts.push(damage(STARTUP));
    else {
      parts.push(STARTUP);
      for (let n = below(8); n > 0; n--) parts.push(damage(SEEDS[below(SEEDS.length)]!));
      if (below(4) === 0) parts.push(noise(below(200)));
    }
    yield { bytes: Buffer.concat(parts), halfClose: below(2) === 0 };
  }
}

/** Plays one case: writes, waits a moment for the server's own end, then leaves. */
export function playCase(port: number, { bytes, halfClose }: FuzzCase, patienceMs = 60): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('data', () => {}); // read what comes, so that the server never waits for us
    socket.on('error', () => socket.destroy());
    socket.on('close', () => resolve());
    socket.on('connect', () => {
      if (halfClose) socket.end(bytes);
      else socket.write(bytes);
      setTimeout(() => socket.destroy(), patienceMs).unref();
    });
  });
}

/** Does a new session still get its answer? */
export function serverAnswers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let seen = Buffer.alloc(0);
    const finish = (ok: boolean): void => {
      resolve(ok);
      socket.destroy();
    };
    socket.setTimeout(20_000, () => finish(false));
    socket.on('error', () => finish(false));
    socket.on('close', () => finish(false));
    socket.on('connect', () => socket.write(Buffer.concat([STARTUP, message('Q', text("select 'alive'"))])));
    socket.on('data', (chunk) => {
      seen = Buffer.concat([seen, chunk]);
      if (seen.includes('SELECT 1\0')) finish(true);
    });
  });
}

async function main(port: number, count: number, seed: number): Promise<number> {
  let done = 0;
  for (const one of fuzzCases(count, seed)) {
    await playCase(port, one, 20);
    if (++done % 500 === 0 && !(await serverAnswers(port))) break;
  }
  const alive = await serverAnswers(port);
  process.stdout.write(`${done} cases of seed ${seed}: the server ${alive ? 'still answers' : 'no longer answers'}\n`);
  return alive ? 0 : 1;
}
if (/fuzz-wire\.[a-z]+$/.test(process.argv[1] ?? '')) {
  const [port = 5432, count = 10_000, seed = 1] = process.argv.slice(2).map(Number);
  process.exitCode = await main(port, count, seed);
}
