/** initdb-catalogs.ts — the relation files, pg_control and the first WAL segment of a fresh cluster.
 *
 *  The template of the build is written out three times (template1, template0, postgres) with what the options change:
 *  the superuser's name and password, the locale, checksums, the size of WAL segments.
 *  Counterpart: bootstrap_template1(), make_template0(), make_postgres() of src/bin/initdb/initdb.c */
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { bootstrapSharedTable, type Files } from '#catalog/bootstrap/bootstrap.ts';
import { stampChecksums } from '#catalog/bootstrap/checksum.ts';
import { BOOTSTRAP_SUPERUSER } from '#catalog/bootstrap/values.ts';
import { bootStrapXlog } from '#catalog/bootstrap/xlog.ts';
import { RELATION } from '#catalog/oids.ts';
import { readTemplate } from '#cli/catalog-template.ts';
import { DATABASE_DIRECTORIES } from '#cli/initdb-layout.ts';

export interface CatalogChoices {
  readonly superuser: string;
  /** Stored form of the superuser's password. */
  readonly secret: string | null;
  readonly collate: string;
  readonly ctype: string;
  readonly checksums: boolean;
  readonly walSegmentSize: number;
}

/** PostgreSQL's make of an identifier: seconds, microseconds, a piece of the process id. */
function systemIdentifier(): bigint {
  const micros = BigInt(Math.trunc((performance.timeOrigin + performance.now()) * 1000));
  return ((micros / 1_000_000n) << 32n) | ((micros % 1_000_000n) << 12n) | BigInt(process.pid & 0xfff);
}

const isRelationFile = (path: string): boolean => /\/\d+(_fsm|_vm)?$/.test(path);

function chosenFiles(packageFolder: string, choices: CatalogChoices): Files {
  const files = readTemplate(packageFolder);
  const changed = [
    bootstrapSharedTable(RELATION.pgAuthid, 'pg_authid', (row) => {
      if (row['oid'] !== String(BOOTSTRAP_SUPERUSER)) return;
      row['rolname'] = choices.superuser;
      row['rolpassword'] = choices.secret;
    }),
    bootstrapSharedTable(RELATION.pgDatabase, 'pg_database', (row) => {
      row['datcollate'] = choices.collate;
      row['datctype'] = choices.ctype;
    }),
  ];
  for (const tables of changed) for (const [path, bytes] of tables) files.set(path, bytes);
  if (choices.checksums) for (const [path, bytes] of files) if (isRelationFile(path)) stampChecksums(bytes);
  return files;
}

const ZEROS = new Uint8Array(1 << 20);

/** Throws what the file system says. */
export function writeCatalogs(
  dataDirectory: string,
  packageFolder: string,
  choices: CatalogChoices,
  fileMode: number,
): void {
  const write = (path: string, bytes: Uint8Array, size = bytes.length): void => {
    const fd = openSync(join(dataDirectory, path), 'wx', fileMode);
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at);
      for (let at = bytes.length; at < size; ) at += writeSync(fd, ZEROS, 0, Math.min(ZEROS.length, size - at));
    } finally {
      closeSync(fd);
    }
  };
  const [template1, ...copies] = DATABASE_DIRECTORIES;
  for (const [path, bytes] of chosenFiles(packageFolder, choices)) {
    write(path, bytes);
    if (!path.startsWith(`${template1}/`)) continue;
    for (const folder of copies) write(`${folder}${path.slice(template1.length)}`, bytes);
  }
  const history = bootStrapXlog({
    systemIdentifier: systemIdentifier(),
    walSegmentSize: choices.walSegmentSize,
    checksums: choices.checksums,
    time: Math.trunc(Date.now() / 1000),
    nonce: randomBytes(32),
  });
  for (const [path, bytes] of history) {
    write(path, bytes, path.startsWith('pg_wal/') ? choices.walSegmentSize : bytes.length);
  }
}
