/** timezone-setting.ts — what SET TimeZone accepts: names, hours, INTERVAL '…'.
 *  Counterpart: check_timezone() of src/backend/commands/variable.c */
import { DecodeFailure } from '#adt/datetime-tokens.ts';
import { intervalIn } from '#adt/interval.ts';
import { findTimeZone, type TimeZone, zoneOfOffset } from '#adt/timezone.ts';
import { PgError } from '#runtime/error/report.ts';

export type TimeZoneCheck = { readonly zone: TimeZone } | { readonly message?: string; readonly detail?: string };

/** For the check hook of TimeZone and log_timezone (the latter takes no intervals and hours): the zone, whose `name`
 *  is the value to store, or the complaint. */
export function checkTimeZone(text: string): TimeZoneCheck {
  const quoted = /^interval\s*'(.*)'$/is.exec(text);
  if (quoted !== null) return fromInterval(quoted[1]!);
  if (/^interval/i.test(text)) return {};
  const trimmed = text.trim();
  if (trimmed !== '' && /^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?$/i.test(text))
    return bounded(zoneOfOffset(Math.trunc(-Number(text) * 3600)));
  const zone = findTimeZone(text);
  if (zone === null) return {};
  if (zone.rules.hasLeapSeconds)
    return {
      message: `time zone "${text}" appears to use leap seconds`,
      detail: 'PostgreSQL does not support leap seconds.',
    };
  return { zone };
}
const bounded = (zone: TimeZone | null): TimeZoneCheck =>
  zone === null ? { detail: 'UTC timezone offset is out of range.' } : { zone };

function fromInterval(text: string): TimeZoneCheck {
  try {
    const value = intervalIn(text);
    if (value.months !== 0) return { detail: 'Cannot specify months in time zone interval.' };
    if (value.days !== 0) return { detail: 'Cannot specify days in time zone interval.' };
    return bounded(zoneOfOffset(-Math.trunc(Number(value.micros) / 1e6)));
  } catch (caught) {
    if (caught instanceof PgError || caught instanceof DecodeFailure) return { message: caught.message };
    throw caught;
  }
}

/** The zone a setting names, or null. */
export function parseTimeZone(text: string): TimeZone | null {
  const checked = checkTimeZone(text);
  return 'zone' in checked ? checked.zone : null;
}
