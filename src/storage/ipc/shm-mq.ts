/** shm-mq.ts — a queue of messages from one process to another, in a ring of shared memory.
 *
 *  Q1. One sender, one receiver. Only the sender moves bytesWritten, only the receiver bytesRead; both are counters of
 *      bytes since creation, so full and empty need no extra flag.
 *  Q2. Each side sets the other's latch after it moved its counter. The store comes before the latch, so whoever wakes
 *      sees it.
 *  Q3. A message is an 8-byte length and the bytes, padded to 8. It may be longer than the ring: it flows through.
 *  Either side may leave (detach); the other then reads what is left, or gets 'detached'.
 *  Counterpart: src/backend/storage/ipc/shm_mq.c */
import { atomic32, bytes, struct, u32, u64 } from '#base/struct.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { myProcess } from '#runtime/my-process.ts';
import { resetLatch, setLatch } from '#shm/latch.ts';
import { mem } from '#shm/memory.ts';
import { latchAt } from '#shm/proc.ts';
import { waitLatch } from '#shm/wait-event-set.ts';

const Queue = struct('ShmMq', 64, {
  /** PGPROC number + 1; 0 until set. */
  receiver: atomic32(),
  sender: atomic32(),
  detached: atomic32(),
  ringSize: u32(),
  /** Low words of the counters are enough for the difference; they wrap at 2^32, ring sizes are far below. */
  bytesRead: atomic32(),
  bytesWritten: atomic32(),
  pad: bytes(40),
});
/** Only to size queues: header and ring in one piece of memory. */
export const SHM_MQ_HEADER = Queue.SIZE;
const LENGTH_WORD = struct('ShmMqLength', 8, { length: u64() });
const MAX_MESSAGE = 0x3fff_ffff;

export type MqResult = 'success' | 'wouldBlock' | 'detached';

/** Lays an empty queue over `size` bytes at `at`. */
export function shmMqCreate(at: number, size: number): void {
  mem.u8.fill(0, at, at + Queue.SIZE);
  Queue.ringSize.set(mem, at, Math.floor((size - Queue.SIZE) / 8) * 8);
}
export function shmMqSetReceiver(at: number, procNumber: number): void {
  Queue.receiver.store(mem, at, procNumber + 1);
  wake(Queue.sender.load(mem, at));
}
export function shmMqSetSender(at: number, procNumber: number): void {
  Queue.sender.store(mem, at, procNumber + 1);
  wake(Queue.receiver.load(mem, at));
}
function wake(procPlusOne: number): void {
  if (procPlusOne !== 0) setLatch(latchAt(procPlusOne - 1));
}

const align8 = (n: number): number => Math.ceil(n / 8) * 8;

/** One side's end of a queue; holds what of a message has already passed. */
export class ShmMqHandle {
  #partialSent = 0;
  #expected = -1;
  #received: Buffer[] = [];
  #receivedLength = 0;

  constructor(readonly at: number) {}

  #ring(): number {
    return this.at + Queue.SIZE;
  }
  #used(): number {
    return (Queue.bytesWritten.load(mem, this.at) - Queue.bytesRead.load(mem, this.at)) >>> 0;
  }
  #isDetached(): boolean {
    return Queue.detached.load(mem, this.at) !== 0;
  }

  #put(from: Uint8Array, start: number, length: number): void {
    const size = Queue.ringSize.get(mem, this.at);
    const written = Queue.bytesWritten.load(mem, this.at) >>> 0;
    const offset = written % size;
    const first = Math.min(length, size - offset);
    mem.u8.set(from.subarray(start, start + first), this.#ring() + offset);
    if (first < length) mem.u8.set(from.subarray(start + first, start + length), this.#ring());
    Queue.bytesWritten.add(mem, this.at, length); // [mq Q2]
    wake(Queue.receiver.load(mem, this.at));
  }
  #take(into: Buffer, length: number): void {
    const size = Queue.ringSize.get(mem, this.at);
    const offset = (Queue.bytesRead.load(mem, this.at) >>> 0) % size;
    const first = Math.min(length, size - offset);
    into.set(mem.u8.subarray(this.#ring() + offset, this.#ring() + offset + first));
    if (first < length) into.set(mem.u8.subarray(this.#ring(), this.#ring() + length - first), first);
  }
  #consume(length: number): void {
    Queue.bytesRead.add(mem, this.at, length);
    wake(Queue.sender.load(mem, this.at));
  }

  #sleep(waitEvent: number): void {
    waitLatch(undefined, waitEvent);
    resetLatch();
    checkForInterrupts();
  }

  /** Sends one message. With `nowait` it may stop half-way: call again with the same message until it says success. */
  send(message: Uint8Array, nowait = false): MqResult {
    if (message.length > MAX_MESSAGE)
      report('ERROR', {
        code: SQLSTATE.programLimitExceeded,
        message: `cannot send a message of size ${message.length} via shared memory queue`,
      });
    const framed = new Uint8Array(8 + align8(message.length));
    new DataView(framed.buffer).setUint32(0, message.length, true);
    framed.set(message, 8);
    const size = Queue.ringSize.get(mem, this.at);
    while (this.#partialSent < framed.length) {
      if (this.#isDetached()) return this.#endSend('detached');
      const room = size - this.#used();
      if (room === 0) {
        if (nowait) return 'wouldBlock';
        this.#sleep(WAIT_EVENT.MessageQueueSend);
        continue;
      }
      const now = Math.min(room, framed.length - this.#partialSent);
      this.#put(framed, this.#partialSent, now);
      this.#partialSent += now;
    }
    return this.#endSend('success');
  }
  #endSend(result: MqResult): MqResult {
    this.#partialSent = 0;
    return result;
  }

  /** The next message, or why there is none. */
  receive(nowait = false): { result: MqResult; message: Buffer | null } {
    for (;;) {
      const used = this.#used();
      if (this.#expected < 0) {
        if (used >= LENGTH_WORD.SIZE) {
          const head = Buffer.alloc(8);
          this.#take(head, 8);
          this.#consume(8);
          this.#expected = head.readUInt32LE(0);
          this.#received = [];
          this.#receivedLength = 0;
          continue;
        }
      } else {
        const wanted = align8(this.#expected) - this.#receivedLength;
        if (wanted === 0) return { result: 'success', message: this.#finish() };
        if (used > 0) {
          const part = Buffer.alloc(Math.min(used, wanted));
          this.#take(part, part.length);
          this.#consume(part.length);
          this.#received.push(part);
          this.#receivedLength += part.length;
          continue;
        }
      }
      // What was written before the sender left counts: look at the ring first, then at the flag, then again.
      if (this.#isDetached() && this.#used() === used) return { result: 'detached', message: null };
      if (nowait) return { result: 'wouldBlock', message: null };
      this.#sleep(WAIT_EVENT.MessageQueueReceive);
    }
  }
  #finish(): Buffer {
    const message = Buffer.concat(this.#received).subarray(0, this.#expected);
    this.#expected = -1;
    this.#received = [];
    return message;
  }

  /** Sleeps until the other side has attached; 'detached' if it left before. */
  waitForAttach(): MqResult {
    const other = Queue.receiver.load(mem, this.at) === myProcess.procNumber + 1 ? Queue.sender : Queue.receiver;
    while (other.load(mem, this.at) === 0) {
      if (this.#isDetached()) return 'detached';
      this.#sleep(WAIT_EVENT.MessageQueueInternal);
    }
    return 'success';
  }

  detach(): void {
    Queue.detached.store(mem, this.at, 1);
    const iAmReceiver = Queue.receiver.load(mem, this.at) === myProcess.procNumber + 1;
    wake(iAmReceiver ? Queue.sender.load(mem, this.at) : Queue.receiver.load(mem, this.at));
  }
}
