/** load.ts — every file of functions/ that registers functions, imported for that effect. Kept sorted. */
import '#functions/activity.ts';
import '#functions/advisory-locks.ts';
import '#functions/bgwriter-functions.ts';
import '#functions/buffer-cache.ts';
import '#functions/guc-functions.ts';
import '#functions/lock-status.ts';
import '#functions/log-functions.ts';
import '#functions/memory.ts';
import '#functions/null-counts.ts';
import '#functions/session-info.ts';
import '#functions/session-objects.ts';
import '#functions/signal-functions.ts';
import '#functions/size.ts';
import '#functions/sleep.ts';
import '#functions/stat-counters.ts';
import '#functions/without-source.ts';
