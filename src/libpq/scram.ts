/** scram.ts — SCRAM-SHA-256 (RFC 5802, 7677): the stored secret, and the server's side of the exchange.
 *
 *  The exchange is a small machine over texts: `exchange(message)` takes what the client sent and says what to answer.
 *  For a role that does not exist, or has no SCRAM secret, it plays the same game with a made-up salt and refuses at the
 *  end, so that nobody learns which roles exist. The made-up salt is the same for the same name, as a real one would be.
 *  Counterpart: src/backend/libpq/auth-scram.c, src/common/scram-common.c */
import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto';
import { saslPrep } from '#libpq/sasl-prep.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export const SCRAM_SHA_256 = 'SCRAM-SHA-256';
export const SCRAM_SHA_256_PLUS = 'SCRAM-SHA-256-PLUS';
const KEY_LENGTH = 32;
const SALT_LENGTH = 16;
const RAW_NONCE_LENGTH = 18;
const DEFAULT_ITERATIONS = 4096;

export interface ScramSecret {
  readonly iterations: number;
  readonly salt: Buffer;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

/** Filled in from pg_control: what makes invented salts unpredictable, yet stable for the cluster. */
export const scramCluster: { mockAuthenticationNonce: Uint8Array } = { mockAuthenticationNonce: randomBytes(32) };

const hmac = (key: Uint8Array, data: string): Buffer => createHmac('sha256', key).update(data).digest();
const sha256 = (...parts: (string | Uint8Array)[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};
const saltedPassword = (password: string, salt: Uint8Array, iterations: number): Buffer =>
  pbkdf2Sync(saslPrep(password), salt, iterations, KEY_LENGTH, 'sha256');

/** The text kept in rolpassword for `password`. */
export function buildScramSecret(password: string, salt: Uint8Array = randomBytes(SALT_LENGTH)): string {
  const salted = saltedPassword(password, salt, DEFAULT_ITERATIONS);
  const storedKey = sha256(hmac(salted, 'Client Key'));
  const serverKey = hmac(salted, 'Server Key');
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
  return `${SCRAM_SHA_256}$${DEFAULT_ITERATIONS}:${base64(salt)}$${base64(storedKey)}:${base64(serverKey)}`;
}

const BASE64 = '(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?';
const SECRET = new RegExp(`^SCRAM-SHA-256\\$([0-9]+):(${BASE64})\\$(${BASE64}):(${BASE64})$`);

export function parseScramSecret(secret: string): ScramSecret | undefined {
  const match = SECRET.exec(secret);
  if (match === null) return undefined;
  const [, iterations, salt, stored, server] = match;
  const storedKey = Buffer.from(stored!, 'base64');
  const serverKey = Buffer.from(server!, 'base64');
  if (storedKey.length !== KEY_LENGTH || serverKey.length !== KEY_LENGTH) return undefined;
  return { iterations: Number(iterations), salt: Buffer.from(salt!, 'base64'), storedKey, serverKey };
}

/** Is this the password behind the secret? For the cleartext method. */
export function scramVerifyPlain(secret: ScramSecret, password: string): boolean {
  const serverKey = hmac(saltedPassword(password, secret.salt, secret.iterations), 'Server Key');
  return timingSafeEqual(serverKey, secret.serverKey);
}

function mockSecret(user: string): ScramSecret {
  const salt = sha256(user, scramCluster.mockAuthenticationNonce).subarray(0, SALT_LENGTH);
  const zeros = Buffer.alloc(KEY_LENGTH);
  return { iterations: DEFAULT_ITERATIONS, salt, storedKey: zeros, serverKey: zeros };
}

const malformed = (detail: string): never =>
  report('ERROR', { code: SQLSTATE.protocolViolation, message: 'malformed SCRAM message', detail });
const violation = (message: string, detail?: string): never =>
  report('ERROR', { code: SQLSTATE.protocolViolation, message, detail });

const shownCharacter = (character: string | undefined): string => {
  if (character === undefined || character === '') return '0x00';
  const code = character.charCodeAt(0);
  return code >= 0x21 && code <= 0x7e ? `'${character}'` : `0x${code.toString(16).padStart(2, '0')}`;
};

/** Reads `a=value` fields from left to right. */
class AttributeReader {
  at = 0;
  constructor(readonly text: string) {}

  get done(): boolean {
    return this.at >= this.text.length;
  }
  read(attribute: string): string {
    if (this.text[this.at] !== attribute) {
      malformed(`Expected attribute "${attribute}" but found "${shownCharacter(this.text[this.at])}".`);
    }
    return this.#value(attribute);
  }
  readAny(): [attribute: string, value: string] {
    if (this.done) malformed('Attribute expected, but found end of string.');
    const attribute = this.text[this.at]!;
    if (!/[A-Za-z]/.test(attribute)) {
      malformed(`Attribute expected, but found invalid character "${shownCharacter(attribute)}".`);
    }
    return [attribute, this.#value(attribute)];
  }
  #value(attribute: string): string {
    if (this.text[this.at + 1] !== '=') malformed(`Expected character "=" for attribute "${attribute}".`);
    const start = this.at + 2;
    const comma = this.text.indexOf(',', start);
    const end = comma < 0 ? this.text.length : comma;
    this.at = comma < 0 ? end : end + 1;
    return this.text.slice(start, end);
  }
}

export interface ScramReply {
  readonly result: 'continue' | 'success' | 'failure';
  readonly output: string | undefined;
}

/** What the connection offers for channel binding. */
export interface ChannelBinding {
  readonly tls: boolean;
  /** Hash of the server's certificate; undefined where it cannot be had, then PLUS is not offered. */
  readonly certificateHash: Uint8Array | undefined;
}
export const NO_CHANNEL_BINDING: ChannelBinding = { tls: false, certificateHash: undefined };

export const scramMechanisms = (binding: ChannelBinding): string[] =>
  binding.certificateHash === undefined ? [SCRAM_SHA_256] : [SCRAM_SHA_256_PLUS, SCRAM_SHA_256];

export class ScramServer {
  /** Why a secret was not usable; for the log only. */
  logDetail: string | undefined;
  readonly #secret: ScramSecret;
  readonly #doomed: boolean;
  readonly #plus: boolean;
  #state: 'init' | 'salt-sent' | 'finished' = 'init';
  #bindingFlag = 'n';
  #firstBare = '';
  #serverFirst = '';
  #nonce = '';

  constructor(
    mechanism: string,
    user: string,
    secret: string | undefined,
    readonly binding: ChannelBinding = NO_CHANNEL_BINDING,
    readonly makeNonce: () => string = () => randomBytes(RAW_NONCE_LENGTH).toString('base64'),
  ) {
    this.#plus = mechanism === SCRAM_SHA_256_PLUS && binding.certificateHash !== undefined;
    if (!this.#plus && mechanism !== SCRAM_SHA_256) {
      violation('client selected an invalid SASL authentication mechanism');
    }
    const parsed = secret === undefined ? undefined : parseScramSecret(secret);
    if (parsed === undefined && secret !== undefined) {
      if (secret.startsWith('SCRAM-SHA-256$')) report('LOG', { message: `invalid SCRAM secret for user "${user}"` });
      else this.logDetail = `User "${user}" does not have a valid SCRAM secret.`;
    }
    this.#doomed = parsed === undefined;
    this.#secret = parsed ?? mockSecret(user);
  }

  exchange(message: string): ScramReply {
    if (message === '') malformed('The message is empty.');
    if (message.includes('\0')) malformed('Message length does not match input length.');
    if (this.#state === 'init') {
      this.#readClientFirst(message);
      this.#state = 'salt-sent';
      return { result: 'continue', output: this.#serverFirst };
    }
    if (this.#state === 'finished') return { result: 'failure', output: undefined };
    this.#state = 'finished';
    return this.#finish(message);
  }

  #readBindingFlag(message: string): void {
    this.#bindingFlag = message[0]!;
    switch (this.#bindingFlag) {
      case 'n':
      case 'y':
        if (this.#plus) {
          malformed(
            'The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding data.',
          );
        }
        if (this.#bindingFlag === 'y' && this.binding.certificateHash !== undefined) {
          violation(
            'SCRAM channel binding negotiation error',
            'The client supports SCRAM channel binding but thinks the server does not.  However, this server does support channel binding.',
          );
        }
        return;
      case 'p':
        if (!this.#plus) {
          malformed(
            'The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel binding data.',
          );
        }
        return;
      default:
        malformed(`Unexpected channel-binding flag "${shownCharacter(message[0])}".`);
    }
  }

  /** gs2 header, then n=user,r=nonce. The user is that of the startup packet, whatever stands here. */
  #readClientFirst(message: string): void {
    this.#readBindingFlag(message);
    const reader = new AttributeReader(message);
    if (this.#bindingFlag === 'p') {
      const type = reader.read('p');
      if (type !== 'tls-server-end-point') violation(`unsupported SCRAM channel-binding type "${type}"`);
    } else {
      if (message[1] !== ',') malformed(`Comma expected, but found character "${shownCharacter(message[1])}".`);
      reader.at = 2;
    }
    if (message[reader.at] === 'a') {
      report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: 'client uses authorization identity, but it is not supported',
      });
    }
    if (message[reader.at] !== ',') {
      malformed(`Unexpected attribute "${shownCharacter(message[reader.at])}" in client-first-message.`);
    }
    reader.at++;
    this.#firstBare = message.slice(reader.at);
    if (message[reader.at] === 'm') {
      report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: 'client requires an unsupported SCRAM extension',
      });
    }
    reader.read('n');
    const clientNonce = reader.read('r');
    if (!/^[\x21-\x2b\x2d-\x7e]*$/.test(clientNonce)) violation('non-printable characters in SCRAM nonce');
    while (!reader.done) reader.readAny();
    this.#nonce = clientNonce + this.makeNonce();
    const { salt, iterations } = this.#secret;
    this.#serverFirst = `r=${this.#nonce},s=${salt.toString('base64')},i=${iterations}`;
  }

  #checkBinding(value: string): void {
    if (this.#plus) {
      const expected = Buffer.concat([
        Buffer.from('p=tls-server-end-point,,', 'latin1'),
        this.binding.certificateHash!,
      ]).toString('base64');
      if (value === expected) return;
      report('ERROR', {
        code: SQLSTATE.invalidAuthorizationSpecification,
        message: 'SCRAM channel binding check failed',
      });
    }
    const expected = this.#bindingFlag === 'y' ? 'eSws' : 'biws';
    if (value !== expected) violation('unexpected SCRAM channel-binding attribute in client-final-message');
  }

  #finish(message: string): ScramReply {
    const reader = new AttributeReader(message);
    this.#checkBinding(reader.read('c'));
    const nonce = reader.read('r');
    let proofAt: number;
    let attribute: string;
    let value: string;
    do {
      proofAt = reader.at;
      [attribute, value] = reader.readAny();
    } while (attribute !== 'p');
    const proof = Buffer.from(value, 'base64');
    if (!new RegExp(`^${BASE64}$`).test(value) || proof.length !== KEY_LENGTH) {
      malformed('Malformed proof in client-final-message.');
    }
    if (!reader.done) malformed('Garbage found at the end of client-final-message.');
    if (nonce !== this.#nonce) violation('invalid SCRAM response', 'Nonce does not match.');
    const authMessage = `${this.#firstBare},${this.#serverFirst},${message.slice(0, proofAt - 1)}`;
    // Both are computed in either case, lest the time taken tell which of them failed.
    const proven = this.#proves(proof, authMessage);
    if (!proven || this.#doomed) return { result: 'failure', output: undefined };
    return { result: 'success', output: `v=${hmac(this.#secret.serverKey, authMessage).toString('base64')}` };
  }

  #proves(proof: Buffer, authMessage: string): boolean {
    const clientKey = hmac(this.#secret.storedKey, authMessage);
    for (let i = 0; i < KEY_LENGTH; i++) clientKey[i] = clientKey[i]! ^ proof[i]!;
    return timingSafeEqual(sha256(clientKey), this.#secret.storedKey);
  }
}
