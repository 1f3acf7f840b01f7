/** timezone-tzif.ts — time zone rules: compiled TZif files (RFC 8536) and POSIX TZ strings.
 *
 *  A ZoneRules is sorted transitions plus, after the last one, a POSIX rule that goes on for ever. Times are Unix
 *  seconds in Numbers; offsets are seconds east of UTC. lookup() remembers the last answer's interval, because rows of
 *  one query lie close together.
 *  Counterpart: src/timezone/localtime.c */
import {
  civilFromDay,
  dayFromCivil,
  EPOCH_SHIFT_DAYS,
  newTm,
  SECS_PER_DAY,
  weekdayOfDay,
} from '#adt/datetime-calendar.ts';

export interface LocalType {
  readonly gmtoff: number;
  readonly isDst: boolean;
  readonly abbrev: string;
}
/** Day-of-year forms of a POSIX rule: Jn (no leap day), n (leap day counted), Mm.w.d. */
interface RuleDate {
  readonly form: 'julian' | 'day' | 'month';
  readonly day: number;
  readonly week: number;
  readonly month: number;
  readonly seconds: number;
}
export interface PosixRule {
  readonly standard: LocalType;
  readonly daylight?: LocalType;
  readonly start?: RuleDate;
  readonly end?: RuleDate;
}

class RuleScanner {
  at = 0;
  constructor(readonly text: string) {}
  get peek(): string {
    return this.text[this.at] ?? '';
  }
  take(char: string): boolean {
    if (this.peek !== char) return false;
    this.at++;
    return true;
  }
  /** Zone abbreviation: <…> quoted, or everything up to a digit, sign or comma. */
  name(): string {
    const start = this.at;
    if (this.take('<')) {
      const close = this.text.indexOf('>', this.at);
      if (close < 0) return '';
      this.at = close + 1;
      return this.text.slice(start + 1, close);
    }
    while (this.peek !== '' && !/[0-9,+-]/.test(this.peek)) this.at++;
    return this.text.slice(start, this.at);
  }
  number(min: number, max: number): number | null {
    const match = /^[0-9]+/.exec(this.text.slice(this.at));
    if (match === null) return null;
    const value = Number(match[0]);
    if (value < min || value > max) return null;
    this.at += match[0].length;
    return value;
  }
  seconds(): number | null {
    const sign = this.take('-') ? -1 : 1;
    if (sign === 1) this.take('+');
    const hours = this.number(0, 24 * 7 - 1);
    if (hours === null) return null;
    let total = hours * 3600;
    if (this.take(':')) {
      const minutes = this.number(0, 59);
      if (minutes === null) return null;
      total += minutes * 60;
      if (this.take(':')) {
        const secs = this.number(0, 60);
        if (secs === null) return null;
        total += secs;
      }
    }
    return sign * total;
  }
  ruleDate(): RuleDate | null {
    let form: RuleDate['form'] = 'day';
    let day: number | null;
    let week: number | null = 0;
    let month: number | null = 0;
    if (this.take('J')) {
      form = 'julian';
      day = this.number(1, 365);
    } else if (this.take('M')) {
      form = 'month';
      month = this.number(1, 12);
      if (!this.take('.')) return null;
      week = this.number(1, 5);
      if (!this.take('.')) return null;
      day = this.number(0, 6);
    } else day = this.number(0, 365);
    if (day === null || week === null || month === null) return null;
    const seconds = this.take('/') ? this.seconds() : 7200;
    return seconds === null ? null : { form, day, week, month, seconds };
  }
}

/** What PostgreSQL assumes when a TZ string names daylight time but gives no rule (the US rule since 2007). */
const DEFAULT_RULE = ',M3.2.0,M11.1.0';

/** null when the text is no POSIX time zone. */
export function parsePosixRule(text: string): PosixRule | null {
  const scan = new RuleScanner(text);
  // An empty name is accepted: "+3" is a zone.
  const standardName = scan.name();
  const west = scan.seconds();
  if (west === null) return null;
  const standard = { gmtoff: west === 0 ? 0 : -west, isDst: false, abbrev: standardName };
  if (scan.peek === '') return { standard };
  const daylightName = scan.name();
  if (daylightName === '') return null;
  let daylightWest = west - 3600;
  if (scan.peek !== '' && scan.peek !== ',' && scan.peek !== ';') {
    const given = scan.seconds();
    if (given === null) return null;
    daylightWest = given;
  }
  const rest = scan.peek === '' ? DEFAULT_RULE : scan.text.slice(scan.at);
  const rules = new RuleScanner(rest);
  if (!rules.take(',') && !rules.take(';')) return null;
  const start = rules.ruleDate();
  if (start === null || !rules.take(',')) return null;
  const end = rules.ruleDate();
  if (end === null || rules.peek !== '') return null;
  const daylight = { gmtoff: daylightWest === 0 ? 0 : -daylightWest, isDst: true, abbrev: daylightName };
  return { standard, daylight, start, end };
}

/** Unix seconds (as if UTC) of the rule's day and time in `year`. */
function ruleSeconds(rule: RuleDate, year: number): number {
  let day: number;
  if (rule.form === 'month') {
    const first = dayFromCivil(year, rule.month, 1);
    day = first + ((rule.day - weekdayOfDay(first) + 7) % 7) + (rule.week - 1) * 7;
    const next = rule.month === 12 ? dayFromCivil(year + 1, 1, 1) : dayFromCivil(year, rule.month + 1, 1);
    while (day >= next) day -= 7;
  } else if (rule.form === 'julian') {
    // Day 60 is always March 1st.
    const leap = dayFromCivil(year, 3, 1) - dayFromCivil(year, 1, 1) === 60;
    day = dayFromCivil(year, 1, 1) + rule.day - 1 + (leap && rule.day >= 60 ? 1 : 0);
  } else day = dayFromCivil(year, 1, 1) + rule.day;
  return (day + EPOCH_SHIFT_DAYS) * SECS_PER_DAY + rule.seconds;
}

const scratch = newTm();
const yearOfUnix = (seconds: number): number => {
  civilFromDay(Math.floor(seconds / SECS_PER_DAY) - EPOCH_SHIFT_DAYS, scratch);
  return scratch.year;
};

export class ZoneRules {
  private from = 1;
  private to = 0;
  private cached: LocalType;
  constructor(
    private readonly times: Float64Array,
    private readonly typeOf: Uint8Array,
    private readonly types: readonly LocalType[],
    private readonly footer: PosixRule | null,
    /** The file counts leap seconds, which PostgreSQL does not. */
    readonly hasLeapSeconds = false,
  ) {
    this.cached = types[0]!;
  }

  /** The local time type in force at Unix second `t`. */
  lookup(t: number): LocalType {
    if (t >= this.from && t < this.to) return this.cached;
    const n = this.times.length;
    if (n === 0 || t < this.times[0]!) {
      if (n === 0 && this.footer !== null) return this.byRule(t);
      return this.remember(Number.NEGATIVE_INFINITY, n === 0 ? Number.POSITIVE_INFINITY : this.times[0]!, this.first());
    }
    if (t >= this.times[n - 1]!) {
      if (this.footer !== null) return this.byRule(t);
      return this.remember(this.times[n - 1]!, Number.POSITIVE_INFINITY, this.types[this.typeOf[n - 1]!]!);
    }
    const i = this.indexBefore(t);
    return this.remember(this.times[i]!, this.times[i + 1]!, this.types[this.typeOf[i]!]!);
  }

  /** First transition strictly after `t`, or Infinity. */
  nextTransition(t: number): number {
    const n = this.times.length;
    if (n > 0 && t < this.times[0]!) return this.times[0]!;
    if (n > 0 && t < this.times[n - 1]!) return this.times[this.indexBefore(t) + 1]!;
    if (this.footer?.daylight === undefined) return Number.POSITIVE_INFINITY;
    const year = yearOfUnix(t);
    let best = Number.POSITIVE_INFINITY;
    for (let y = year - 1; y <= year + 1; y++) {
      const { start, end } = this.edges(y);
      if (start > t && start < best) best = start;
      if (end > t && end < best) best = end;
    }
    return best;
  }

  /** The offset if the zone never changed it, else null. */
  fixedOffset(): number | null {
    const first = this.types[0]?.gmtoff ?? this.footer?.standard.gmtoff ?? 0;
    if (this.types.some((type) => type.gmtoff !== first)) return null;
    if (this.footer?.daylight !== undefined) return null;
    if (this.footer !== null && this.footer.standard.gmtoff !== first) return null;
    return first;
  }

  /** Latest meaning of an abbreviation at or before `t`, else the earliest after it; null when never used. */
  interpretAbbreviation(abbrev: string, t: number): LocalType | null {
    const upper = abbrev.toUpperCase();
    const now = this.lookup(t);
    if (now.abbrev === upper) return now;
    const found = (type: LocalType | undefined): boolean => type?.abbrev === upper;
    const n = this.times.length;
    if (this.footer !== null && (n === 0 || t >= this.times[n - 1]!)) {
      if (found(this.footer.standard)) return this.footer.standard;
      if (found(this.footer.daylight)) return this.footer.daylight!;
    }
    const here = n === 0 || t < this.times[0]! ? -1 : t >= this.times[n - 1]! ? n - 1 : this.indexBefore(t);
    for (let i = here; i >= 0; i--) if (found(this.types[this.typeOf[i]!])) return this.types[this.typeOf[i]!]!;
    if (found(this.first())) return this.first();
    for (let i = here + 1; i < n; i++) if (found(this.types[this.typeOf[i]!])) return this.types[this.typeOf[i]!]!;
    if (found(this.footer?.standard)) return this.footer!.standard;
    if (found(this.footer?.daylight)) return this.footer!.daylight!;
    return null;
  }

  private remember(from: number, to: number, type: LocalType): LocalType {
    this.from = from;
    this.to = to;
    this.cached = type;
    return type;
  }
  /** Before the first transition: the first standard type. */
  private first(): LocalType {
    return this.types[0] ?? this.footer!.standard;
  }
  private indexBefore(t: number): number {
    let low = 0;
    let high = this.times.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.times[middle]! <= t) low = middle;
      else high = middle;
    }
    return low;
  }
  private edges(year: number): { start: number; end: number } {
    const { standard, daylight, start, end } = this.footer!;
    return { start: ruleSeconds(start!, year) - standard.gmtoff, end: ruleSeconds(end!, year) - daylight!.gmtoff };
  }
  private byRule(t: number): LocalType {
    const rule = this.footer!;
    if (rule.daylight === undefined) {
      const n = this.times.length;
      return this.remember(
        n === 0 ? Number.NEGATIVE_INFINITY : this.times[n - 1]!,
        Number.POSITIVE_INFINITY,
        rule.standard,
      );
    }
    // The latest edge at or before t decides; three years cover any rule.
    const year = yearOfUnix(t);
    let latest = Number.NEGATIVE_INFINITY;
    let next = Number.POSITIVE_INFINITY;
    let type: LocalType = rule.standard;
    for (let y = year - 1; y <= year + 1; y++) {
      const { start, end } = this.edges(y);
      if (start <= t) {
        if (start > latest) {
          latest = start;
          type = rule.daylight;
        }
      } else if (start < next) next = start;
      if (end <= t) {
        if (end >= latest) {
          latest = end;
          type = rule.standard;
        }
      } else if (end < next) next = end;
    }
    const last = this.times[this.times.length - 1];
    return this.remember(last !== undefined && last > latest ? last : latest, next, type);
  }
}

export const rulesFromPosix = (rule: PosixRule): ZoneRules =>
  new ZoneRules(
    new Float64Array(0),
    new Uint8Array(0),
    rule.daylight === undefined ? [rule.standard] : [rule.standard, rule.daylight],
    rule,
  );

interface Header {
  readonly version: number;
  readonly utCount: number;
  readonly stdCount: number;
  readonly leapCount: number;
  readonly timeCount: number;
  readonly typeCount: number;
  readonly charCount: number;
}
const MAGIC = 0x545a6966;
const HEADER_SIZE = 44;

function readHeader(view: DataView, at: number): Header | null {
  if (view.byteLength < at + HEADER_SIZE || view.getUint32(at) !== MAGIC) return null;
  const count = (i: number): number => view.getUint32(at + 20 + i * 4);
  return {
    version: view.getUint8(at + 4),
    utCount: count(0),
    stdCount: count(1),
    leapCount: count(2),
    timeCount: count(3),
    typeCount: count(4),
    charCount: count(5),
  };
}
const blockSize = (h: Header, timeSize: number): number =>
  h.timeCount * (timeSize + 1) + h.typeCount * 6 + h.charCount + h.leapCount * (timeSize + 4) + h.stdCount + h.utCount;

/** null when the bytes are no TZif file. */
export function parseTzif(data: Uint8Array): ZoneRules | null {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const first = readHeader(view, 0);
  if (first === null) return null;
  let header = first;
  let at = HEADER_SIZE;
  let timeSize = 4;
  if (first.version >= 0x32) {
    const second = readHeader(view, HEADER_SIZE + blockSize(first, 4));
    if (second === null) return null;
    at = HEADER_SIZE + blockSize(first, 4) + HEADER_SIZE;
    header = second;
    timeSize = 8;
  }
  if (header.typeCount === 0 || data.length < at + blockSize(header, timeSize)) return null;
  const times = new Float64Array(header.timeCount);
  for (let i = 0; i < header.timeCount; i++)
    times[i] = timeSize === 8 ? Number(view.getBigInt64(at + i * 8)) : view.getInt32(at + i * 4);
  const typesAt = at + header.timeCount * (timeSize + 1);
  const typeOf = data.slice(at + header.timeCount * timeSize, typesAt);
  const charsAt = typesAt + header.typeCount * 6;
  const types: LocalType[] = [];
  for (let i = 0; i < header.typeCount; i++) {
    const entry = typesAt + i * 6;
    const nameAt = charsAt + view.getUint8(entry + 5);
    let end = nameAt;
    while (data[end] !== 0 && end < charsAt + header.charCount) end++;
    types.push({
      gmtoff: view.getInt32(entry),
      isDst: view.getUint8(entry + 4) !== 0,
      abbrev: Buffer.from(data.subarray(nameAt, end)).toString('latin1'),
    });
  }
  let footer: PosixRule | null = null;
  const footerAt = at + blockSize(header, timeSize);
  if (timeSize === 8 && data[footerAt] === 10) {
    const end = data.indexOf(10, footerAt + 1);
    if (end > footerAt + 1) footer = parsePosixRule(Buffer.from(data.subarray(footerAt + 1, end)).toString('latin1'));
  }
  return new ZoneRules(times, typeOf, types, footer, header.leapCount > 0);
}
