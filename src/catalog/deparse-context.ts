/** deparse-context.ts — what deparsing knows on its way through a tree: names of the range tables around, indentation.
 *  Counterpart: deparse_context, deparse_namespace of src/backend/utils/adt/ruleutils.c */
import { attributes, classRow } from '#catalog/syscache.ts';
import type { Query, RangeTblEntry, WindowClause } from '#nodes/parse-nodes.ts';
import type { TargetEntry } from '#nodes/primitives.ts';

export const INDENT = { std: 8, join: 4, var: 4 } as const;
const INDENT_LIMIT = 40;

/** One query level: its range table, the name of each entry (null: it has none), and of each entry's columns. */
export interface Level {
  readonly rtable: readonly RangeTblEntry[];
  readonly names: readonly (string | null)[];
  readonly columns: readonly (readonly string[])[];
  /** The entry's columns have other names than in the catalog or in the sub-select: a list is printed. */
  readonly printsColumns: readonly boolean[];
  readonly ctes: readonly string[];
}

export class DeparseContext {
  out = '';
  indentLevel = 0;
  /** Qualify column names. */
  prefix = false;
  /** Innermost first. */
  levels: readonly Level[] = [];
  windows: readonly WindowClause[] = [];
  windowTargets: readonly TargetEntry[] = [];
  /** Names of $1 … in a function body. */
  argumentNames: readonly string[] = [];

  constructor(
    /** Leave out parentheses that are not needed. */
    readonly prettyParens: boolean,
    readonly prettyIndent: boolean,
  ) {}

  put(text: string): void {
    this.out += text;
  }
  /** appendContextKeyword(). */
  keyword(text: string, before: number, after: number, plus: number): void {
    if (!this.prettyIndent) {
      this.put(text);
      return;
    }
    this.indentLevel += before;
    this.trimSpaces();
    let amount: number;
    if (this.indentLevel < INDENT_LIMIT) amount = Math.max(this.indentLevel, 0) + plus;
    else {
      amount = INDENT_LIMIT + Math.trunc((this.indentLevel - INDENT_LIMIT) / (INDENT.std / 2));
      amount = (amount % INDENT_LIMIT) + plus;
    }
    this.out += `\n${' '.repeat(amount)}${text}`;
    this.indentLevel = Math.max(this.indentLevel + after, 0);
  }
  trimSpaces(): void {
    this.out = this.out.replace(/ +$/, '');
  }
  /** Collects what `work` writes instead of writing it. */
  collect(work: () => void): string {
    const saved = this.out;
    this.out = '';
    work();
    const text = this.out;
    this.out = saved;
    return text;
  }
  /** Characters of the last line. */
  lineLength(): number {
    return this.out.length - (this.out.lastIndexOf('\n') + 1);
  }
}

const dropped = '?dropped?column?';

/** Names of a query's range table entries, different from those of the levels around; of their columns. */
export function levelOf(query: Pick<Query, 'rtable' | 'cteList'>, parents: readonly Level[]): Level {
  const used = new Map<string, number>();
  for (const parent of parents)
    for (const name of parent.names) if (name !== null && !used.has(name)) used.set(name, 0);
  const names = query.rtable.map((rte) => {
    let name: string | null;
    if (rte.alias !== null) name = rte.alias.aliasname;
    else if (rte.rtekind === 'relation') name = classRow(rte.relid)?.relname ?? '';
    else if (rte.rtekind === 'join') name = null;
    else name = rte.eref.aliasname;
    if (name === null) return null;
    if (!used.has(name)) {
      used.set(name, 0);
      return name;
    }
    for (;;) {
      const count = used.get(name)! + 1;
      used.set(name, count);
      const candidate = `${name}_${count}`;
      if (!used.has(candidate)) {
        used.set(candidate, 0);
        return candidate;
      }
    }
  });
  const columns: string[][] = [];
  const printsColumns: boolean[] = [];
  for (const rte of query.rtable) {
    const real =
      rte.rtekind === 'relation'
        ? attributes(rte.relid).map((row) => (row.attisdropped ? dropped : row.attname))
        : rte.eref.colnames;
    const aliases = rte.alias?.colnames ?? [];
    const shown: string[] = [];
    real.forEach((name, i) => {
      const wanted = aliases[i] ?? name;
      let unique = wanted;
      for (let n = 1; unique !== dropped && unique !== '' && shown.includes(unique); n++) unique = `${wanted}_${n}`;
      shown.push(unique);
    });
    columns.push(shown);
    const changed = shown.some((name, i) => name !== real[i]);
    printsColumns.push(
      rte.rtekind === 'relation'
        ? changed
        : rte.rtekind === 'function'
          ? true
          : aliases.length > 0 && rte.alias !== null
            ? true
            : changed,
    );
  }
  return { rtable: query.rtable, names, columns, printsColumns, ctes: query.cteList.map((cte) => cte.ctename) };
}
