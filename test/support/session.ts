/** session.ts — what tests say and see in a session of the wire client: rows as text, errors by code, a running query. */
import { readFileSync } from 'node:fs';
import { waitFor, type Cluster } from './cluster.ts';
import { errorFields, message, text, type Message, type WireClient } from './wire.ts';

/** Rows of a simple query as text, null for NULL. */
export function rowsOf(messages: readonly Message[]): (string | null)[][] {
  const rows: (string | null)[][] = [];
  for (const { type, body } of messages) {
    if (type !== 'D') continue;
    const row: (string | null)[] = [];
    let at = 2;
    for (let i = body.readInt16BE(0); i > 0; i--) {
      const length = body.readInt32BE(at);
      at += 4;
      row.push(length < 0 ? null : body.toString('utf8', at, at + length));
      if (length > 0) at += length;
    }
    rows.push(row);
  }
  return rows;
}

/** Rows of one statement; throws the server's error. */
export async function rows(client: WireClient, sql: string): Promise<(string | null)[][]> {
  const answer = await client.query(sql);
  const failed = answer.find((one) => one.type === 'E');
  if (failed !== undefined) throw new Error(`${sql}: ${JSON.stringify(errorFields(failed.body))}`);
  return rowsOf(answer);
}
/** First column of the first row. */
export async function scalar(client: WireClient, sql: string): Promise<string | null | undefined> {
  return (await rows(client, sql))[0]?.[0];
}

/** The error that ends a statement. */
export async function errorOf(client: WireClient, sql: string): Promise<Record<string, string>> {
  const failed = (await client.query(sql)).find((one) => one.type === 'E');
  return failed === undefined ? {} : errorFields(failed.body);
}

/** Sends a statement without waiting for its answer; resolves with where its answer begins once `ps` shows it running. */
export async function startQuery(cluster: Cluster, client: WireClient, sql: string): Promise<number> {
  const from = client.messages.length;
  client.send(message('Q', text(sql)));
  await waitFor(
    `"${sql}" to run`,
    () => titleOf(client.backendKey().pid).endsWith(' SELECT'),
    20,
    () => cluster.log,
  );
  return from;
}

/** What `ps` shows of a process; '' when it is gone. */
export function titleOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}
