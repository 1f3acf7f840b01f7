/** startup.ts — from an accepted socket to a running session: packet, admission, authentication, role and database,
 *  settings, greeting; then the main loop.
 *
 *  Everything that goes wrong here is FATAL and is told to the client, except what would tell a stranger too much or
 *  break a half-done exchange: a malformed length, a timeout while waiting for the packet, a cancel request.
 *  Counterpart: BackendInitialize(), ProcessStartupPacket() of src/backend/postmaster/postmaster.c, InitPostgres() of
 *  src/backend/utils/init/postinit.c */
import type { Oid } from '#base/ids.ts';
import { hasRight } from '#catalog/acl.ts';
import { roleByName } from '#catalog/roles.ts';
import type { Role } from '#catalog/roles.ts';
import { openDatabase, openSharedCatalogs, storedSettings } from '#catalog/session-database.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { sessionProviders } from '#functions/providers.ts';
import { encodingName } from '#commands/encoding-names.ts';
import { STARTUP_PACKET_LIMIT } from '#libpq/messages.ts';
import { Port, type WaitForSocket } from '#libpq/port.ts';
import { BACKEND } from '#libpq/messages.ts';
import { currentTimestamp, monotonicMs } from '#platform/clock.ts';
import { native, type PeerInfo, SIGNAL } from '#platform/native.ts';
import { signalPending } from '#runtime/interrupts.ts';
import { activityHooks } from '#runtime/activity/activity-hooks.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { logContext } from '#runtime/error/log-context.ts';
import { report, toPgError } from '#runtime/error/report.ts';
import { setClientSink } from '#runtime/error/sinks.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { beforeShmemExit, onProcExit } from '#runtime/exit-callbacks.ts';
import { setConfigOption, setInternalOption, settings } from '#runtime/guc/guc.ts';
import { parsePostgresSwitches } from '#runtime/guc/switches.ts';
import type { Admission } from '#runtime/launch-record.ts';
import { myProcess } from '#runtime/my-process.ts';
import { disableTimeout, enableTimeoutAfter, initializeTimeouts, registerTimeout, TIMEOUT } from '#runtime/timeouts.ts';
import { resetLatch } from '#shm/latch.ts';
import { waitLatchOrSocket, WL } from '#shm/wait-event-set.ts';
import { LOCK_METHOD } from '#storage/lmgr/lock-modes.ts';
import { lockReleaseAll } from '#storage/lmgr/lock-release.ts';
import { clientAuthentication } from '#tcop/authenticate.ts';
import { adoptClientEncoding } from '#tcop/client-encoding.ts';
import { installBackendInterrupts, registerSessionTimeouts } from '#tcop/interrupts-backend.ts';
import {
  processReadInterrupt,
  processWriteInterrupt,
  runSession,
  sendBackendKeyData,
  sendErrorToClient,
  sendInitialParameters,
} from '#tcop/session.ts';
import { resetSessionState, session } from '#tcop/session-state.ts';
import {
  negotiateProtocolVersion,
  parseStartupPacket,
  type StartupRequest,
  startupBodyLength,
  unframedError,
} from '#tcop/startup-packet.ts';
import '#tcop/utility.ts';
import {
  abortOutOfAnyTransaction,
  commitTransactionCommand,
  currentLocalTransactionId,
  setStatementTimestamp,
  startTransactionCommand,
} from '#transam/xact.ts';

/** What the process's entry knows and does for its session. */
export interface BackendEnvironment {
  readonly admission: Admission;
  /** The client's cancel request: nothing is ever answered. */
  cancelRequest(pid: number, key: number): void;
  /** Takes a PGPROC and everything that follows from it (53300 if there is none). */
  attach(port: Port): void;
  /** After role and database are known; before the greeting. */
  attached(port: Port): void;
  /** ps title: the part that names the session. */
  setPsFixedPart(text: string): void;
  /** How many connections role or database have now, this one included. */
  countRoleConnections(role: Oid): number;
  countDatabaseConnections(database: Oid): number;
  /** Free PGPROCs of ordinary sessions, or infinity. */
  freeConnectionSlots(): number;
}

const waitForSocket: WaitForSocket = (fd, direction, waitEvent) => {
  const wanted = direction === 'read' ? WL.SOCKET_READABLE : WL.SOCKET_WRITEABLE;
  const result = waitLatchOrSocket(fd, wanted, undefined, WAIT_EVENT[waitEvent]);
  if ((result & WL.LATCH_SET) === 0) return 'socket';
  resetLatch();
  return 'latch';
};

const UNKNOWN_PEER: PeerInfo = { family: 'unix', address: '', port: 0 };

/** Serves the connection on `fd` from its first byte to its last. */
export function runBackend(fd: number, environment: BackendEnvironment): never {
  const port = makePort(fd);
  beginClientCommunication(port);
  const request = readStartupPacket(port, environment);
  refuseIfNotAdmitted(environment.admission);
  nameProcess(port, environment);
  environment.attach(port);
  initializeSession(port, request, environment);
  sendInitialParameters(port);
  sendBackendKeyData(port, myProcess.pid, myProcess.cancelKey);
  return runSession(port);
}

// ── the connection ───────────────────────────────────────────────────────────────────────────────────────────────

export function makePort(fd: number): Port {
  const remote = native.peerName(fd);
  const local = native.sockName(fd);
  const port = new Port(
    fd,
    typeof remote === 'number' ? UNKNOWN_PEER : remote,
    typeof local === 'number' ? undefined : local,
    native,
    { waitForSocket, processReadInterrupt, processWriteInterrupt },
  );
  port.sessionStart = currentTimestamp();
  if (port.isUnixSocket) port.remoteHost = '[local]';
  else {
    port.remoteHost = port.remote.address;
    port.remotePort = String(port.remote.port);
    applyTcpOptions(port);
    if (settings.log_hostname) resolveHostname(port);
  }
  return port;
}
function applyTcpOptions(port: Port): void {
  const options = [
    ['keepidle', settings.tcp_keepalives_idle],
    ['keepintvl', settings.tcp_keepalives_interval],
    ['keepcnt', settings.tcp_keepalives_count],
    ['usertimeout', settings.tcp_user_timeout],
  ] as const;
  for (const [name, value] of options) if (value > 0) native.setTcpOption(port.fd, name, value);
}
function resolveHostname(port: Port): void {
  const name = native.reverseName(port.remote.address);
  if (name === null) return;
  port.remoteHostname = name;
  port.remoteHost = name;
}

function beginClientCommunication(port: Port): void {
  resetSessionState(port);
  session.clientAuthInProgress = true;
  initializeTimeouts({ now: monotonicMs, setAlarm: (milliseconds) => void native.setAlarm(milliseconds) });
  registerSessionTimeouts();
  // Nothing was agreed with the client yet, so there is nothing to say: leave at once.
  registerTimeout(TIMEOUT.startupPacket, () => native.exitNow(1));
  installBackendInterrupts();
  provideSessionFacts(port);
  logContext.session = true;
  logContext.clientAuthInProgress = true;
  logContext.remoteHost = port.remoteHost;
  logContext.remotePort = port.remotePort;
  setClientSink(sendErrorToClient);
  onProcExit(() => {
    session.sendToClient = false;
    setClientSink(undefined);
    port.close();
  });
  if (settings.log_connections) {
    const where = port.remotePort === '' ? '' : ` port=${port.remotePort}`;
    report('LOG', { message: `connection received: host=${port.remoteHost}${where}` });
  }
}

function provideSessionFacts(port: Port): void {
  const addressOf = (peer: PeerInfo | undefined) =>
    peer === undefined ? null : { address: peer.family === 'unix' ? null : peer.address, port: peer.port };
  sessionProviders.currentQuery = () => session.queryText;
  sessionProviders.client = () => addressOf(port.remote);
  sessionProviders.server = () => addressOf(port.local);
}

// ── the startup packet ───────────────────────────────────────────────────────────────────────────────────────────

function readStartupPacket(port: Port, environment: BackendEnvironment): StartupRequest {
  enableTimeoutAfter(TIMEOUT.startupPacket, settings.authentication_timeout * 1000);
  // A stranger who has not said anything yet is owed no words.
  native.signalAction(SIGNAL.TERM, native.SIG_ACTION.EXIT1);
  if (signalPending(SIGNAL.TERM)) native.exitNow(1);
  const request = readPackets(port, environment);
  native.signalAction(SIGNAL.TERM, native.SIG_ACTION.WORD);
  disableTimeout(TIMEOUT.startupPacket);
  port.user = request.user;
  port.database = request.database;
  port.applicationName = request.applicationName ?? '';
  port.commandLineOptions = request.options;
  port.gucOptions = request.gucOptions;
  port.isWalSender = request.replication !== 'none';
  port.isDatabaseWalSender = request.replication === 'database';
  logContext.user = port.user;
  logContext.database = port.database;
  logContext.applicationName = port.applicationName;
  const negotiation = negotiateProtocolVersion(request);
  if (negotiation !== undefined) {
    port.writer.begin(BACKEND.negotiateProtocolVersion);
    port.writer.bytes(negotiation);
    port.writer.end();
  }
  return request;
}

/** The request proper, after any questions about encryption (each may be asked once). */
function readPackets(port: Port, environment: BackendEnvironment): StartupRequest {
  let sslDone = false;
  let gssDone = false;
  for (;;) {
    const body = readPacketBody(port, sslDone || gssDone);
    const packet = parseStartupPacket(body);
    switch (packet.kind) {
      case 'startup':
        return packet;
      case 'cancel':
        environment.cancelRequest(packet.pid, packet.key);
        return leave(0);
      case 'unsupported':
        return refuseProtocol(port, packet.protocol, packet.message);
      case 'malformed':
        return leave(0);
      case 'ssl':
      case 'gss':
        if (packet.kind === 'ssl' ? sslDone : gssDone) return refuseSecondQuestion(packet.kind);
        if (packet.kind === 'ssl') sslDone = true;
        else gssDone = true;
        port.sendRaw(ANSWER_NO);
        if (port.reader.buffered > 0) refuseEarlyData(packet.kind);
    }
  }
}
const ANSWER_NO = Buffer.from('N');
const SSL_CODE = 80_877_103;
const GSS_CODE = 80_877_104;

/** A second negotiation request is no version that we know. */
function refuseSecondQuestion(kind: 'ssl' | 'gss'): never {
  const code = kind === 'ssl' ? SSL_CODE : GSS_CODE;
  return report('FATAL', {
    code: SQLSTATE.featureNotSupported,
    message: `unsupported frontend protocol ${code >>> 16}.${code & 0xffff}: server supports 3.0 to 3.0`,
  });
}
/** Whoever sits between us and the client could have put these bytes there. */
function refuseEarlyData(kind: 'ssl' | 'gss'): never {
  const what = kind === 'ssl' ? 'SSL request' : 'GSSAPI encryption request';
  return report('FATAL', {
    code: SQLSTATE.protocolViolation,
    message: `received unencrypted data after ${what}`,
    detail: 'This could be either a client-software bug or evidence of an attempted man-in-the-middle attack.',
  });
}
function refuseProtocol(port: Port, protocol: number, message: string): never {
  if (protocol >>> 16 < 3) {
    // Such a client cannot read a framed message.
    session.sendToClient = false;
    port.sendRaw(unframedError(message));
  }
  return report('FATAL', { code: SQLSTATE.featureNotSupported, message });
}
const leave = (code: number): never => {
  session.sendToClient = false;
  return native.exitNow(code);
};

function readPacketBody(port: Port, afterNegotiation: boolean): Buffer {
  const { reader } = port;
  const first = reader.peekByte();
  // A port probe connects and goes away: not worth a line in the log.
  if (first < 0) return leave(0);
  if (!reader.readBody(4)) {
    if (!afterNegotiation)
      report('LOG_SERVER_ONLY', { code: SQLSTATE.protocolViolation, message: 'incomplete startup packet' });
    return leave(0);
  }
  const length = startupBodyLength(reader.getRest());
  if (length === undefined) return leave(0);
  if (length > STARTUP_PACKET_LIMIT || !reader.readBody(length)) {
    report('LOG_SERVER_ONLY', { code: SQLSTATE.protocolViolation, message: 'incomplete startup packet' });
    return leave(0);
  }
  return Buffer.from(reader.getRest());
}

/** Refusals that the postmaster decided on, told only now that the client speaks our protocol. */
function refuseIfNotAdmitted(admission: Admission): void {
  const refuse = (message: string, detail?: string): never =>
    report('FATAL', { code: SQLSTATE.cannotConnectNow, message, detail });
  switch (admission) {
    case 'ok':
      return;
    case 'startup':
      refuse('the database system is starting up');
      return;
    case 'notConsistent':
      if (settings.hot_standby)
        refuse(
          'the database system is not yet accepting connections',
          'Consistent recovery state has not been yet reached.',
        );
      refuse('the database system is not accepting connections', 'Hot standby mode is disabled.');
      return;
    case 'shutdown':
      refuse('the database system is shutting down');
      return;
    case 'recovery':
      refuse('the database system is in recovery mode');
      return;
    case 'tooMany':
      report('FATAL', { code: SQLSTATE.tooManyConnections, message: 'sorry, too many clients already' });
  }
}

function nameProcess(port: Port, environment: BackendEnvironment): void {
  const where = port.remotePort === '' ? port.remoteHost : `${port.remoteHost}(${port.remotePort})`;
  const who = port.isWalSender ? `walsender ${port.user}` : port.user;
  const parts = [who, port.database, where].filter((part) => part !== '');
  environment.setPsFixedPart(parts.join(' '));
  activityHooks.setPsDisplay('initializing');
}

// ── the session ──────────────────────────────────────────────────────────────────────────────────────────────────

function initializeSession(port: Port, request: StartupRequest, environment: BackendEnvironment): void {
  beforeShmemExit(() => {
    abortOutOfAnyTransaction();
    // Advisory locks of the session outlive its transactions.
    lockReleaseAll(LOCK_METHOD.user, true);
  });
  logContext.virtualTransactionId = () =>
    myProcess.backendId > 0 ? `${myProcess.backendId}/${currentLocalTransactionId()}` : '';
  setStatementTimestamp();
  startTransactionCommand();
  try {
    openSharedCatalogs();
    authenticate(port);
    const role = becomeRole(port, environment);
    checkReservedSlots(role, port, environment);
    if (port.isWalSender) checkReplicationRole(role);
    if (request.replication !== 'physical') connectToDatabase(port, role, environment);
    applyStartupOptions(port, role);
    applyStoredSettings(role);
    adoptClientEncoding(port);
    if (settings.post_auth_delay > 0) sleepSeconds(settings.post_auth_delay);
    environment.attached(port);
    activityHooks.reportSessionStart();
    activityHooks.reportApplicationName(settings.application_name);
    commitTransactionCommand();
  } catch (caught) {
    // There is no session yet that could go on after an error.
    const error = toPgError(caught);
    report('FATAL', error.fields);
  }
  logDisconnection(port);
}

function authenticate(port: Port): void {
  // The same timer as a statement's, but its expiry ends the process.
  enableTimeoutAfter(TIMEOUT.statement, settings.authentication_timeout * 1000);
  activityHooks.setPsDisplay('authentication');
  clientAuthentication(port);
  disableTimeout(TIMEOUT.statement);
  logAuthorized(port);
  activityHooks.setPsDisplay('startup');
  session.clientAuthInProgress = false;
  logContext.clientAuthInProgress = false;
}
function logAuthorized(port: Port): void {
  if (!settings.log_connections) return;
  const application = port.applicationName === '' ? '' : ` application_name=${port.applicationName}`;
  const database = port.isWalSender ? '' : ` database=${port.database}`;
  const prefix = port.isWalSender ? 'replication connection' : 'connection';
  report('LOG', { message: `${prefix} authorized: user=${port.user}${database}${application}` });
}

function becomeRole(port: Port, environment: BackendEnvironment): Role {
  const role = roleByName(port.user);
  if (role === undefined)
    return report('FATAL', {
      code: SQLSTATE.invalidAuthorizationSpecification,
      message: `role "${port.user}" does not exist`,
    });
  sessionIdentity.userOid = role.oid;
  sessionIdentity.userName = role.name;
  sessionIdentity.sessionUserOid = role.oid;
  sessionIdentity.sessionUserName = role.name;
  setInternalOption('session_authorization', role.name);
  setInternalOption('is_superuser', role.superuser ? 'on' : 'off');
  if (!role.canLogin)
    report('FATAL', {
      code: SQLSTATE.invalidAuthorizationSpecification,
      message: `role "${port.user}" is not permitted to log in`,
    });
  const limit = role.connectionLimit;
  if (limit >= 0 && !role.superuser && environment.countRoleConnections(role.oid) > limit)
    report('FATAL', {
      code: SQLSTATE.tooManyConnections,
      message: `too many connections for role "${port.user}"`,
    });
  return role;
}

function checkReservedSlots(role: Role, port: Port, environment: BackendEnvironment): void {
  if (role.superuser || port.isWalSender || settings.superuser_reserved_connections === 0) return;
  if (environment.freeConnectionSlots() < settings.superuser_reserved_connections)
    report('FATAL', {
      code: SQLSTATE.tooManyConnections,
      message: 'remaining connection slots are reserved for non-replication superuser connections',
    });
}
function checkReplicationRole(role: Role): void {
  if (!role.superuser && !role.replication)
    report('FATAL', {
      code: SQLSTATE.insufficientPrivilege,
      message: 'must be superuser or replication role to start walsender',
    });
}

function connectToDatabase(port: Port, role: Role, environment: BackendEnvironment): void {
  const row = openDatabase(port.database);
  if (row.datconnlimit === -2)
    report('FATAL', {
      code: SQLSTATE.objectNotInPrerequisiteState,
      message: `cannot connect to invalid database "${port.database}"`,
      hint: 'Use DROP DATABASE to drop invalid databases.',
    });
  if (!row.datallowconn)
    report('FATAL', {
      code: SQLSTATE.objectNotInPrerequisiteState,
      message: `database "${port.database}" is not currently accepting connections`,
    });
  if (!hasRight({ letter: 'd', owner: row.datdba, acl: row.datacl }, role.oid, 'c', false))
    report('FATAL', {
      code: SQLSTATE.insufficientPrivilege,
      message: `permission denied for database "${port.database}"`,
      detail: 'User does not have CONNECT privilege.',
    });
  if (row.datconnlimit >= 0 && !role.superuser && environment.countDatabaseConnections(row.oid) > row.datconnlimit)
    report('FATAL', {
      code: SQLSTATE.tooManyConnections,
      message: `too many connections for database "${port.database}"`,
    });
  if (row.datlocprovider === 'i')
    report('FATAL', { code: SQLSTATE.featureNotSupported, message: 'ICU is not supported in this build' });
  // What the database was made with; clients that ask for nothing get its encoding.
  const encoding = encodingName(row.encoding);
  setInternalOption('server_encoding', encoding);
  setConfigOption('client_encoding', encoding, 'backend', 'dynamicDefault');
  setInternalOption('lc_collate', row.datcollate);
  setInternalOption('lc_ctype', row.datctype);
}

/** Switches first, then the packet's own settings: what it names twice the latter wins. */
function applyStartupOptions(port: Port, role: Role): void {
  const context = role.superuser ? 'superuser-backend' : 'backend';
  if (port.commandLineOptions !== null) {
    const result = parsePostgresSwitches(splitOptions(port.commandLineOptions), 'client', context);
    const bad = result.badWord ?? result.positional[0];
    if (bad !== undefined)
      report('FATAL', {
        code: SQLSTATE.syntaxError,
        message: `invalid command-line argument for server process: ${bad}`,
        hint: 'Try "postgres --help" for more information.',
      });
  }
  for (const [name, value] of port.gucOptions) setConfigOption(name, value, context, 'client');
}

/** What ALTER DATABASE and ALTER ROLE … SET left: whoever stored it had the right to, so it is set as a superuser would. */
function applyStoredSettings(role: Role): void {
  for (const { source, settings: list } of storedSettings(sessionIdentity.databaseOid, role.oid)) {
    for (const setting of list) {
      const equals = setting.indexOf('=');
      if (equals < 0) {
        report('WARNING', {
          code: SQLSTATE.syntaxError,
          message: `could not parse setting for parameter "${setting}"`,
        });
      } else setConfigOption(setting.slice(0, equals), setting.slice(equals + 1), 'superuser', source);
    }
  }
}

/** Words of the options string: separated by blanks, a backslash takes the next character as it is. */
export function splitOptions(text: string): string[] {
  const words: string[] = [];
  let at = 0;
  const isSpace = (character: string | undefined): boolean =>
    character !== undefined && /[ \t\n\r\f\v]/.test(character);
  while (at < text.length) {
    while (isSpace(text[at])) at++;
    if (at >= text.length) break;
    let word = '';
    for (; at < text.length && !isSpace(text[at]); at++) {
      if (text[at] === '\\') at++;
      word += text[at] ?? '';
    }
    words.push(word);
  }
  return words;
}

function sleepSeconds(seconds: number): void {
  const until = monotonicMs() + seconds * 1000;
  for (let left = until - monotonicMs(); left > 0; left = until - monotonicMs())
    waitLatchOrSocket(-1, 0, { timeoutMs: left }, WAIT_EVENT.PgSleep);
}

function logDisconnection(port: Port): void {
  if (!settings.log_disconnections || port.isWalSender) return;
  onProcExit(() => {
    const milliseconds = Math.floor((currentTimestamp() - port.sessionStart) / 1000);
    const seconds = Math.floor(milliseconds / 1000);
    const two = (value: number): string => String(value).padStart(2, '0');
    const time = `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}.${String(milliseconds % 1000).padStart(3, '0')}`;
    const where = port.remotePort === '' ? '' : ` port=${port.remotePort}`;
    report('LOG', {
      message: `disconnection: session time: ${time} user=${port.user} database=${port.database} host=${port.remoteHost}${where}`,
    });
  });
}
