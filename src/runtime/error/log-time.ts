/** log-time.ts — civil time in log_timezone, for entries, file names and rotation.
 *
 *  The time zone rules live in adt, above this layer, and are registered from there (`setLogZoneFinder`); without
 *  them times are UTC and say so. The text of a second is cached: most entries share theirs.
 *  Counterpart: get_formatted_log_time() of elog.c, pg_strftime of src/timezone/strftime.c */

export interface CivilTime {
  year: number;
  /** 1–12 */
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
  /** 0 = Sunday */
  weekday: number;
  /** 0-based day of the year. */
  yearDay: number;
  /** Seconds east of Greenwich. */
  utcOffset: number;
  abbreviation: string;
}
export type LogTimeZone = (unixSeconds: number) => CivilTime;

const DAY_MS = 86_400_000;

export function utcTime(unixSeconds: number, abbreviation = 'UTC'): CivilTime {
  const date = new Date(unixSeconds * 1000);
  const year = date.getUTCFullYear();
  const midnight = Date.UTC(year, date.getUTCMonth(), date.getUTCDate());
  return {
    year,
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
    weekday: date.getUTCDay(),
    yearDay: Math.round((midnight - Date.UTC(year, 0, 1)) / DAY_MS),
    utcOffset: 0,
    abbreviation,
  };
}

let findZone: (name: string) => LogTimeZone | undefined = () => undefined;
let zone: LogTimeZone | undefined;
/** log_timezone before the configuration is read. */
let zoneName = 'GMT';
let cachedSecond = Number.NaN;
let cachedText = '';
let cachedAbbreviation = '';

/** undefined: times in UTC, called GMT or UTC after the name asked for. */
export function setLogTimeZone(rules: LogTimeZone | undefined, name: string): void {
  zone = rules;
  zoneName = name;
  cachedSecond = Number.NaN;
}
/** Registered by adt. */
export function setLogZoneFinder(finder: typeof findZone): void {
  findZone = finder;
  setLogTimeZone(findZone(zoneName), zoneName);
}
/** Obeys log_timezone; costs a comparison while it is unchanged. */
export function followLogTimeZone(name: string): void {
  if (name !== zoneName) setLogTimeZone(findZone(name), name);
}
const utcAbbreviation = (): string => (/^(Etc\/)?(GMT|Greenwich)/.test(zoneName) ? 'GMT' : 'UTC');

export const civilTime = (unixSeconds: number): CivilTime =>
  zone === undefined ? utcTime(unixSeconds, utcAbbreviation()) : zone(unixSeconds);

const two = (n: number): string => (n < 10 ? `0${n}` : String(n));
const padded = (n: number, width: number, fill = '0'): string => String(n).padStart(width, fill);

function refresh(unixSeconds: number): void {
  if (unixSeconds === cachedSecond) return;
  const t = civilTime(unixSeconds);
  cachedText = `${padded(t.year, 4)}-${two(t.month)}-${two(t.day)} ${two(t.hour)}:${two(t.minute)}:${two(t.second)}`;
  cachedAbbreviation = t.abbreviation;
  cachedSecond = unixSeconds;
}

/** `2026-11-21 12:46:45 UTC` */
export function formatLogSeconds(unixSeconds: number): string {
  refresh(unixSeconds);
  return `${cachedText} ${cachedAbbreviation}`;
}
/** `2026-11-21 12:46:45.610 UTC` */
export function formatLogTime(unixMs: number): string {
  const seconds = Math.floor(unixMs / 1000);
  refresh(seconds);
  return `${cachedText}.${padded(Math.floor(unixMs) - seconds * 1000, 3)} ${cachedAbbreviation}`;
}

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'] as const;
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
] as const;

/** ISO 8601 week-numbering year and week. */
function isoWeek(t: CivilTime): { year: number; week: number } {
  const thursday = new Date(Date.UTC(t.year, t.month - 1, t.day - ((t.weekday + 6) % 7) + 3));
  const year = thursday.getUTCFullYear();
  const week = Math.floor((thursday.getTime() - Date.UTC(year, 0, 1)) / (7 * DAY_MS)) + 1;
  return { year, week };
}
const hour12 = (hour: number): number => (hour % 12 === 0 ? 12 : hour % 12);
function offsetText(seconds: number): string {
  const minutes = Math.trunc(Math.abs(seconds) / 60);
  return `${seconds < 0 ? '-' : '+'}${two(Math.trunc(minutes / 60))}${two(minutes % 60)}`;
}

/** The conversions of log_filename (C locale). */
const CONVERSIONS: Readonly<Record<string, (t: CivilTime, unixSeconds: number) => string>> = {
  a: (t) => (DAYS[t.weekday] ?? '?').slice(0, 3),
  A: (t) => DAYS[t.weekday] ?? '?',
  b: (t) => (MONTHS[t.month - 1] ?? '?').slice(0, 3),
  B: (t) => MONTHS[t.month - 1] ?? '?',
  c: (t, s) => formatTime('%a %b %e %H:%M:%S %Y', s, t),
  C: (t) => padded(Math.floor(t.year / 100), 2),
  d: (t) => two(t.day),
  D: (t, s) => formatTime('%m/%d/%y', s, t),
  e: (t) => padded(t.day, 2, ' '),
  F: (t, s) => formatTime('%Y-%m-%d', s, t),
  G: (t) => padded(isoWeek(t).year, 4),
  g: (t) => two(isoWeek(t).year % 100),
  h: (t) => (MONTHS[t.month - 1] ?? '?').slice(0, 3),
  H: (t) => two(t.hour),
  I: (t) => two(hour12(t.hour)),
  j: (t) => padded(t.yearDay + 1, 3),
  k: (t) => padded(t.hour, 2, ' '),
  l: (t) => padded(hour12(t.hour), 2, ' '),
  m: (t) => two(t.month),
  M: (t) => two(t.minute),
  n: () => '\n',
  p: (t) => (t.hour < 12 ? 'AM' : 'PM'),
  r: (t, s) => formatTime('%I:%M:%S %p', s, t),
  R: (t, s) => formatTime('%H:%M', s, t),
  s: (_, s) => String(s),
  S: (t) => two(t.second),
  t: () => '\t',
  T: (t, s) => formatTime('%H:%M:%S', s, t),
  u: (t) => String(t.weekday === 0 ? 7 : t.weekday),
  U: (t) => two(Math.floor((t.yearDay + 7 - t.weekday) / 7)),
  v: (t, s) => formatTime('%e-%b-%Y', s, t),
  V: (t) => two(isoWeek(t).week),
  w: (t) => String(t.weekday),
  W: (t) => two(Math.floor((t.yearDay + 7 - ((t.weekday + 6) % 7)) / 7)),
  x: (t, s) => formatTime('%m/%d/%y', s, t),
  X: (t, s) => formatTime('%H:%M:%S', s, t),
  y: (t) => two(t.year % 100),
  Y: (t) => String(t.year),
  z: (t) => offsetText(t.utcOffset),
  Z: (t) => t.abbreviation,
  '+': (t, s) => formatTime('%a %b %e %H:%M:%S %Z %Y', s, t),
  '%': () => '%',
};

/** strftime in log_timezone. E and O modifiers are accepted and mean nothing here; an unknown conversion prints its
 *  letter, a lone % at the end prints itself. */
export function formatTime(format: string, unixSeconds: number, time: CivilTime = civilTime(unixSeconds)): string {
  let out = '';
  for (let at = 0; at < format.length; at++) {
    const ch = format.charAt(at);
    if (ch !== '%' || at === format.length - 1) {
      out += ch;
      continue;
    }
    let letter = format.charAt(++at);
    while ((letter === 'E' || letter === 'O') && at < format.length - 1) letter = format.charAt(++at);
    const convert = CONVERSIONS[letter];
    out += convert === undefined ? letter : convert(time, unixSeconds);
  }
  return out;
}
