/** load.ts — every file of functions/ that registers functions, imported for that effect. Kept sorted. */
import '#functions/activity.ts';
import '#functions/guc-functions.ts';
import '#functions/log-functions.ts';
import '#functions/session-info.ts';
import '#functions/signal-functions.ts';
import '#functions/sleep.ts';
