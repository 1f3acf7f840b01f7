/** hba-address.ts — numeric addresses and masks of pg_hba.conf as bytes.
 *
 *  Counterpart: src/backend/libpq/ifaddr.c, getaddrinfo() with AI_NUMERICHOST */

export interface NetworkAddress {
  readonly family: 4 | 6;
  /** 4 or 16 bytes. */
  readonly bytes: Uint8Array;
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^[0-9]{1,3}$/.test(part) && Number(part) <= 255)) return undefined;
  return Uint8Array.from(parts, Number);
}

function parseIpv6(text: string): Uint8Array | undefined {
  const [address = ''] = text.split('%');
  const halves = address.split('::');
  if (halves.length > 2) return undefined;
  const groups = (half: string): number[] | undefined => {
    if (half === '') return [];
    const words: number[] = [];
    const parts = half.split(':');
    for (const [i, part] of parts.entries()) {
      if (/^[0-9a-fA-F]{1,4}$/.test(part)) words.push(Number.parseInt(part, 16));
      else {
        const tail = i === parts.length - 1 ? parseIpv4(part) : undefined;
        if (tail === undefined) return undefined;
        words.push((tail[0]! << 8) | tail[1]!, (tail[2]! << 8) | tail[3]!);
      }
    }
    return words;
  };
  const head = groups(halves[0]!);
  const tail = groups(halves[1] ?? '');
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const words = [...head, ...new Array<number>(missing).fill(0), ...tail];
  return Uint8Array.from(words.flatMap((word) => [word >> 8, word & 255]));
}

/** undefined for what is no numeric address (then it may be a host name). */
export function parseNetworkAddress(text: string): NetworkAddress | undefined {
  const four = parseIpv4(text);
  if (four !== undefined) return { family: 4, bytes: four };
  const six = text.includes(':') ? parseIpv6(text) : undefined;
  return six === undefined ? undefined : { family: 6, bytes: six };
}

/** A mask of `bits` ones; undefined if the text is no such number. */
export function cidrMask(bits: string, family: 4 | 6): NetworkAddress | undefined {
  const size = family === 4 ? 4 : 16;
  if (!/^\s*\+?[0-9]+$/.test(bits) || Number(bits) > size * 8) return undefined;
  const bytes = new Uint8Array(size);
  for (let i = 0, left = Number(bits); left > 0; i++, left -= 8)
    bytes[i] = left >= 8 ? 255 : (0xff << (8 - left)) & 255;
  return { family, bytes };
}

export function inRange(address: NetworkAddress, network: NetworkAddress, mask: NetworkAddress): boolean {
  if (address.family !== network.family || mask.family !== network.family) return false;
  return address.bytes.every((byte, i) => ((byte ^ network.bytes[i]!) & mask.bytes[i]!) === 0);
}
export const sameAddress = (a: NetworkAddress, b: NetworkAddress): boolean =>
  a.family === b.family && a.bytes.every((byte, i) => byte === b.bytes[i]);

/** getnameinfo(NI_NUMERICHOST): the longest run of zero groups becomes `::`. */
export function formatNetworkAddress({ family, bytes }: NetworkAddress): string {
  if (family === 4) return bytes.join('.');
  const words = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! << 8) | bytes[2 * i + 1]!);
  let best = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (i + length < 8 && words[i + length] === 0) length++;
    if (length > bestLength) [best, bestLength] = [i, length];
  }
  const hex = (from: number, to: number): string =>
    words
      .slice(from, to)
      .map((word) => word.toString(16))
      .join(':');
  return best < 0 ? hex(0, 8) : `${hex(0, best)}::${hex(best + bestLength, 8)}`;
}
