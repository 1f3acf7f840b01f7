/** facts.ts — the rows of the system catalogs as generated texts, split and indexed on first use.
 *
 *  A catalog is one string (data/*.generated.ts, format in generate-data.mjs). Loading it costs nothing but the
 *  string; the lines are cut when the catalog is first asked for, an index is built when a key is first looked up, and
 *  a row becomes an object when somebody wants that row. A postmaster that calls `warmCatalog()` of syscache.ts before
 *  it forks shares all of it with its children. */
import { CATALOG_TEXTS } from '#catalog/data/tables.generated.ts';

export type CatalogName = keyof typeof CATALOG_TEXTS;
/** A field in PostgreSQL's text output; null is SQL's null. */
export type Field = string | null;

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f', v: '\v' };

/** Undoes COPY's text escapes. */
export function unescapeCopy(text: string): string {
  if (!text.includes('\\')) return text;
  return text.replace(/\\(.)/g, (_, c: string) => ESCAPES[c] ?? c);
}

const decodeField = (text: string, ofDefault: Field): Field => {
  if (text === '') return ofDefault;
  if (text === '\\N') return null;
  if (text === '\\E') return '';
  return unescapeCopy(text);
};

function leadingNumber(line: string, ofDefault: number): number {
  let value = 0;
  let at = 0;
  for (; at < line.length; at++) {
    const digit = line.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) break;
    value = value * 10 + digit;
  }
  return at === 0 ? ofDefault : value;
}

export class FactTable {
  readonly columns: readonly string[];
  readonly #defaults: readonly Field[];
  readonly #text: string;
  #lines: readonly string[] | undefined;

  constructor(readonly name: CatalogName) {
    const source = CATALOG_TEXTS[name];
    this.columns = source.columns.split('\t');
    this.#defaults = source.defaults.split('\t').map((d) => (d === '\\N' ? null : unescapeCopy(d)));
    this.#text = source.rows;
  }

  get #cut(): readonly string[] {
    return (this.#lines ??= this.#text.split('\n'));
  }
  get count(): number {
    return this.#cut.length;
  }
  columnIndex(column: string): number {
    const index = this.columns.indexOf(column);
    if (index < 0) throw new Error(`catalog ${this.name} has no column ${column}`);
    return index;
  }
  /** All fields of a row. */
  fields(row: number): Field[] {
    const given = this.#cut[row]!.split('\t');
    const out: Field[] = new Array(this.columns.length);
    for (let i = 0; i < out.length; i++) out[i] = decodeField(given[i] ?? '', this.#defaults[i]!);
    return out;
  }
  /** One field without cutting the rest. */
  field(row: number, column: number): Field {
    const line = this.#cut[row]!;
    let start = 0;
    for (let i = 0; i < column; i++) {
      const tab = line.indexOf('\t', start);
      if (tab < 0) return this.#defaults[column]!;
      start = tab + 1;
    }
    const end = line.indexOf('\t', start);
    return decodeField(end < 0 ? line.slice(start) : line.slice(start, end), this.#defaults[column]!);
  }
  /** Row number by a unique numeric column. */
  uniqueIndex(column: string): Map<number, number> {
    const at = this.columnIndex(column);
    const index = new Map<number, number>();
    const lines = this.#cut;
    for (let row = 0; row < lines.length; row++) {
      // The key is nearly always the first column: reading its digits in place makes no string.
      index.set(at === 0 ? leadingNumber(lines[row]!, Number(this.#defaults[0])) : Number(this.field(row, at)), row);
    }
    return index;
  }
  /** Row numbers by any column's text. */
  multiIndex(column: string): Map<string, number[]> {
    const at = this.columnIndex(column);
    const index = new Map<string, number[]>();
    for (let row = 0; row < this.count; row++) {
      const key = this.field(row, at) ?? '';
      const found = index.get(key);
      if (found === undefined) index.set(key, [row]);
      else found.push(row);
    }
    return index;
  }
}

const tables = new Map<CatalogName, FactTable>();
export function factTable(name: CatalogName): FactTable {
  let table = tables.get(name);
  if (table === undefined) {
    table = new FactTable(name);
    tables.set(name, table);
  }
  return table;
}
export const hasFacts = (name: string): name is CatalogName => Object.hasOwn(CATALOG_TEXTS, name);

/** `{a,b}` of numbers or simple words, as catalogs hold them; quoted elements are understood. */
export function parseSimpleArray(text: string): string[] {
  const inner = text.slice(1, -1);
  if (inner === '') return [];
  if (!inner.includes('"')) return inner.split(',');
  const out: string[] = [];
  let word = '';
  let quoted = false;
  for (let i = 0; i < inner.length; i++) {
    const c = inner[i]!;
    if (c === '\\') word += inner[++i] ?? '';
    else if (c === '"') quoted = !quoted;
    else if (c === ',' && !quoted) {
      out.push(word);
      word = '';
    } else word += c;
  }
  out.push(word);
  return out;
}
