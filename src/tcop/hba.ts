/** hba.ts — pg_hba.conf loaded, and the line that decides about a connection: the first one that fits.
 *
 *  The postmaster loads the file before it accepts anyone, and its children inherit the lines (a spawned child loads
 *  them itself). At a reload a file with any error changes nothing.
 *  Counterpart: load_hba(), check_hba() of src/backend/libpq/hba.c */
import { isMemberOfRoleNoSuper, roleByName } from '#catalog/roles.ts';
import { interfaceAddresses } from '#platform/interfaces.ts';
import { native } from '#platform/native.ts';
import { type Level, report } from '#runtime/error/report.ts';
import { SQLSTATE, type SqlState } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { inRange, type NetworkAddress, parseNetworkAddress, sameAddress } from '#tcop/hba-address.ts';
import { type HbaAddress, type HbaLine, parseHbaLine } from '#tcop/hba-parse.ts';
import { type AuthToken, isKeyword, tokenizeFile } from '#tcop/hba-tokens.ts';

/** What a line is compared with. */
export interface HbaClient {
  readonly user: string;
  readonly database: string;
  /** Numeric; null on a Unix-domain socket. */
  readonly remoteAddress: string | null;
  readonly tls: boolean;
  readonly replication: 'none' | 'physical' | 'database';
}

/** Answers that need the network; tests put their own in. */
export const hbaEnvironment: {
  /** This machine's addresses with their netmasks. */
  interfaces: () => readonly { readonly address: string; readonly netmask: string }[];
  /** Name of an address, null without one. */
  reverseLookup: (address: string) => string | null;
  /** Addresses of a name. */
  forwardLookup: (name: string) => readonly string[];
} = {
  interfaces: interfaceAddresses,
  reverseLookup: native.reverseName,
  forwardLookup: (name) => {
    const found = native.resolveHost(name, false);
    return typeof found === 'number' ? [] : found.map(({ address }) => address);
  },
};

let lines: readonly HbaLine[] = [];

export interface HbaRule {
  readonly lineNumber: number;
  readonly line: HbaLine | undefined;
  readonly error: string | undefined;
}
/** The file as it is now: the rows of pg_hba_file_rules. A string is why it cannot be read. */
export function parseHbaFile(level: Level): HbaRule[] | { error: string; code: SqlState } {
  const tokenized = tokenizeFile(settings.hba_file, level);
  if (!Array.isArray(tokenized)) return tokenized;
  return tokenized.map((source) => {
    const { lineNumber } = source;
    if (source.error !== undefined) return { lineNumber, line: undefined, error: source.error };
    return { lineNumber, ...parseHbaLine(source, level) };
  });
}

/** false: not usable, and the lines known so far stay. */
export function loadHba(): boolean {
  const parsed = parseHbaFile('LOG');
  if (!Array.isArray(parsed) || parsed.some(({ line }) => line === undefined)) return false;
  if (parsed.length === 0) {
    report('LOG', {
      code: SQLSTATE.configFileError,
      message: `configuration file "${settings.hba_file}" contains no entries`,
    });
    return false;
  }
  lines = parsed.map(({ line }) => line!);
  return true;
}
export function useHbaLines(some: readonly HbaLine[]): void {
  lines = some;
}

function isMember(user: string, role: string): boolean {
  const member = roleByName(user);
  const group = roleByName(role);
  return member !== undefined && group !== undefined && isMemberOfRoleNoSuper(member.oid, group.oid);
}

function databaseFits(tokens: readonly AuthToken[], client: HbaClient): boolean {
  for (const token of tokens) {
    if (client.replication === 'physical') {
      // A physical walsender is in no database: only the keyword fits.
      if (isKeyword(token, 'replication')) return true;
    } else if (isKeyword(token, 'all')) return true;
    else if (isKeyword(token, 'sameuser')) {
      if (client.database === client.user) return true;
    } else if (isKeyword(token, 'samegroup') || isKeyword(token, 'samerole')) {
      if (isMember(client.user, client.database)) return true;
    } else if (!isKeyword(token, 'replication') && token.text === client.database) return true;
  }
  return false;
}

function roleFits(tokens: readonly AuthToken[], user: string): boolean {
  return tokens.some((token) =>
    !token.quoted && token.text.startsWith('+')
      ? isMember(user, token.text.slice(1))
      : token.text === user || isKeyword(token, 'all'),
  );
}

/** What reverse and forward look-up told about the client, once. */
export interface HostnameKnowledge {
  hostname: string | null;
  /** 1 forward look-up matches, 0 not checked, -1 does not match, -2 no name. */
  state: -2 | -1 | 0 | 1;
}

function nameFits(pattern: string, client: HbaClient, known: HostnameKnowledge): boolean {
  if (known.state < 0) return false;
  known.hostname ??= hbaEnvironment.reverseLookup(client.remoteAddress!);
  if (known.hostname === null) {
    known.state = -2;
    return false;
  }
  const name = known.hostname.toLowerCase();
  const wanted = pattern.toLowerCase();
  if (wanted.startsWith('.') ? !name.endsWith(wanted) : name !== wanted) return false;
  if (known.state === 1) return true;
  // Whoever owns the address may claim any name for it; the name's owner must agree.
  const own = parseNetworkAddress(client.remoteAddress!);
  const agrees = hbaEnvironment.forwardLookup(known.hostname).some((text) => {
    const address = parseNetworkAddress(text);
    return address !== undefined && own !== undefined && sameAddress(address, own);
  });
  known.state = agrees ? 1 : -1;
  return agrees;
}

function addressFits(
  wanted: HbaAddress,
  client: HbaClient,
  address: NetworkAddress,
  known: HostnameKnowledge,
): boolean {
  switch (wanted.kind) {
    case 'any':
      return true;
    case 'network':
      return inRange(address, wanted.address, wanted.mask);
    case 'name':
      return nameFits(wanted.name, client, known);
    case 'samehost':
    case 'samenet':
      return hbaEnvironment.interfaces().some((own) => {
        const mine = parseNetworkAddress(own.address);
        const mask = parseNetworkAddress(own.netmask);
        if (mine === undefined || mask === undefined) return false;
        return wanted.kind === 'samehost' ? sameAddress(mine, address) : inRange(address, mine, mask);
      });
  }
}

function lineFits(line: HbaLine, client: HbaClient, known: HostnameKnowledge): boolean {
  if (line.type === 'local') {
    if (client.remoteAddress !== null) return false;
  } else {
    if (client.remoteAddress === null) return false;
    if (line.type === 'hostssl' && !client.tls) return false;
    if (line.type === 'hostnossl' && client.tls) return false;
    if (line.type === 'hostgssenc') return false;
    const address = parseNetworkAddress(client.remoteAddress);
    if (address === undefined || !addressFits(line.address!, client, address, known)) return false;
  }
  return databaseFits(line.databases, client) && roleFits(line.roles, client.user);
}

const IMPLICIT_REJECT: HbaLine = {
  lineNumber: 0,
  rawLine: '',
  type: 'host',
  databases: [],
  roles: [],
  address: null,
  method: 'implicit reject',
  map: undefined,
  clientCert: 'off',
};

/** The line that decides; one with the method 'implicit reject' if none fits. */
export function matchHba(client: HbaClient, known: HostnameKnowledge = { hostname: null, state: 0 }): HbaLine {
  return lines.find((line) => lineFits(line, client, known)) ?? IMPLICIT_REJECT;
}
