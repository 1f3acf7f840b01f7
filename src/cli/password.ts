/** password.ts — a new superuser's password, from a file or the terminal.
 *  Counterpart: get_su_pwd() of src/bin/initdb/initdb.c */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { InitdbError } from '#cli/initdb-options.ts';
import { reasonOf } from '#cli/system-error.ts';

/** First line of the file. */
export function passwordFromFile(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (caught) {
    throw new InitdbError(`could not open file "${path}" for reading: ${reasonOf(caught)}`);
  }
  if (text === '') throw new InitdbError(`password file "${path}" is empty`);
  return (text.split('\n')[0] ?? '').replace(/\r$/, '');
}

function ask(terminal: number, prompt: string): string {
  writeSync(terminal, prompt);
  const bytes = Buffer.alloc(1);
  let line = '';
  while (readSync(terminal, bytes, 0, 1, null) === 1) {
    const ch = bytes.toString('latin1');
    if (ch === '\n') break;
    line += ch;
  }
  writeSync(terminal, '\n');
  return Buffer.from(line, 'latin1').toString('utf8');
}

/** Asks twice, without echo. */
export function passwordFromTerminal(): string {
  let terminal: number;
  try {
    terminal = openSync('/dev/tty', 'r+');
  } catch (caught) {
    throw new InitdbError(`could not open the terminal to prompt for a password: ${reasonOf(caught)}`);
  }
  const echo = (setting: string): void => void spawnSync('stty', [setting], { stdio: [terminal, 'ignore', 'ignore'] });
  echo('-echo');
  try {
    const first = ask(terminal, 'Enter new superuser password: ');
    const second = ask(terminal, 'Enter it again: ');
    if (first !== second) throw new InitdbError("Passwords didn't match.");
    return first;
  } finally {
    echo('echo');
    closeSync(terminal);
  }
}
