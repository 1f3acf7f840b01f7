/** size.ts — sizes for people: pg_size_pretty(), pg_size_bytes(); and of values: pg_column_size().
 *  Counterpart: src/backend/utils/adt/dbsize.c, pg_column_size() of varlena.c */
import type { Datum, Numeric } from '#adt/datum.ts';
import { canonicalInt8 } from '#adt/datum.ts';
import { type CallInfo, registerBuiltins, registerCallInfoBuiltins, typeInfo } from '#adt/fmgr.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

interface Unit {
  readonly name: string;
  /** Beyond this (absolute) the next unit is used. */
  readonly limit: bigint;
  /** The number shown is a half-up rounding of twice as many. */
  readonly rounds: boolean;
  /** log2 of the unit. */
  readonly bits: number;
}
const UNITS: readonly Unit[] = [
  { name: 'bytes', limit: 10n * 1024n, rounds: false, bits: 0 },
  { name: 'kB', limit: 20n * 1024n - 1n, rounds: true, bits: 10 },
  { name: 'MB', limit: 20n * 1024n - 1n, rounds: true, bits: 20 },
  { name: 'GB', limit: 20n * 1024n - 1n, rounds: true, bits: 30 },
  { name: 'TB', limit: 20n * 1024n - 1n, rounds: true, bits: 40 },
  { name: 'PB', limit: 20n * 1024n - 1n, rounds: true, bits: 50 },
];

const abs = (value: bigint): bigint => (value < 0n ? -value : value);
const halfRounded = (value: bigint): bigint => (value < 0n ? value - 1n : value + 1n) / 2n;

/** Walks up the units, keeping one bit more than shown so that the last step can round. */
export function prettySize(bytes: bigint, shownBytes: string = bytes.toString()): string {
  let size = bytes;
  for (let i = 0; i < UNITS.length; i++) {
    const unit = UNITS[i]!;
    const next = UNITS[i + 1];
    if (next === undefined || abs(size) < unit.limit) {
      if (unit.rounds) return `${halfRounded(size)} ${unit.name}`;
      return `${shownBytes} ${unit.name}`;
    }
    // Division truncates toward zero, so that negative sizes mirror positive ones.
    const shift = next.bits - unit.bits - (next.rounds ? 1 : 0) + (unit.rounds ? 1 : 0);
    size /= 1n << BigInt(shift);
  }
  return '';
}

function prettyNumeric(value: Numeric): string {
  if (value.special !== 0) return `${typeInfo(1700 as never).output(value)} bytes`;
  const whole = value.unscaled / 10n ** BigInt(value.scale);
  return prettySize(whole, typeInfo(1700 as never).output(value));
}

const MULTIPLIERS: Readonly<Record<string, bigint>> = {
  bytes: 1n,
  b: 1n,
  kb: 1n << 10n,
  mb: 1n << 20n,
  gb: 1n << 30n,
  tb: 1n << 40n,
  pb: 1n << 50n,
};
const invalidSize = (text: string, detail?: string): never =>
  report('ERROR', {
    code: SQLSTATE.invalidParameterValue,
    message: `invalid size: "${text}"`,
    detail,
    hint: detail === undefined ? undefined : 'Valid units are "bytes", "kB", "MB", "GB", "TB", and "PB".',
  });
const INT8_MAX = 0x7fff_ffff_ffff_ffffn;

function sizeBytes(text: string): Datum {
  const parts = /^\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*$/s.exec(text);
  if (parts === null) return invalidSize(text);
  const [, number, unit] = parts;
  const multiplier = unit === '' ? 1n : MULTIPLIERS[unit!.toLowerCase()];
  if (multiplier === undefined) return invalidSize(text, `Invalid size unit: "${unit}".`);
  const value = decimal(number!);
  // Half away from zero, as numeric's cast to bigint rounds.
  const scaled = value.unscaled * multiplier;
  const divisor = 10n ** BigInt(value.scale);
  const rounded = (abs(scaled) * 2n + divisor) / (divisor * 2n);
  const result = scaled < 0n ? -rounded : rounded;
  if (result > INT8_MAX || result < -INT8_MAX - 1n)
    report('ERROR', { code: SQLSTATE.numericValueOutOfRange, message: 'bigint out of range' });
  return canonicalInt8(result);
}
function decimal(text: string): { unscaled: bigint; scale: number } {
  const [, sign, whole, fraction = '', exponent = '0'] = /^([+-]?)(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/.exec(text)!;
  let scale = fraction.length - Number(exponent);
  let unscaled = BigInt(`${whole}${fraction}` || '0');
  if (scale < 0) {
    unscaled *= 10n ** BigInt(-scale);
    scale = 0;
  }
  return { unscaled: sign === '-' ? -unscaled : unscaled, scale };
}

/** Bytes that a value takes in memory: fixed, or a four-byte header and its content. */
function columnSize(info: CallInfo, value: Datum): Datum {
  if (value === null) return null;
  const type = typeInfo(info.argTypes[0]!);
  if (type.length > 0) return type.length;
  if (type.length === -2) return Buffer.byteLength(value as string) + 1;
  if (typeof value === 'string') return Buffer.byteLength(value) + 4;
  if (value instanceof Uint8Array) return value.length + 4;
  if (typeof value === 'object' && 'unscaled' in value) return numericSize(value);
  return report('ERROR', {
    code: SQLSTATE.featureNotSupported,
    message: `pg_column_size of type ${type.name} is not supported yet`,
  });
}
/** varlena header, short or long numeric header, two bytes per base-10000 digit. */
function numericSize(value: Numeric): number {
  if (value.special !== 0) return 6;
  const { digits, weight } = base10000(value);
  const short = value.scale <= 63 && weight >= -64 && weight <= 63;
  return 4 + (short ? 2 : 4) + 2 * digits;
}
function base10000(value: Numeric): { digits: number; weight: number } {
  const text = abs(value.unscaled).toString();
  const padded = text.padStart(value.scale + 1, '0');
  const whole = padded.slice(0, padded.length - value.scale);
  const fraction = value.scale === 0 ? '' : padded.slice(padded.length - value.scale);
  const groups =
    whole.padStart(Math.ceil(whole.length / 4) * 4, '0') + fraction.padEnd(Math.ceil(fraction.length / 4) * 4, '0');
  const list = groups.match(/.{4}/g) ?? [];
  let first = 0;
  let last = list.length;
  while (first < last && list[first] === '0000') first++;
  while (last > first && list[last - 1] === '0000') last--;
  return { digits: last - first, weight: Math.ceil(whole.length / 4) - 1 - first };
}

registerBuiltins({
  pg_size_pretty: (bytes: number | bigint) => prettySize(BigInt(bytes)),
  pg_size_pretty_numeric: prettyNumeric,
  pg_size_bytes: sizeBytes,
});
registerCallInfoBuiltins({ pg_column_size: columnSize });
