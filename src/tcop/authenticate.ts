/** authenticate.ts — the exchange of auth-exchange.ts over a real connection.
 *
 *  Counterpart: ClientAuthentication(), sendAuthRequest(), recv_password_packet(), auth_peer() of
 *  src/backend/libpq/auth.c */
import '#tcop/hba-functions.ts';
import '#tcop/tcp-settings.ts';
import { BACKEND, FRONTEND } from '#libpq/messages.ts';
import type { Port } from '#libpq/port.ts';
import { native } from '#platform/native.ts';
import { report, reportHooks } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { AUTH_REQUEST, type AuthConnection, authenticateClient } from '#tcop/auth-exchange.ts';
import type { HostnameKnowledge } from '#tcop/hba.ts';

class PortConnection implements AuthConnection {
  readonly tls = false;
  readonly hostname: HostnameKnowledge;
  constructor(readonly port: Port) {
    const name = port.remoteHostname;
    this.hostname = { hostname: name === '' ? null : name, state: 0 };
  }

  get user(): string {
    return this.port.user;
  }
  get database(): string {
    return this.port.database;
  }
  get remoteAddress(): string | null {
    return this.port.isUnixSocket ? null : this.port.remote.address;
  }
  get replication(): 'none' | 'physical' | 'database' {
    if (!this.port.isWalSender) return 'none';
    return this.port.isDatabaseWalSender ? 'database' : 'physical';
  }

  sendAuthRequest(code: number, payload: Uint8Array): void {
    const { writer } = this.port;
    writer.begin(BACKEND.authentication);
    writer.int32(code);
    writer.bytes(payload);
    writer.end();
    // After the last word of an exchange the greeting follows in the same packet.
    if (code !== AUTH_REQUEST.ok && code !== AUTH_REQUEST.saslFinal) this.port.flush();
  }

  readPasswordMessage(limit: number, expected: 'password' | 'SASL'): Uint8Array | 'broken' | null {
    const { reader } = this.port;
    reader.startMessage();
    const type = reader.readByte();
    if (type < 0) return null;
    if (type !== FRONTEND.password) {
      report('ERROR', {
        code: SQLSTATE.protocolViolation,
        message: `expected ${expected} response, got message type ${type}`,
      });
    }
    return reader.readMessage(limit) ? Buffer.from(reader.getRest()) : 'broken';
  }

  peerUser(): string | null {
    const credentials = native.peerCredentials(this.port.fd);
    if (typeof credentials === 'number') {
      report('LOG', { message: `could not get peer credentials: ${native.errorMessage(Math.abs(credentials))}` });
      return null;
    }
    const name = native.userName(credentials[0]);
    if (name === null) {
      report('LOG', { message: `could not look up local user ID ${credentials[0]}: user does not exist` });
    }
    return name;
  }

  setAuthenticated(identity: string, method: string): void {
    this.port.authenticatedIdentity = identity;
    this.port.authenticationMethod = method;
  }
}

/** Returns when the client is who it says it is; every other end of the exchange is the end of the process. */
export function clientAuthentication(port: Port): void {
  if (!authenticateClient(new PortConnection(port))) reportHooks.exitProcess(0);
}
