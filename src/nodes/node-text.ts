/** node-text.ts — trees as the text that pg_node_tree columns hold, byte for byte as PostgreSQL writes it, and back.
 *
 *  Defaults, checks, index expressions and views are stored this way, so either engine can read what the other stored.
 *  What differs between nodes is a table (node-text-fields.ts); here is how each form of field is written and read.
 *  The bytes of a constant depend on its type: whoever knows types installs `setConstBytes`.
 *  Counterpart: src/backend/nodes/outfuncs.c, readfuncs.c, read.c */
import type { Datum } from '#adt/datum.ts';
import { unreachable } from '#base/assert.ts';
import type { Oid } from '#base/ids.ts';
import { KIND_BY_LABEL, labelOf, NODE_FIELDS, type NodeField, RTE_FIELDS } from '#nodes/node-text-fields.ts';
import { frameBits, frameFromBits } from '#nodes/frame-options.ts';
import type { FrameOptions } from '#nodes/parse-nodes.ts';
import type { Const } from '#nodes/primitives.ts';
import { report } from '#runtime/error/report.ts';

/** A constant's bytes as they stand in memory: 8 for a type passed by value, else the datum itself. */
export interface ConstBytes {
  write(value: Const): Uint8Array;
  read(type: Oid, length: number, byValue: boolean, bytes: Uint8Array): Datum;
}
let constBytes: ConstBytes | undefined;
export function setConstBytes(by: ConstBytes): void {
  constBytes = by;
}
function needConstBytes(): ConstBytes {
  if (constBytes === undefined) throw new Error('nobody knows the bytes of constants');
  return constBytes;
}

type TreeNode = Record<string, unknown>;
/** What a pg_node_tree column holds: a node, a list of them, or nothing. */
export type NodeTree = object | readonly NodeTree[] | null;

/** Attribute numbers become bits counted from the lowest system column. */
const FIRST_LOW_INVALID_ATTRIBUTE = -7;

// ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** A token that the reader will take for this string and nothing else. */
function token(text: string | null): string {
  if (text === null) return '<>';
  if (text === '') return '""';
  const escaped = text.replace(/[ \n\t(){}\\]/g, '\\$&');
  return /^(?:[<"\d]|[+-][\d.])/.test(text) ? `\\${escaped}` : escaped;
}
const list = (items: readonly unknown[], write: (item: never) => string, letter = ''): string =>
  items.length === 0 ? '<>' : `(${letter}${items.map((item) => write(item as never)).join(' ')})`;
const stringItem = (text: string | null): string => (text === null ? '<>' : text === '' ? '""' : `"${token(text)}"`);
const bitmap = (bits: readonly number[]): string =>
  `(b${[...bits]
    .sort((a, b) => a - b)
    .map((bit) => ` ${bit}`)
    .join('')})`;

function writeConst(node: Const): string {
  if (node.constisnull) return '<>';
  const bytes = needConstBytes().write(node);
  let text = `${node.constbyval ? node.constlen : bytes.length} [ `;
  // As signed characters, which is what C prints.
  for (const byte of bytes) text += `${byte > 127 ? byte - 256 : byte} `;
  return `${text}]`;
}

function writeField(node: TreeNode, [, property, form]: NodeField): string {
  const value = node[property];
  if (typeof form === 'object') {
    if ('always' in form) return form.always;
    const position = form.names.indexOf(value as string);
    if (position < 0) throw new Error(`${String(node.kind)}.${property} cannot be ${String(value)}`);
    return String(position);
  }
  switch (form) {
    case 'int':
    case 'oid':
      return String(value);
    case 'bool':
      return value === true ? 'true' : 'false';
    case 'char':
      return value === '' ? '<>' : token(value as string);
    case 'str':
      return token(value as string | null);
    case 'node':
      return nodeToString((value ?? null) as NodeTree);
    case 'nodes':
      return list((value ?? []) as NodeTree[], nodeToString);
    case 'lists':
      return list(value as NodeTree[][], (inner: NodeTree[]) => list(inner, nodeToString));
    case 'oids':
      return list(value as number[], String, 'o ');
    case 'ints':
      return list(value as number[], String, 'i ');
    case 'strs':
      return list(value as string[], stringItem);
    case 'bits':
      return bitmap(((value ?? []) as number[]).map((attribute) => attribute - FIRST_LOW_INVALID_ATTRIBUTE));
    case 'bools':
      return bitmap((value as boolean[]).flatMap((set, position) => (set ? [position] : [])));
    case 'const':
      return writeConst(node as unknown as Const);
    case 'frame':
      return String(frameBits(value as FrameOptions));
    case 'content':
      return node.setKind === 'simple'
        ? list(node.refs as number[], String, 'i ')
        : list(node.content as NodeTree[], nodeToString);
    default:
      return unreachable(form);
  }
}

function fieldsOf(node: TreeNode): readonly NodeField[] {
  const kind = node.kind as string;
  const fields = kind === 'RangeTblEntry' ? RTE_FIELDS[node.rtekind as string] : NODE_FIELDS[kind];
  if (fields === undefined) throw new Error(`a ${kind} cannot be stored`);
  return fields;
}

/** A tree as PostgreSQL's nodeToString() gives it. */
export function nodeToString(tree: NodeTree): string {
  if (tree === null) return '<>';
  if (Array.isArray(tree)) return list(tree as readonly NodeTree[], nodeToString);
  const node = tree as TreeNode;
  if (node.kind === undefined) return utilityToString(node);
  let text = `{${labelOf(node.kind as string)}`;
  for (const field of fieldsOf(node)) text += ` :${field[0]} ${writeField(node, field)}`;
  return `${text}}`;
}

/** The one utility statement that a rule may contain. */
function utilityToString(statement: TreeNode): string {
  const notify = statement.NotifyStmt as { conditionname: string; payload?: string } | undefined;
  if (notify === undefined) throw new Error('a utility statement cannot be stored');
  return `{NOTIFYSTMT :conditionname ${token(notify.conditionname)} :payload ${token(notify.payload ?? null)}}`;
}

// ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

const isSpace = (c: number): boolean => c === 0x20 || c === 0x0a || c === 0x09;
/** ( ) { } */
const isDelimiter = (c: number): boolean => c === 0x28 || c === 0x29 || c === 0x7b || c === 0x7d;
const BACKSLASH = 0x5c;

const withoutBackslashes = (raw: string): string => (raw.includes('\\') ? raw.replace(/\\([\s\S])/g, '$1') : raw);

/** `<>` is null, `""` the empty string. */
const stringOf = (raw: string): string | null => (raw === '<>' ? null : raw === '""' ? '' : withoutBackslashes(raw));
/** A quoted member of a list. */
const stringItemOf = (raw: string): string | null => (raw === '<>' ? null : withoutBackslashes(raw.slice(1, -1)));

class Reader {
  #at = 0;
  constructor(readonly text: string) {}

  next(): string {
    const { text } = this;
    let at = this.#at;
    while (isSpace(text.charCodeAt(at))) at++;
    const start = at;
    if (at < text.length && isDelimiter(text.charCodeAt(at))) at++;
    else
      for (; at < text.length; at++) {
        const c = text.charCodeAt(at);
        if (c === BACKSLASH) at++;
        else if (isSpace(c) || isDelimiter(c)) break;
      }
    this.#at = at;
    return text.slice(start, at);
  }
  peek(): string {
    const at = this.#at;
    const found = this.next();
    this.#at = at;
    return found;
  }
  expect(wanted: string): void {
    const found = this.next();
    if (found !== wanted) badTree(`expected "${wanted}", found "${found}"`);
  }
  /** Members of a list up to its end; `(` was read. */
  members<T>(read: () => T): T[] {
    const items: T[] = [];
    while (this.peek() !== ')') {
      if (this.peek() === '') badTree('unterminated list');
      items.push(read());
    }
    this.next();
    return items;
  }
  /** A list or `<>`, which is the empty one. A letter after the parenthesis is skipped. */
  list<T>(read: () => T, letter = ''): T[] {
    const open = this.next();
    if (open === '<>') return [];
    if (open !== '(') badTree(`expected a list, found "${open}"`);
    if (letter !== '') this.expect(letter);
    return this.members(read);
  }
}

const badTree = (what: string): never => report('ERROR', { message: `bad node tree: ${what}` });

function readConst(reader: Reader, node: TreeNode): Datum {
  const length = reader.next();
  if (length === '<>') return null;
  reader.expect('[');
  const bytes: number[] = [];
  for (let word = reader.next(); word !== ']'; word = reader.next()) {
    if (word === '') badTree('unterminated constant');
    bytes.push(Number(word) & 0xff);
  }
  return needConstBytes().read(
    node.consttype as Oid,
    node.constlen as number,
    node.constbyval as boolean,
    Uint8Array.from(bytes),
  );
}

function readField(reader: Reader, node: TreeNode, [name, , form]: NodeField): unknown {
  if (typeof form === 'object') {
    if ('always' in form) return readTree(reader);
    const word = reader.next();
    const value = form.names[Number(word)];
    if (value === null || value === undefined) badTree(`field ${name} cannot be ${word}`);
    return value;
  }
  switch (form) {
    case 'int':
    case 'oid':
      return Number(reader.next());
    case 'bool':
      return reader.next() === 'true';
    case 'char': {
      const word = reader.next();
      return word === '<>' ? '' : withoutBackslashes(word);
    }
    case 'str':
      return stringOf(reader.next());
    case 'node':
      return readTree(reader);
    case 'nodes':
      return reader.list(() => readTree(reader));
    case 'lists':
      return reader.list(() => reader.list(() => readTree(reader)));
    case 'oids':
      return reader.list(() => Number(reader.next()), 'o');
    case 'ints':
      return reader.list(() => Number(reader.next()), 'i');
    case 'strs':
      return reader.list(() => stringItemOf(reader.next()));
    case 'bits':
      return readBitmap(reader).map((bit) => bit + FIRST_LOW_INVALID_ATTRIBUTE);
    case 'bools': {
      const set = new Set(readBitmap(reader));
      return (node.colnames as string[]).map((_, position) => set.has(position));
    }
    case 'const':
      return readConst(reader, node);
    case 'frame':
      return frameFromBits(Number(reader.next()));
    case 'content':
      return undefined;
    default:
      return unreachable(form);
  }
}

const readBitmap = (reader: Reader): number[] => {
  reader.expect('(');
  reader.expect('b');
  return reader.members(() => Number(reader.next()));
};

function readNode(reader: Reader): TreeNode {
  const label = reader.next();
  if (label === 'NOTIFYSTMT') return readNotify(reader);
  const kind = KIND_BY_LABEL.get(label);
  if (kind === undefined) badTree(`unknown node ${label}`);
  const node: TreeNode = { kind };
  // A range table entry says after its head of which kind it is.
  let fields = kind === 'RangeTblEntry' ? RTE_FIELDS.result! : NODE_FIELDS[kind!]!;
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i]!;
    reader.expect(`:${field[0]}`);
    if (field[2] === 'content') readGroupingContent(reader, node);
    else {
      const value = readField(reader, node, field);
      if (field[1] !== '') node[field[1]] = value;
    }
    if (field[0] === 'rtekind') fields = RTE_FIELDS[node.rtekind as string]!;
  }
  reader.expect('}');
  if (kind === 'RangeTblEntry' && node.rtekind === 'subquery') node.relid = 0;
  return node;
}

function readGroupingContent(reader: Reader, node: TreeNode): void {
  const simple = node.setKind === 'simple';
  node.refs = simple ? reader.list(() => Number(reader.next()), 'i') : [];
  node.content = simple ? [] : reader.list(() => readTree(reader));
}

function readNotify(reader: Reader): TreeNode {
  reader.expect(':conditionname');
  const conditionname = stringOf(reader.next());
  reader.expect(':payload');
  const payload = stringOf(reader.next());
  reader.expect('}');
  return { NotifyStmt: { conditionname, ...(payload === null ? {} : { payload }) } };
}

/** Anything: a node, a list of any kind, or nothing. */
function readTree(reader: Reader): NodeTree {
  const word = reader.next();
  if (word === '{') return readNode(reader);
  if (word === '(') {
    const letter = reader.peek();
    if (letter === 'i' || letter === 'o' || letter === 'b') {
      reader.next();
      return reader.members(() => Number(reader.next())) as unknown as NodeTree;
    }
    return reader.members(() => readTree(reader));
  }
  return word === '<>' ? null : (stringOf(word) as unknown as NodeTree);
}

/** The tree that a text of pg_node_tree holds. A list gives an array, `<>` null. */
export function stringToNode(text: string): NodeTree {
  return readTree(new Reader(text));
}
