/** datetime-guc.ts — the check hooks of DateStyle, TimeZone and log_timezone: they store the canonical spelling.
 *  Counterpart: check_datestyle(), check_timezone(), check_log_timezone() of src/backend/commands/variable.c */
import { checkDateStyle } from '#adt/datetime-settings.ts';
import { findTimeZone } from '#adt/timezone.ts';
import { checkTimeZone } from '#adt/timezone-setting.ts';
import { getConfigOptionResetString } from '#runtime/guc/guc.ts';
import { registerGucHooks, settings } from '#runtime/guc/records.ts';

registerGucHooks('DateStyle', {
  check: (text, context) => {
    const checked = checkDateStyle(text, settings.DateStyle, getConfigOptionResetString('DateStyle') ?? 'ISO, MDY');
    return 'value' in checked ? checked.value : context.fail({ detail: checked.detail });
  },
});
registerGucHooks('TimeZone', {
  check: (text, context) => {
    const checked = checkTimeZone(text);
    return 'zone' in checked ? checked.zone.name : context.fail(checked);
  },
});
registerGucHooks('log_timezone', {
  check: (text, context) => findTimeZone(text)?.name ?? context.fail(),
});
