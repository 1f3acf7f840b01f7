// shadow.cjs — what would be on the disk after the power fails.
//
// Loaded before the server (NODE_OPTIONS=--require), it copies a file into the folder NODEGRES_SHADOW whenever somebody
// syncs it. What was written after a file's last sync is then known, and lost-writes.mjs takes it away again after a crash.
// A copy is named by inode and time of birth, so that it follows its file through renames, and no later file inherits it.
const fs = require('node:fs');
const { join } = require('node:path');
const native = require('../../native-shm/index.cjs');

const folder = process.env.NODEGRES_SHADOW;
const word = new Int32Array(new SharedArrayBuffer(4));
const openSync = fs.openSync;

function mirror(fd) {
  const status = fs.fstatSync(fd, { bigint: true });
  if (!status.isFile()) return;
  const source = openSync(`/proc/self/fd/${fd}`, 'r');
  const shadow = openSync(
    join(folder, `${status.ino}-${status.birthtimeNs}`),
    fs.constants.O_RDWR | fs.constants.O_CREAT,
    0o600,
  );
  try {
    // One after the other: an older reading must not come after a newer one. The kernel gives a dead owner's lock back.
    while (native.flock(shadow, 'exclusive') !== 0) Atomics.wait(word, 0, 0, 1);
    const bytes = fs.readFileSync(source);
    let at = 0;
    while (at < bytes.length) at += fs.writeSync(shadow, bytes, at, bytes.length - at, at);
    fs.ftruncateSync(shadow, bytes.length);
  } finally {
    fs.closeSync(shadow);
    fs.closeSync(source);
  }
}
// The system's own sync is left out: it would only cost time, as this machine does not fail.
for (const name of ['fsync', 'fdatasync']) {
  native[name] = (fd) => {
    mirror(fd);
    return 0;
  };
  fs[`${name}Sync`] = mirror;
}
