/** inet.ts — the types inet (an address with the length of its network) and cidr (a network).
 *
 *  Ordering looks at the network part first, then at its length, then at the host part.
 *  Counterpart: src/backend/utils/adt/network.c, inet_net_pton.c, inet_cidr_ntop.c, src/port/inet_net_ntop.c */
import { comparisons } from '#adt/date.ts';
import { canonicalInt8, type Inet } from '#adt/datum.ts';
import { registerBuiltins } from '#adt/fmgr.ts';
import { hashBytes, hashBytesExtended } from '#adt/hash-bytes.ts';
import { invalidInput, invalidParameter, outOfRange } from '#adt/value-errors.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export const inetDatum = (address: Uint8Array, bits: number, isCidr = false): Inet => ({
  kind: 'inet',
  family: address.length === 4 ? 4 : 6,
  address,
  bits,
  isCidr,
});
const maxBits = (value: Inet): number => value.address.length * 8;

// ---- text

/** Octets and prefix length of IPv4 text; null when malformed. Networks may be hexadecimal and classful. */
function parseIpv4(text: string, isCidr: boolean): { octets: number[]; bits: number } | null {
  const slash = text.indexOf('/');
  const body = slash < 0 ? text : text.slice(0, slash);
  const tail = slash < 0 ? '' : text.slice(slash + 1);
  if (slash >= 0 && !/^[0-9]+$/.test(tail)) return null;
  let octets: number[];
  if (isCidr && /^0[xX][0-9a-fA-F]+$/.test(body)) {
    const hex = body.slice(2);
    octets = (hex.length % 2 === 0 ? hex : `${hex}0`).match(/../g)!.map((pair) => Number.parseInt(pair, 16));
  } else {
    if (!/^[0-9]+(\.[0-9]+)*$/.test(body)) return null;
    octets = body.split('.').map(Number);
  }
  if (octets.length > 4 || octets.some((octet) => octet > 255)) return null;
  let bits = slash < 0 ? -1 : Number(tail);
  if (bits > 32) return null;
  if (bits === -1) {
    if (!isCidr) {
      if (octets.length !== 4) return null;
      bits = 32;
    } else bits = classBits(octets);
  }
  if (!isCidr && Math.floor(bits / 8) > octets.length) return null;
  if (octets.length * 8 < bits || !isCidr) while (octets.length < 4) octets.push(0);
  while (octets.length < 4) octets.push(0);
  return { octets, bits };
}
function classBits(octets: readonly number[]): number {
  const first = octets[0]!;
  let bits = first >= 240 ? 32 : first >= 224 ? 8 : first >= 192 ? 24 : first >= 128 ? 16 : 8;
  if (bits < octets.length * 8) bits = octets.length * 8;
  if (bits === 8 && first === 224) bits = 4;
  return bits;
}

function parseIpv6(text: string): { address: Uint8Array; bits: number } | null {
  const slash = text.indexOf('/');
  const body = slash < 0 ? text : text.slice(0, slash);
  let bits = 128;
  if (slash >= 0) {
    const tail = text.slice(slash + 1);
    if (!/^(0|[1-9][0-9]*)$/.test(tail) || Number(tail) > 128) return null;
    bits = Number(tail);
  }
  const gap = body.indexOf('::');
  if (gap >= 0 && body.indexOf('::', gap + 1) >= 0) return null;
  const head = wordsOf(gap < 0 ? body : body.slice(0, gap), gap < 0);
  const rest = gap < 0 ? [] : wordsOf(body.slice(gap + 2), true);
  if (head === null || rest === null) return null;
  const missing = 8 - head.length - rest.length;
  if (gap < 0 ? missing !== 0 : missing < 0) return null;
  const words = [...head, ...new Array<number>(missing).fill(0), ...rest];
  const address = new Uint8Array(16);
  words.forEach((word, i) => {
    address[i * 2] = word >> 8;
    address[i * 2 + 1] = word & 0xff;
  });
  return { address, bits };
}
/** 16-bit words of "a:b:c", the last one perhaps a dotted quad. */
function wordsOf(text: string, mayEndDotted: boolean): number[] | null {
  if (text === '') return [];
  const words: number[] = [];
  const parts = text.split(':');
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i]!;
    if (part.includes('.')) {
      if (i !== parts.length - 1 || !mayEndDotted) return null;
      const octets = part.split('.');
      const valid = octets.length === 4 && octets.every((o) => /^(0|[1-9][0-9]{0,2})$/.test(o) && Number(o) < 256);
      if (!valid) return null;
      words.push(Number(octets[0]) * 256 + Number(octets[1]), Number(octets[2]) * 256 + Number(octets[3]));
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) words.push(Number.parseInt(part, 16));
    else return null;
  }
  return words;
}

export function inetIn(text: string, isCidr: boolean): Inet {
  const typeName = isCidr ? 'cidr' : 'inet';
  let address: Uint8Array;
  let bits: number;
  if (text.includes(':')) {
    const parsed = parseIpv6(text);
    if (parsed === null) invalidInput(typeName, text);
    ({ address, bits } = parsed);
  } else {
    const parsed = parseIpv4(text, isCidr);
    if (parsed === null) invalidInput(typeName, text);
    address = Uint8Array.from(parsed.octets);
    bits = parsed.bits;
  }
  if (isCidr && hasHostBits(address, bits))
    report('ERROR', {
      code: SQLSTATE.invalidTextRepresentation,
      message: `invalid cidr value: "${text}"`,
      detail: 'Value has bits set to right of mask.',
    });
  return inetDatum(address, bits, isCidr);
}
function hasHostBits(address: Uint8Array, bits: number): boolean {
  for (let i = 0; i < address.length; i++) if ((address[i]! & ~maskByte(bits, i)) !== 0) return true;
  return false;
}
/** Byte i of a netmask of `bits` bits. */
const maskByte = (bits: number, i: number): number => {
  const here = Math.min(Math.max(bits - i * 8, 0), 8);
  return (0xff << (8 - here)) & 0xff;
};

/** The longest run of at least two zero words (the first of equals), or length 0. */
function zeroRun(words: readonly number[]): { base: number; length: number } {
  let best = { base: -1, length: 0 };
  let base = 0;
  for (let i = 0; i <= words.length; i++) {
    if (i < words.length && words[i] === 0) continue;
    if (i - base > best.length && i - base >= 2) best = { base, length: i - base };
    base = i + 1;
  }
  return best;
}
export function addressText(address: Uint8Array): string {
  if (address.length === 4) return address.join('.');
  const words: number[] = [];
  for (let i = 0; i < 16; i += 2) words.push(address[i]! * 256 + address[i + 1]!);
  const run = zeroRun(words);
  const dotted =
    run.base === 0 &&
    (run.length === 6 || (run.length === 7 && words[7] !== 1) || (run.length === 5 && words[5] === 0xffff));
  let text = '';
  for (let i = 0; i < 8; i++) {
    if (i >= run.base && i < run.base + run.length) {
      if (i === run.base) text += ':';
      continue;
    }
    if (i !== 0) text += ':';
    if (i === 6 && dotted) return text + address.subarray(12).join('.');
    text += words[i]!.toString(16);
  }
  return run.length > 0 && run.base + run.length === 8 ? `${text}:` : text;
}
export const inetText = (value: Inet): string =>
  value.isCidr || value.bits !== maxBits(value)
    ? `${addressText(value.address)}/${value.bits}`
    : addressText(value.address);

function cidrAbbreviation(value: Inet): string {
  const { address, bits } = value;
  if (address.length === 4) {
    const octets = Array.from(address.subarray(0, Math.max(Math.ceil(bits / 8), 1)));
    return `${octets.join('.')}/${bits}`;
  }
  if (bits === 0) return '::/0';
  return `${shortIpv6(address, bits)}/${bits}`;
}
/** Words up to the prefix's end; the longest zero run within it (or running off its end) becomes "::". */
function shortIpv6(address: Uint8Array, bits: number): string {
  const used = Math.max(Math.ceil(bits / 16), 2);
  const words: number[] = [];
  for (let i = 0; i < used; i++) words.push(address[i * 2]! * 256 + address[i * 2 + 1]!);
  let start = 0;
  let length = 0;
  for (let i = 0, from = 0; i <= used; i++) {
    if (i < used && words[i] === 0) continue;
    if (i - from > length) {
      start = from;
      length = i - from;
    }
    from = i + 1;
  }
  const isIpv4 =
    length !== used &&
    start === 0 &&
    (length === 6 || (length === 5 && words[5] === 0xffff) || (length === 7 && words[7] !== 0 && words[7] !== 1));
  let text = '';
  for (let i = 0; i < used; i++) {
    if (length !== 0 && i >= start && i < start + length) {
      if (i === start) text += ':';
      if (i === used - 1) text += ':';
      continue;
    }
    if (isIpv4 && i > 5) {
      text += `${i === 6 ? ':' : '.'}${words[i]! >> 8}`;
      if (i !== 7 || bits > 120) text += `.${words[i]! & 0xff}`;
    } else text += `${text === '' ? '' : ':'}${words[i]!.toString(16)}`;
  }
  return text;
}

// ---- wire

function inetRecv(bytes: Uint8Array, isCidr: boolean): Inet {
  const typeName = isCidr ? 'cidr' : 'inet';
  const bad = (what: string, detail?: string): never =>
    report('ERROR', {
      code: SQLSTATE.invalidBinaryRepresentation,
      message: detail === undefined ? `invalid ${what} in external "${typeName}" value` : what,
      detail,
    });
  const [family, bits, , length] = bytes;
  if (bytes.length < 4)
    report('ERROR', { code: SQLSTATE.protocolViolation, message: 'insufficient data left in message' });
  if (family !== 2 && family !== 3) bad('address family');
  const size = family === 2 ? 4 : 16;
  if (bits! > size * 8) bad('bits');
  if (length !== size || bytes.length !== 4 + size) bad('length');
  const address = bytes.slice(4);
  if (isCidr && hasHostBits(address, bits!))
    bad('invalid external "cidr" value', 'Value has bits set to right of mask.');
  return inetDatum(address, bits!, isCidr);
}
const inetSend = (value: Inet, isCidr: boolean): Uint8Array =>
  Uint8Array.from([value.family === 4 ? 2 : 3, value.bits, isCidr ? 1 : 0, value.address.length, ...value.address]);

// ---- comparison

/** Compares the first `bits` bits. */
function compareBits(a: Uint8Array, b: Uint8Array, bits: number): number {
  const whole = bits >> 3;
  for (let i = 0; i < whole; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  if ((bits & 7) === 0) return 0;
  const mask = maskByte(bits, whole);
  return Math.sign((a[whole]! & mask) - (b[whole]! & mask));
}
export function compareInets(a: Inet, b: Inet): number {
  if (a.family !== b.family) return a.family - b.family < 0 ? -1 : 1;
  return (
    compareBits(a.address, b.address, Math.min(a.bits, b.bits)) ||
    a.bits - b.bits ||
    compareBits(a.address, b.address, maxBits(a))
  );
}
const contains = (outer: Inet, inner: Inet, strict: boolean): boolean =>
  outer.family === inner.family &&
  (strict ? inner.bits > outer.bits : inner.bits >= outer.bits) &&
  compareBits(outer.address, inner.address, outer.bits) === 0;

// ---- arithmetic

const mapBytes = (value: Inet, f: (byte: number, i: number) => number): Uint8Array =>
  value.address.map((byte, i) => f(byte, i) & 0xff);
function setMaskLength(value: Inet, wanted: number, isCidr: boolean): Inet {
  const bits = wanted === -1 ? maxBits(value) : wanted;
  if (bits < 0 || bits > maxBits(value)) invalidParameter(`invalid mask length: ${bits}`);
  const address = isCidr ? mapBytes(value, (byte, i) => byte & maskByte(bits, i)) : value.address;
  return inetDatum(address, bits, isCidr);
}
function combine(a: Inet, b: Inet, name: string, f: (x: number, y: number) => number): Inet {
  if (a.family !== b.family) invalidParameter(`cannot ${name} inet values of different sizes`);
  return inetDatum(
    mapBytes(a, (byte, i) => f(byte, b.address[i]!)),
    Math.max(a.bits, b.bits),
  );
}
const toInteger = (value: Inet): bigint => value.address.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
function addOffset(value: Inet, offset: bigint): Inet {
  let sum = toInteger(value) + offset;
  if (sum < 0n || sum >> BigInt(maxBits(value)) !== 0n) outOfRange('result is');
  const address = new Uint8Array(value.address.length);
  for (let i = address.length - 1; i >= 0; i--, sum >>= 8n) address[i] = Number(sum & 0xffn);
  return inetDatum(address, value.bits);
}
function difference(a: Inet, b: Inet): number | bigint {
  if (a.family !== b.family) invalidParameter('cannot subtract inet values of different sizes');
  const result = toInteger(a) - toInteger(b);
  if (BigInt.asIntN(64, result) !== result) outOfRange('result is');
  return canonicalInt8(result);
}
function merge(a: Inet, b: Inet): Inet {
  if (a.family !== b.family) invalidParameter('cannot merge addresses from different families');
  let bits = Math.min(a.bits, b.bits);
  while (bits > 0 && compareBits(a.address, b.address, bits) !== 0) bits--;
  return setMaskLength(a, bits, true);
}
const hashKey = (value: Inet): Uint8Array =>
  Uint8Array.from([value.family === 4 ? 2 : 3, value.bits, ...value.address]);

registerBuiltins({
  inet_in: (text: string) => inetIn(text, false),
  inet_out: inetText,
  inet_recv: (bytes: Uint8Array) => inetRecv(bytes, false),
  inet_send: (value: Inet) => inetSend(value, false),
  cidr_in: (text: string) => inetIn(text, true),
  cidr_out: inetText,
  cidr_recv: (bytes: Uint8Array) => inetRecv(bytes, true),
  cidr_send: (value: Inet) => inetSend(value, true),
  ...comparisons('network', '', compareInets),
  network_larger: (a: Inet, b: Inet) => (compareInets(a, b) > 0 ? a : b),
  network_smaller: (a: Inet, b: Inet) => (compareInets(a, b) < 0 ? a : b),
  network_sub: (a: Inet, b: Inet) => contains(b, a, true),
  network_subeq: (a: Inet, b: Inet) => contains(b, a, false),
  network_sup: (a: Inet, b: Inet) => contains(a, b, true),
  network_supeq: (a: Inet, b: Inet) => contains(a, b, false),
  network_overlap: (a: Inet, b: Inet) =>
    a.family === b.family && compareBits(a.address, b.address, Math.min(a.bits, b.bits)) === 0,
  network_host: (value: Inet) => addressText(value.address),
  network_show: (value: Inet) => `${addressText(value.address)}/${value.bits}`,
  inet_abbrev: (value: Inet) => inetText({ ...value, isCidr: false }),
  cidr_abbrev: cidrAbbreviation,
  network_masklen: (value: Inet) => value.bits,
  network_family: (value: Inet) => value.family,
  network_network: (value: Inet) => setMaskLength(value, value.bits, true),
  network_broadcast: (value: Inet) =>
    inetDatum(
      mapBytes(value, (byte, i) => byte | ~maskByte(value.bits, i)),
      value.bits,
    ),
  network_netmask: (value: Inet) =>
    inetDatum(
      mapBytes(value, (_byte, i) => maskByte(value.bits, i)),
      maxBits(value),
    ),
  network_hostmask: (value: Inet) =>
    inetDatum(
      mapBytes(value, (_byte, i) => ~maskByte(value.bits, i)),
      maxBits(value),
    ),
  inet_set_masklen: (value: Inet, bits: number) => setMaskLength(value, bits, false),
  cidr_set_masklen: (value: Inet, bits: number) => setMaskLength(value, bits, true),
  inet_to_cidr: (value: Inet) => setMaskLength(value, value.bits, true),
  inet_same_family: (a: Inet, b: Inet) => a.family === b.family,
  inet_merge: merge,
  inetnot: (value: Inet) =>
    inetDatum(
      mapBytes(value, (byte) => ~byte),
      value.bits,
    ),
  inetand: (a: Inet, b: Inet) => combine(a, b, 'AND', (x, y) => x & y),
  inetor: (a: Inet, b: Inet) => combine(a, b, 'OR', (x, y) => x | y),
  inetpl: (value: Inet, offset: number | bigint) => addOffset(value, BigInt(offset)),
  inetmi_int8: (value: Inet, offset: number | bigint) => addOffset(value, BigInt.asIntN(64, -BigInt(offset))),
  inetmi: difference,
  hashinet: (value: Inet) => hashBytes(hashKey(value)),
  hashinetextended: (value: Inet, seed: number | bigint) => canonicalInt8(hashBytesExtended(hashKey(value), seed)),
});
