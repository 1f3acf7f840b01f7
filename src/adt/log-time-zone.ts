/** log-time-zone.ts — lends the time zones to the log, which lies below this layer: entries and log file names in
 *  log_timezone. */
import { findTimeZone } from '#adt/timezone.ts';
import { setLogZoneFinder, utcTime } from '#runtime/error/log-time.ts';

setLogZoneFinder((name) => {
  const zone = findTimeZone(name);
  if (zone === null) return undefined;
  return (unixSeconds) => {
    const { gmtoff, abbrev } = zone.rules.lookup(unixSeconds);
    return { ...utcTime(unixSeconds + gmtoff, abbrev), utcOffset: gmtoff };
  };
});
