/** insert.bench.ts — what a WAL record costs its writer: a heap insertion's, with and without the image of its page, with the
 *  writing of full pages but without any sync. */
import { exitProcess } from '#runtime/exit-callbacks.ts';
import { reportHooks } from '#runtime/error/report.ts';
import { mem } from '#shm/memory.ts';
import { privateReserve } from '#shm/private-memory.ts';
import type { Oid } from '#base/ids.ts';
import {
  REGBUF,
  xlogBeginInsert,
  xlogInsert,
  xlogRegisterBlock,
  xlogRegisterBufData,
  xlogRegisterData,
} from '#wal/insert.ts';
import { RM } from '#wal/rmgr-ids.ts';
import { openWalCluster } from '../../../support/wal-cluster.ts';

const quick = process.argv.includes('--quick');
const TIMES = quick ? 5000 : 50_000;
reportHooks.exitProcess = exitProcess;
reportHooks.emit = () => {};
const cluster = openWalCluster({ segmentSize: 16 << 20, settings: { wal_buffers: '512' } });
const node = { spcNode: 1663 as Oid, dbNode: 5 as Oid, relNode: 16384 as Oid };
const page = privateReserve(8192);
const data = privateReserve(128);
mem.u8.fill(0, page, page + 8192);
mem.view.setUint16(page + 12, 60, true);
mem.view.setUint16(page + 14, 4000, true);

/** Processor time, so that a busy machine does not count. */
const cpuNs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
};
function nanoseconds(times: number, flags: number): number {
  const batches: number[] = [];
  for (let n = 0; n < 6; n++) {
    const began = cpuNs();
    for (let i = 0; i < times; i++) {
      xlogBeginInsert();
      xlogRegisterBlock(0, node, 0, 3, page, flags);
      xlogRegisterBufData(0, data, 5);
      xlogRegisterBufData(0, data + 8, 60);
      xlogRegisterData(data, 3);
      const lsn = xlogInsert(RM.heap, 0);
      mem.view.setUint32(page, Math.floor(lsn / 0x1_0000_0000), true);
      mem.view.setUint32(page + 4, lsn >>> 0, true);
    }
    batches.push((cpuNs() - began) / times);
  }
  return Math.round(batches.sort((a, b) => a - b)[2]!);
}
const small = nanoseconds(TIMES, REGBUF.standard);
const image = nanoseconds(TIMES / 50, REGBUF.standard | REGBUF.forceImage);
cluster.remove();
process.stdout.write(
  JSON.stringify([
    { name: 'wal: insert a 120-byte record', value: small, unit: 'ns', note: 'no sync' },
    { name: 'wal: insert with a page image', value: image, unit: 'ns', note: '4 kB of image' },
  ]),
);
