/** ps-title.ts — what `ps` shows: `postgres: [cluster_name: ]<fixed part> <activity>`.
 *
 *  The fixed part is always shown; activity changes only while update_process_title is on. An unchanged title costs a
 *  string comparison, no write.
 *  Counterpart: src/backend/utils/misc/ps_status.c */
import { native } from '#platform/native.ts';
import { settings } from '#runtime/guc/guc.ts';

let fixed = '';
let activity = '';
let shown = '';
let suffix = '';

function show(): void {
  const title = fixed + activity + suffix;
  if (title === shown) return;
  shown = title;
  native.setTitle(title);
}

/** Sets the part that names the process. */
export function initPsDisplay(fixedPart: string): void {
  const cluster = settings.cluster_name;
  fixed = cluster === '' ? `postgres: ${fixedPart} ` : `postgres: ${cluster}: ${fixedPart} `;
  activity = '';
  suffix = '';
  show();
}
export function setPsDisplay(text: string): void {
  if (!settings.update_process_title) return;
  activity = text;
  suffix = '';
  show();
}
/** ` waiting` and the like, after the activity. */
export function setPsSuffix(text: string): void {
  if (!settings.update_process_title) return;
  suffix = text;
  show();
}
export const psActivity = (): string => activity;
