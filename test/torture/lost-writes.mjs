// lost-writes.mjs — the power fails: of what was not synced, each block reached the disk or did not.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Files that must survive. All others are rebuilt at every start. */
const DURABLE = /^(base|global|pg_wal|pg_xact|pg_multixact|pg_commit_ts|pg_twophase)$/;
/** What a disk writes at once. */
const SECTOR = 4096;

function* filesOf(data) {
  for (const top of readdirSync(data)) {
    if (!DURABLE.test(top)) continue;
    for (const entry of readdirSync(join(data, top), { recursive: true, withFileTypes: true }))
      if (entry.isFile() && !/pg_internal\.init|pgsql_tmp/.test(entry.name)) yield join(entry.parentPath, entry.name);
  }
}
function keyOf(path) {
  const { ino, birthtimeNs } = statSync(path, { bigint: true });
  return `${ino}-${birthtimeNs}`;
}

export class Shadow {
  constructor(data, folder) {
    Object.assign(this, { data, folder });
  }
  /** All that is there now is on the disk. To be called before each start. */
  begin() {
    rmSync(this.folder, { recursive: true, force: true });
    mkdirSync(this.folder);
    for (const path of filesOf(this.data)) copyFileSync(path, join(this.folder, keyOf(path)));
  }
  get environment() {
    const program = fileURLToPath(new URL('./shadow.cjs', import.meta.url));
    return { NODEGRES_SHADOW: this.folder, NODE_OPTIONS: `--require ${program}` };
  }
  /** Takes unsynced writes away, `share` of them; 1 is all. Returns how many sectors were lost in how many files. */
  lose(random, share) {
    let [files, sectors] = [0, 0];
    for (const path of filesOf(this.data)) {
      const shadow = join(this.folder, keyOf(path));
      const written = readFileSync(path);
      const synced = existsSync(shadow) ? readFileSync(shadow) : Buffer.alloc(0);
      if (written.equals(synced)) continue;
      const result = share === 1 ? Buffer.from(synced) : Buffer.alloc(Math.max(written.length, synced.length));
      files++;
      for (let at = 0; at < Math.max(written.length, synced.length); at += SECTOR) {
        const [now, then] = [written.subarray(at, at + SECTOR), synced.subarray(at, at + SECTOR)];
        if (now.equals(then)) now.copy(result, at);
        else if (share < 1 && random.next() >= share) now.copy(result, at);
        else {
          then.copy(result, at);
          sectors++;
        }
      }
      writeFileSync(path, result);
    }
    return `${sectors} sectors lost in ${files} files`;
  }
}
