/** explain-output.ts — a described plan as text, JSON, YAML or XML.
 *  Counterpart: the Explain…() output routines of src/backend/commands/explain.c */
import { quoteIdentifier } from '#catalog/quote.ts';
import type { Instrumentation } from '#executor/estate.ts';
import type { Plan } from '#nodes/plan-nodes.ts';

export interface ExplainOptions {
  analyze: boolean;
  verbose: boolean;
  costs: boolean;
  buffers: boolean;
  wal: boolean;
  settings: boolean;
  timing: boolean;
  summary: boolean;
  format: 'text' | 'xml' | 'json' | 'yaml';
}
export interface Property {
  readonly label: string;
  readonly value: string | number | boolean | readonly string[];
}
export interface ExplainNode {
  /** "InitPlan 1 (returns $0)", "CTE t", "SubPlan 2". */
  readonly planName: string | null;
  readonly relationship: string | null;
  readonly title: string;
  readonly nodeType: string;
  /** What a scan reads. */
  readonly target: { label: string; name: string | null; schema: string; alias: string } | null;
  readonly details: [string, string | boolean][];
  readonly plan: Plan;
  readonly counters: Instrumentation | null;
  readonly properties: Property[];
  readonly children: ExplainNode[];
}
type Summary = readonly [string, number][];

// ---------------------------------------------------------------- text

export function writeText(root: ExplainNode, options: ExplainOptions, summary: Summary): string {
  const lines: string[] = [];
  textNode(root, 0, options, lines);
  for (const [label, value] of summary) lines.push(`${label}: ${value.toFixed(3)} ms`);
  return `${lines.join('\n')}\n`;
}
const pad = (indent: number): string => ' '.repeat(indent * 2);

function textNode(node: ExplainNode, start: number, options: ExplainOptions, lines: string[]): void {
  let indent = start;
  if (node.planName !== null) {
    lines.push(`${pad(indent)}${node.planName}`);
    indent++;
  }
  let line = pad(indent);
  if (indent > 0) {
    line += '->  ';
    indent += 2;
  }
  line += node.title + textTarget(node, options) + textCosts(node, options);
  lines.push(line);
  indent++;
  for (const { label, value } of node.properties) {
    lines.push(`${pad(indent)}${label}: ${typeof value === 'object' ? value.join(', ') : value}`);
  }
  for (const child of node.children) textNode(child, indent, options, lines);
}
function textTarget(node: ExplainNode, options: ExplainOptions): string {
  const { target } = node;
  if (target === null) return '';
  let text = ' on';
  if (target.name !== null) {
    const schema = options.verbose && target.schema !== '' ? `${quoteIdentifier(target.schema)}.` : '';
    text += ` ${schema}${quoteIdentifier(target.name)}`;
  }
  return target.name === null || target.alias !== target.name ? `${text} ${quoteIdentifier(target.alias)}` : text;
}
function textCosts(node: ExplainNode, options: ExplainOptions): string {
  const { plan, counters } = node;
  let text = '';
  if (options.costs) {
    const rows = plan.planRows.toFixed(0);
    text += `  (cost=${plan.startupCost.toFixed(2)}..${plan.totalCost.toFixed(2)} rows=${rows} width=${plan.planWidth})`;
  }
  if (!options.analyze) return text;
  if (counters === null || counters.loops === 0) return `${text} (never executed)`;
  const { loops } = counters;
  const rows = (counters.rows / loops).toFixed(0);
  const time = options.timing
    ? `time=${(counters.startup / loops).toFixed(3)}..${(counters.total / loops).toFixed(3)} `
    : '';
  return `${text} (actual ${time}rows=${rows} loops=${loops})`;
}

// ---------------------------------------------------------------- documents

/** A number written with a fixed count of decimals. */
class Fixed {
  constructor(
    readonly value: number,
    readonly digits: number,
  ) {}
  toString(): string {
    return this.value.toFixed(this.digits);
  }
}
type Value = string | number | boolean | Fixed | readonly string[] | Entries | readonly Entries[];
interface Entries {
  readonly entries: [string, Value][];
}

function documentOf(root: ExplainNode, options: ExplainOptions, summary: Summary): Entries {
  const entries: [string, Value][] = [['Plan', nodeEntries(root, options)]];
  for (const [label, value] of summary) {
    // The actual runs of triggers come before the execution time.
    if (label === 'Execution Time') entries.push(['Triggers', []]);
    entries.push([label, new Fixed(value, 3)]);
  }
  return { entries };
}
/** Joins and index scans say what they are about after the general facts. */
const detailsFollow = (node: ExplainNode): boolean =>
  node.nodeType.endsWith('Join') || node.nodeType === 'Nested Loop' || node.nodeType.includes('Index');
function nodeEntries(node: ExplainNode, options: ExplainOptions): Entries {
  const { plan, counters, target } = node;
  const entries: [string, Value][] = [['Node Type', node.nodeType], ...(detailsFollow(node) ? [] : node.details)];
  if (node.relationship !== null) entries.push(['Parent Relationship', node.relationship]);
  if (node.planName !== null) entries.push(['Subplan Name', node.planName]);
  entries.push(['Parallel Aware', false], ['Async Capable', false]);
  if (detailsFollow(node)) entries.push(...node.details);
  if (target !== null) {
    if (target.name !== null) entries.push([target.label, target.name]);
    if (options.verbose && target.name !== null && target.schema !== '') entries.push(['Schema', target.schema]);
    entries.push(['Alias', target.alias]);
  }
  if (options.costs) {
    entries.push(
      ['Startup Cost', new Fixed(plan.startupCost, 2)],
      ['Total Cost', new Fixed(plan.totalCost, 2)],
      ['Plan Rows', Math.round(plan.planRows)],
      ['Plan Width', plan.planWidth],
    );
  }
  if (options.analyze) {
    const loops = counters?.loops ?? 0;
    const each = (value: number): number => (loops === 0 ? 0 : value / loops);
    if (options.timing) {
      entries.push(
        ['Actual Startup Time', new Fixed(each(counters?.startup ?? 0), 3)],
        ['Actual Total Time', new Fixed(each(counters?.total ?? 0), 3)],
      );
    }
    entries.push(['Actual Rows', Math.round(each(counters?.rows ?? 0))], ['Actual Loops', loops]);
  }
  for (const { label, value } of node.properties) entries.push([label, value]);
  if (node.children.length > 0) entries.push(['Plans', node.children.map((child) => nodeEntries(child, options))]);
  return { entries };
}
const isEntries = (value: Value): value is Entries =>
  typeof value === 'object' && 'entries' in value && !Array.isArray(value);

export function writeJson(root: ExplainNode, options: ExplainOptions, summary: Summary): string {
  return `[\n${pad(1)}${jsonValue(documentOf(root, options, summary), 1)}\n]`;
}
function jsonValue(value: Value, indent: number): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number' || typeof value === 'boolean' || value instanceof Fixed) return String(value);
  if (isEntries(value)) {
    const body = value.entries.map(
      ([label, item]) => `${pad(indent + 1)}${JSON.stringify(label)}: ${jsonValue(item, indent + 1)}`,
    );
    return `{\n${body.join(',\n')}\n${pad(indent)}}`;
  }
  if (value.length === 0) return `[\n${pad(indent)}]`;
  if (typeof value[0] === 'string')
    return `[${(value as readonly string[]).map((item) => JSON.stringify(item)).join(', ')}]`;
  const items = (value as readonly Entries[]).map((item) => `${pad(indent + 1)}${jsonValue(item, indent + 1)}`);
  return `[\n${items.join(',\n')}\n${pad(indent)}]`;
}

export function writeYaml(root: ExplainNode, options: ExplainOptions, summary: Summary): string {
  return `- ${yamlEntries(documentOf(root, options, summary), 1)}`;
}
const yamlScalar = (value: string | number | boolean | Fixed): string =>
  typeof value === 'string' ? JSON.stringify(value) : String(value);
/** The entries of a mapping whose first line continues the current one. */
function yamlEntries(value: Entries, indent: number): string {
  return value.entries
    .map(([label, item]) => {
      if (isEntries(item)) return `${label}: \n${pad(indent + 1)}${yamlEntries(item, indent + 1)}`;
      if (typeof item === 'object' && !(item instanceof Fixed)) {
        const list = (item as readonly (string | Entries)[]).map((part) =>
          typeof part === 'string'
            ? `\n${pad(indent + 1)}- ${yamlScalar(part)}`
            : `\n${pad(indent + 1)}- ${yamlEntries(part, indent + 2)}`,
        );
        return `${label}: ${list.join('')}`;
      }
      return `${label}: ${yamlScalar(item)}`;
    })
    .join(`\n${pad(indent)}`);
}

export function writeXml(root: ExplainNode, options: ExplainOptions, summary: Summary): string {
  const body = xmlEntries(documentOf(root, options, summary), 2);
  return `<explain xmlns="http://www.postgresql.org/2009/explain">\n${pad(1)}<Query>\n${body}\n${pad(1)}</Query>\n</explain>`;
}
const escapeXml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
function xmlEntries(value: Entries, indent: number): string {
  return value.entries
    .map(([label, item]) => {
      const tag = label.replaceAll(' ', '-').replaceAll('/', '-');
      if (isEntries(item)) return `${pad(indent)}<${tag}>\n${xmlEntries(item, indent + 1)}\n${pad(indent)}</${tag}>`;
      if (typeof item === 'object' && !(item instanceof Fixed)) {
        const parts = (item as readonly (string | Entries)[]).map((part) =>
          typeof part === 'string'
            ? `${pad(indent + 1)}<Item>${escapeXml(part)}</Item>`
            : `${pad(indent + 1)}<Plan>\n${xmlEntries(part, indent + 2)}\n${pad(indent + 1)}</Plan>`,
        );
        return `${pad(indent)}<${tag}>\n${parts.join('\n')}\n${pad(indent)}</${tag}>`;
      }
      return `${pad(indent)}<${tag}>${escapeXml(String(item))}</${tag}>`;
    })
    .join('\n');
}
