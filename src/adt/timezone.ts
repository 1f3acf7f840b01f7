/** timezone.ts — time zones by name, the session's zone, abbreviations, and which offset a local time has.
 *
 *  A name is an Olson file (any case), or a POSIX TZ string. Zones are loaded once per process and kept. Where the
 *  machine has no zoneinfo, Intl answers for the same names. The session's zone follows settings.TimeZone by itself.
 *  Counterpart: src/timezone/pgtz.c, src/backend/utils/adt/datetime.c (DetermineTimeZoneOffset) */
import { dayFromCivil, EPOCH_SHIFT_DAYS, newTm, SECS_PER_DAY, type Tm } from '#adt/datetime-calendar.ts';
import { TIME_ZONE_ABBREVIATIONS } from '#adt/timezone-abbreviations.generated.ts';
import { type LocalType, parsePosixRule, parseTzif, rulesFromPosix, ZoneRules } from '#adt/timezone-tzif.ts';
import { exists, listDirectory, readFile, statIfExists } from '#platform/file-system.ts';
import { settings } from '#runtime/guc/guc.ts';

export interface TimeZone {
  /** Canonical: as SHOW TimeZone prints it. */
  readonly name: string;
  readonly rules: ZoneRules;
}

const ZONEINFO_FOLDERS = ['/usr/share/zoneinfo', '/usr/lib/zoneinfo', '/usr/share/lib/zoneinfo'] as const;
const NAME_LENGTH_MAX = 255;

let folder: string | null | undefined;
/** The machine's zoneinfo folder, or null. */
function zoneinfoFolder(): string | null {
  folder ??= ZONEINFO_FOLDERS.find((path) => exists(path)) ?? null;
  return folder;
}

/** Canonical spelling of a path below the zoneinfo folder, matched without regard to case; null if there is none. */
function canonicalPath(root: string, name: string): string | null {
  const found: string[] = [];
  let at = root;
  for (const part of name.split('/')) {
    if (part === '' || part.startsWith('.')) return null;
    const wanted = part.toLowerCase();
    const entry = exists(`${at}/${part}`) ? part : listDirectory(at).find((e) => e.toLowerCase() === wanted);
    if (entry === undefined) return null;
    at = `${at}/${entry}`;
    found.push(entry);
    const isLast = found.length === name.split('/').length;
    if (!isLast && statIfExists(at)?.isDirectory !== true) return null;
  }
  return statIfExists(at)?.isFile === true ? found.join('/') : null;
}

/** Transitions of an ICU zone between 1900 and 2100, found by bisection to the second. */
function zoneFromIntl(name: string): TimeZone | null {
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset', year: 'numeric' });
  } catch (caught) {
    if (caught instanceof RangeError) return null;
    throw caught;
  }
  const offsetAt = (t: number): number => {
    const part = format.formatToParts(t * 1000).find((p) => p.type === 'timeZoneName')!.value;
    const match = /([+-])(\d\d):(\d\d)(?::(\d\d))?/.exec(part);
    if (match === null) return 0;
    const size = Number(match[2]) * 3600 + Number(match[3]) * 60 + Number(match[4] ?? 0);
    return match[1] === '-' ? -size : size;
  };
  const typeFor = (gmtoff: number, isDst: boolean): LocalType => ({ gmtoff, isDst, abbrev: offsetName(gmtoff) });
  const step = 30 * SECS_PER_DAY;
  const times: number[] = [];
  const types: LocalType[] = [typeFor(offsetAt(-2_208_988_800), false)];
  const typeOf: number[] = [];
  for (let t = -2_208_988_800; t < 4_102_444_800; t += step) {
    const after = offsetAt(t + step);
    if (offsetAt(t) === after) continue;
    let low = t;
    let high = t + step;
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (offsetAt(middle) === after) high = middle;
      else low = middle;
    }
    times.push(high);
    typeOf.push(types.length);
    types.push(typeFor(after, after > offsetAt(high - 1)));
    if (types.length === 255) break;
  }
  const canonical = format.resolvedOptions().timeZone;
  return { name: canonical, rules: new ZoneRules(Float64Array.from(times), Uint8Array.from(typeOf), types, null) };
}

const offsetName = (gmtoff: number): string => {
  const size = Math.abs(gmtoff);
  const hours = String(Math.floor(size / 3600)).padStart(2, '0');
  const minutes = Math.floor(size / 60) % 60;
  const seconds = size % 60;
  const tail = minutes === 0 && seconds === 0 ? '' : `:${String(minutes).padStart(2, '0')}`;
  return `${gmtoff < 0 ? '-' : '+'}${hours}${tail}${seconds === 0 ? '' : `:${String(seconds).padStart(2, '0')}`}`;
};

function loadZone(name: string): TimeZone | null {
  const root = zoneinfoFolder();
  if (root !== null) {
    const path = canonicalPath(root, name);
    const rules = path === null ? null : parseTzif(readFile(`${root}/${path}`));
    if (rules !== null) return { name: path!, rules };
  } else {
    const zone = zoneFromIntl(name);
    if (zone !== null) return zone;
  }
  const upper = name.toUpperCase();
  const rule = upper.startsWith(':') ? null : parsePosixRule(upper);
  return rule === null ? null : { name: upper, rules: rulesFromPosix(rule) };
}

const zones = new Map<string, TimeZone | null>();

/** The zone of an Olson or POSIX name, or null. */
export function findTimeZone(name: string): TimeZone | null {
  if (name.length === 0 || name.length > NAME_LENGTH_MAX) return null;
  const key = name.toUpperCase();
  let zone = zones.get(key);
  if (zone === undefined) {
    zone = key === 'GMT' ? { name: 'GMT', rules: rulesFromPosix(parsePosixRule('GMT0')!) } : loadZone(name);
    zones.set(key, zone);
  }
  return zone;
}

/** A zone of fixed offset, `west` seconds west of UTC, named as POSIX wants; null if the offset is out of range. */
export function zoneOfOffset(west: number): TimeZone | null {
  const size = Math.abs(west);
  const pad = (n: number): string => String(n).padStart(2, '0');
  let text = pad(Math.floor(size / 3600));
  if (size % 3600 !== 0) text += `:${pad(Math.floor((size % 3600) / 60))}`;
  if (size % 60 !== 0) text += `:${pad(size % 60)}`;
  return findTimeZone(west > 0 ? `<-${text}>+${text}` : `<+${text}>-${text}`);
}

const UTC = findTimeZone('GMT')!;
let sessionName = '';
let session = UTC;

/** The zone that settings.TimeZone names now. */
export function sessionTimeZone(): TimeZone {
  const name = settings.TimeZone;
  if (name !== sessionName) {
    session = findTimeZone(name) ?? UTC;
    sessionName = name;
  }
  return session;
}

/** Offset and abbreviation in force at (day since 2000-01-01, second of that day), UTC. */
export const localTypeAt = (zone: TimeZone, day: number, second: number): LocalType =>
  zone.rules.lookup((day + EPOCH_SHIFT_DAYS) * SECS_PER_DAY + second);

/** Seconds WEST of UTC of the local time `tm` in `zone`; sets tm.isDst. In the hour that does not exist the old offset
 *  holds, in the hour that comes twice the new one. */
export function zoneOffsetOfLocal(tm: Tm, zone: TimeZone): number {
  const day = dayFromCivil(tm.year, tm.month, tm.day) + EPOCH_SHIFT_DAYS;
  const local = day * SECS_PER_DAY + (tm.hour * 60 + tm.minute) * 60 + tm.second;
  const previous = local - SECS_PER_DAY;
  const before = zone.rules.lookup(previous);
  const boundary = zone.rules.nextTransition(previous);
  let type = before;
  if (boundary !== Number.POSITIVE_INFINITY) {
    const after = zone.rules.lookup(boundary);
    const byOld = local - before.gmtoff;
    const byNew = local - after.gmtoff;
    if (byOld < boundary && byNew < boundary) type = before;
    else if (byOld > boundary && byNew >= boundary) type = after;
    else type = byOld > byNew ? before : after;
  }
  tm.isDst = type.isDst ? 1 : 0;
  return type.gmtoff === 0 ? 0 : -type.gmtoff;
}

export interface ZoneAbbreviation {
  readonly abbrev: string;
  /** Seconds east, or the name of the zone whose history tells. */
  readonly value: number | string;
  readonly isDst: boolean;
}
const abbreviations = new Map<string, ZoneAbbreviation>();
for (const [abbrev, value, isDst] of TIME_ZONE_ABBREVIATIONS) abbreviations.set(abbrev, { abbrev, value, isDst });

/** `word` in lower case, cut to ten characters as the table's words are. */
export const findAbbreviation = (word: string): ZoneAbbreviation | undefined =>
  abbreviations.get(word.length > 10 ? word.slice(0, 10) : word);
export const allAbbreviations = (): Iterable<ZoneAbbreviation> => abbreviations.values();

const scratch = newTm();
/** Seconds WEST of a dynamic abbreviation at local time `tm`; sets tm.isDst. */
export function abbreviationOffsetOfLocal(tm: Tm, abbrev: string, zone: TimeZone): number {
  Object.assign(scratch, tm);
  const west = zoneOffsetOfLocal(scratch, zone);
  const day = dayFromCivil(tm.year, tm.month, tm.day) + EPOCH_SHIFT_DAYS;
  const t = day * SECS_PER_DAY + (tm.hour * 60 + tm.minute) * 60 + tm.second + west;
  const type = zone.rules.interpretAbbreviation(abbrev, t);
  if (type === null) {
    tm.isDst = scratch.isDst;
    return west;
  }
  tm.isDst = type.isDst ? 1 : 0;
  return type.gmtoff === 0 ? 0 : -type.gmtoff;
}
/** Seconds WEST of a dynamic abbreviation at a Unix second. */
export function abbreviationOffsetAt(abbrev: string, zone: TimeZone, t: number): { west: number; isDst: boolean } {
  const type = zone.rules.interpretAbbreviation(abbrev, t) ?? zone.rules.lookup(t);
  return { west: type.gmtoff === 0 ? 0 : -type.gmtoff, isDst: type.isDst };
}

/** Every Olson name of the machine, as pg_timezone_names walks them. */
export function* zoneNames(): Iterable<string> {
  const root = zoneinfoFolder();
  if (root === null) {
    yield* Intl.supportedValuesOf('timeZone');
    return;
  }
  const stack: string[] = [''];
  while (stack.length > 0) {
    const at = stack.pop()!;
    for (const entry of listDirectory(`${root}/${at}`)) {
      if (entry.startsWith('.')) continue;
      const name = at === '' ? entry : `${at}/${entry}`;
      const status = statIfExists(`${root}/${name}`);
      if (status?.isDirectory === true) stack.push(name);
      else if (status?.isFile === true && status.size > 44) {
        if (parseTzif(readFile(`${root}/${name}`)) !== null) yield name;
      }
    }
  }
}
