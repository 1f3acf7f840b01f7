/** datetime-settings.ts — DateStyle and IntervalStyle as the code wants them, following `settings` by themselves.
 *  Counterpart: src/backend/commands/variable.c (check_datestyle) */
import { settings } from '#runtime/guc/guc.ts';

export type DateStyle = 'ISO' | 'SQL' | 'Postgres' | 'German';
export type DateOrder = 'MDY' | 'DMY' | 'YMD';
export type IntervalStyle = 'postgres' | 'postgres_verbose' | 'sql_standard' | 'iso_8601';

let text = '';
let style: DateStyle = 'ISO';
let order: DateOrder = 'MDY';

function refresh(): void {
  text = settings.DateStyle;
  const [first, second] = text.split(', ');
  style = (first ?? 'ISO') as DateStyle;
  order = (second ?? 'MDY') as DateOrder;
}
export function dateStyle(): DateStyle {
  if (settings.DateStyle !== text) refresh();
  return style;
}
export function dateOrder(): DateOrder {
  if (settings.DateStyle !== text) refresh();
  return order;
}
export const intervalStyle = (): IntervalStyle => settings.IntervalStyle as IntervalStyle;

export type DateStyleCheck = { readonly value: string } | { readonly detail: string };

/** Words of a comma-separated list, lower-cased unless quoted; null when the list is malformed. */
function splitWords(list: string): string[] | null {
  if (list.trim() === '') return [];
  const words: string[] = [];
  for (const part of list.split(',')) {
    const word = part.trim();
    const quoted = /^"((?:[^"]|"")*)"$/.exec(word);
    if (quoted !== null) words.push(quoted[1]!.replaceAll('""', '"'));
    else if (word === '' || /[\s"]/.test(word)) return null;
    else words.push(word.toLowerCase());
  }
  return words;
}

/** For the check hook of DateStyle: the canonical value ("ISO, MDY") or the DETAIL of the complaint. Words that are not
 *  given keep what `current` has; `reset` is what DEFAULT stands for. */
export function checkDateStyle(list: string, current: string, reset = 'ISO, MDY'): DateStyleCheck {
  const words = splitWords(list);
  if (words === null) return { detail: 'List syntax is invalid.' };
  let [newStyle, newOrder] = current.split(', ') as [string, string];
  let haveStyle = false;
  let haveOrder = false;
  let ok = true;
  const setStyle = (value: DateStyle): void => {
    if (haveStyle && newStyle !== value) ok = false;
    newStyle = value;
    haveStyle = true;
  };
  const setOrder = (value: DateOrder): void => {
    if (haveOrder && newOrder !== value) ok = false;
    newOrder = value;
    haveOrder = true;
  };
  for (const original of words) {
    const word = original.toLowerCase();
    if (word === 'iso') setStyle('ISO');
    else if (word === 'sql') setStyle('SQL');
    else if (word.startsWith('postgres')) setStyle('Postgres');
    else if (word.startsWith('german')) {
      setStyle('German');
      // German alone also means day before month.
      if (!haveOrder) newOrder = 'DMY';
    } else if (word === 'ymd') setOrder('YMD');
    else if (word === 'dmy' || word.startsWith('euro')) setOrder('DMY');
    else if (word === 'mdy' || word === 'us' || word.startsWith('noneuro')) setOrder('MDY');
    else if (word === 'default') {
      const [resetStyle, resetOrder] = reset.split(', ') as [string, string];
      if (!haveStyle) newStyle = resetStyle;
      if (!haveOrder) newOrder = resetOrder;
    } else return { detail: `Unrecognized key word: "${original}".` };
  }
  if (!ok) return { detail: 'Conflicting "datestyle" specifications.' };
  return { value: `${newStyle}, ${newOrder}` };
}
