/** isolation.ts — scenarios of interleaved sessions, played on any server; what was said becomes a transcript.
 *
 *  A scenario is a script of lines `session: statement`. A statement that has to wait for a lock is noted as waiting and the
 *  script goes on; whoever gets its answer because of a step is noted right after that step, in order of names, so that two
 *  servers that do the same give the same text. `session!: statement` awaits the answer although there is a wait on the
 *  way (the victim of a deadlock), `session!:` awaits that of the statement under way.
 *  Counterpart: src/test/isolation/isolationtester.c */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { rowsOf } from './session.ts';
import { errorFields, message, text, type Message, WireClient } from './wire.ts';

export type Address = number | string;
const DEADLINE_MS = 15_000;

/** Process ids and transaction ids differ from run to run. */
const NUMBERED = /\b(process|Process|transaction|PID|relation|database|of relation) (\d+)\b/g;
const withoutIds = (words: string): string => words.replace(NUMBERED, '$1 N').replace(/\(\d+,\d+\)/g, '(tid)');

class Session {
  #from = 0;
  waits = false;
  readonly name: string;
  readonly client: WireClient;
  constructor(name: string, client: WireClient) {
    this.name = name;
    this.client = client;
  }
  get pid(): number {
    return this.client.backendKey().pid;
  }
  get isBusy(): boolean {
    return this.waits;
  }
  send(sql: string): void {
    this.#from = this.client.messages.length;
    this.client.send(message('Q', text(sql)));
  }
  /** Messages up to ReadyForQuery, or to the end of the connection; undefined while there is none. */
  answer(): readonly Message[] | undefined {
    const got = this.client.messages.slice(this.#from);
    return this.client.closed || got.some((one) => one.type === 'Z') ? got : undefined;
  }
  /** Until something came, at most that long. */
  async stir(milliseconds: number): Promise<void> {
    const limit = new AbortController();
    const came = once(this.client.socket, 'data', { signal: limit.signal }).catch(() => 'aborted');
    await Promise.race([came, delay(milliseconds, undefined, { signal: limit.signal }).catch(() => 'aborted')]);
    limit.abort();
  }
}

/** What a client sees of an answer. */
function shown(answer: readonly Message[]): string {
  const lines: string[] = [];
  for (const one of answer) {
    if (one.type === 'D')
      lines.push(
        `  ${rowsOf([one])[0]!
          .map((value) => value ?? 'NULL')
          .join(' | ')}`,
      );
    else if (one.type === 'C') lines.push(`  ${one.body.toString('utf8', 0, one.body.length - 1)}`);
    else if (one.type === 'E' || one.type === 'N') {
      const { S, C, M, D, H } = errorFields(one.body);
      lines.push(`  ${[`${S} ${C}: ${M}`, D, H].filter((part) => part !== undefined).join(' / ')}`);
    }
  }
  return withoutIds(lines.join('\n'));
}

/** Sessions that stay open over many scenarios of one server. */
export class Stage {
  readonly #sessions = new Map<string, Session>();
  #watcher: Session | undefined;
  readonly address: Address;
  /** How long a wait must last to be noted: longer than deadlock_timeout where deadlocks are not scripted. */
  patience = 0;
  constructor(address: Address) {
    this.address = address;
  }
  async #session(name: string): Promise<Session> {
    let session = this.#sessions.get(name);
    if (session === undefined) {
      session = new Session(name, await WireClient.session(this.address, { application_name: name }));
      this.#sessions.set(name, session);
    }
    return session;
  }
  async #ask(sql: string): Promise<readonly Message[]> {
    this.#watcher ??= new Session('watcher', await WireClient.session(this.address));
    this.#watcher.send(sql);
    return this.#awaitAnswer(this.#watcher, sql);
  }
  async #awaitAnswer(session: Session, what: string): Promise<readonly Message[]> {
    const deadline = Date.now() + DEADLINE_MS;
    for (;;) {
      const answer = session.answer();
      if (answer !== undefined) return answer;
      if (Date.now() > deadline) throw new Error(`no answer to ${session.name}: ${what}`);
      await session.stir(1000);
    }
  }
  async #isBlocked(session: Session): Promise<boolean> {
    const answer = await this.#ask(`select 1 from pg_locks where pid = ${session.pid} and not granted limit 1`);
    return answer.some((one) => one.type === 'D');
  }
  /** The answer, or undefined once the session is seen waiting, and still after `patience` milliseconds. */
  async #answerOrWait(session: Session, what: string): Promise<readonly Message[] | undefined> {
    const deadline = Date.now() + DEADLINE_MS;
    for (let seen = 0; ; ) {
      await session.stir(2);
      const answer = session.answer();
      if (answer !== undefined) return answer;
      if ((await this.#isBlocked(session)) && session.answer() === undefined) {
        if (seen === 0) seen = Date.now();
        if (Date.now() - seen >= this.patience) return undefined;
      } else seen = 0;
      if (Date.now() > deadline) throw new Error(`neither an answer to nor a wait of ${session.name}: ${what}`);
    }
  }
  /** Statements outside of the play; an error in them is an error of the scenario. */
  async prepare(statements: string): Promise<void> {
    const answer = await this.#ask(statements);
    const failed = answer.find((one) => one.type === 'E');
    if (failed !== undefined) throw new Error(`${statements}: ${JSON.stringify(errorFields(failed.body))}`);
  }
  /** With `skips` the steps of sessions that wait are left out; else they are mistakes of the script. */
  async play(script: readonly string[] | string, skips = false): Promise<string> {
    const lines = (typeof script === 'string' ? script.split('\n') : script).map((line) => line.trim());
    const said: string[] = [];
    for (const line of lines.filter((one) => one !== '')) {
      const [, name = '', insists = '', sql = ''] = /^(\w+)(!?):\s*(.*)$/.exec(line) ?? [];
      if (name === '') throw new Error(`not a step: ${line}`);
      const session = await this.#session(name);
      if (skips && session.waits) continue;
      if (session.waits !== (sql === ''))
        throw new Error(`${line}: the session ${session.waits ? 'waits' : 'is idle'}\n${said.join('\n')}`);
      if (sql !== '') session.send(sql);
      const answer = insists === '!' ? await this.#awaitAnswer(session, line) : await this.#answerOrWait(session, line);
      session.waits = answer === undefined;
      said.push(line, answer === undefined ? '  <waiting>' : shown(answer));
      await this.#settle(said, line);
    }
    const left = [...this.#sessions.values()].filter((one) => one.waits).map((one) => one.name);
    if (left.length > 0) throw new Error(`still waiting at the end: ${left.join(' ')}\n${said.join('\n')}`);
    return said.join('\n');
  }
  /** Notes those who had waited and no longer do. One of them may have let another one go. */
  async #settle(said: string[], line: string): Promise<void> {
    for (let changed = true; changed; ) {
      changed = false;
      for (const session of [...this.#sessions.values()].sort((a, b) => (a.name < b.name ? -1 : 1))) {
        if (!session.waits) continue;
        const answer = await this.#answerOrWait(session, line);
        if (answer === undefined) continue;
        session.waits = false;
        changed = true;
        said.push(` ${session.name} goes on`, shown(answer));
      }
    }
  }
  /** Ends transactions that a failed or finished scenario left behind. */
  async reset(): Promise<void> {
    for (const session of this.#sessions.values()) {
      if (session.waits) await this.#ask(`select pg_cancel_backend(${session.pid})`);
      if (session.waits) await this.#awaitAnswer(session, 'cancel');
      session.waits = false;
      for (const sql of ['rollback', 'reset all']) {
        session.send(sql);
        await this.#awaitAnswer(session, sql);
      }
    }
  }
  close(): void {
    for (const session of this.#sessions.values()) session.client.close();
    this.#watcher?.client.close();
  }
}

/** All orders of the steps of some sessions that keep each session's own order; every n-th of them, at most `most`. */
export function interleavings(sessions: readonly (readonly string[])[], most: number): string[][] {
  const all: string[][] = [];
  const walk = (at: readonly number[], chosen: readonly string[]): void => {
    let isEnd = true;
    sessions.forEach((steps, n) => {
      if (at[n]! >= steps.length) return;
      isEnd = false;
      walk(at.with(n, at[n]! + 1), [...chosen, steps[at[n]!]!]);
    });
    if (isEnd) all.push([...chosen]);
  };
  walk(
    sessions.map(() => 0),
    [],
  );
  const stride = Math.max(1, all.length / most);
  return Array.from({ length: Math.min(most, all.length) }, (_, n) => all[Math.floor(n * stride)]!);
}
