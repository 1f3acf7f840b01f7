/** array-io.ts — the text and wire forms of arrays.
 *
 *  The text scanner is one state machine that both collects the elements and finds the dimensions from the braces;
 *  its states are exactly those in which PostgreSQL accepts a character, so complaints agree word for word.
 *  Counterpart: array_in(), array_out(), array_recv(), array_send() of src/backend/utils/adt/arrayfuncs.c */
import {
  checkedSize,
  DIMENSIONS_MAX,
  emptyArray,
  makeMultiArray,
  subscriptError,
  tooManyDimensions,
} from '#adt/array.ts';
import type { ArrayDatum, Datum } from '#adt/datum.ts';
import { registerBuiltins, type TypeInfo, typeInfo } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';

const isSpace = (char: string): boolean =>
  char === ' ' || char === '\t' || char === '\n' || char === '\v' || char === '\f' || char === '\r';

type State =
  | 'noLevel'
  | 'levelStarted'
  | 'elementStarted'
  | 'quotedStarted'
  | 'quotedCompleted'
  | 'elementDelimited'
  | 'levelCompleted'
  | 'levelDelimited';

class ArrayScanner {
  readonly texts: (string | null)[] = [];
  private state: State = 'noLevel';
  private level = 0;
  private deepest = 1;
  private readonly count: number[] = [1, 1, 1, 1, 1, 1];
  private readonly lastCount: number[] = [0, 0, 0, 0, 0, 0];
  private sawElement = false;
  /** Text of the current element, kept up to the last character that is not trailing blank. */
  private element = '';
  private solid = 0;
  private quoted = false;
  private open = false;

  constructor(
    private readonly whole: string,
    private at: number,
    private readonly delimiter: string,
  ) {}

  private malformed(detail: string): never {
    malformedArray(this.whole, detail);
  }
  private expect(...allowed: State[]): boolean {
    return allowed.includes(this.state);
  }

  /** Dimensions; the texts of the elements are in `texts`. */
  run(): number[] {
    let inQuotes = false;
    for (let done = false; !done; this.at++) {
      const char = this.whole[this.at];
      if (char === undefined) this.malformed('Unexpected end of input.');
      if (char === '\\') this.escape();
      else if (char === '"') inQuotes = this.quote(inQuotes);
      else if (inQuotes) this.append(char, true);
      else if (char === '{') this.openLevel();
      else if (char === '}') done = this.closeLevel();
      else if (char === this.delimiter) this.delimit();
      else if (!isSpace(char)) {
        if (!this.expect('levelStarted', 'elementStarted', 'elementDelimited'))
          this.malformed('Unexpected array element.');
        this.state = 'elementStarted';
        this.append(char, true);
      } else if (this.open) this.append(char, false);
    }
    for (; this.at < this.whole.length; this.at++)
      if (!isSpace(this.whole[this.at]!)) this.malformed('Junk after closing right brace.');
    return this.sawElement ? this.lastCount.slice(0, this.deepest) : [];
  }

  private append(text: string, solid: boolean): void {
    this.open = true;
    this.sawElement = true;
    this.element += text;
    if (solid) this.solid = this.element.length;
  }
  private escape(): void {
    if (!this.expect('levelStarted', 'elementStarted', 'quotedStarted', 'elementDelimited'))
      this.malformed('Unexpected "\\" character.');
    if (this.state !== 'quotedStarted') this.state = 'elementStarted';
    const next = this.whole[this.at + 1];
    if (next === undefined) this.malformed('Unexpected end of input.');
    this.at++;
    this.append(next, true);
    this.quoted = true;
  }
  private quote(inQuotes: boolean): boolean {
    if (!this.expect('levelStarted', 'quotedStarted', 'elementDelimited')) this.malformed('Unexpected array element.');
    this.append('', true);
    this.quoted = true;
    this.state = inQuotes ? 'quotedCompleted' : 'quotedStarted';
    return !inQuotes;
  }
  private openLevel(): void {
    if (!this.expect('noLevel', 'levelStarted', 'levelDelimited')) this.malformed('Unexpected "{" character.');
    this.state = 'levelStarted';
    if (this.level >= DIMENSIONS_MAX) tooManyDimensions(this.level + 1);
    this.level++;
    if (this.deepest < this.level) this.deepest = this.level;
  }
  private closeLevel(): boolean {
    const allowed =
      this.expect('elementStarted', 'quotedCompleted', 'levelCompleted') ||
      (this.level === 1 && this.state === 'levelStarted');
    if (!allowed) this.malformed('Unexpected "}" character.');
    this.endElement();
    this.state = 'levelCompleted';
    if (this.level === 0) this.malformed('Unmatched "}" character.');
    this.level--;
    const level = this.level;
    if (this.lastCount[level] !== 0 && this.count[level] !== this.lastCount[level])
      this.malformed('Multidimensional arrays must have sub-arrays with matching dimensions.');
    this.lastCount[level] = this.count[level]!;
    this.count[level] = 1;
    return level === 0;
  }
  private delimit(): void {
    if (!this.expect('elementStarted', 'quotedCompleted', 'levelCompleted'))
      this.malformed(`Unexpected "${this.delimiter}" character.`);
    this.state = this.state === 'levelCompleted' ? 'levelDelimited' : 'elementDelimited';
    this.endElement();
    this.count[this.level - 1]!++;
  }
  private endElement(): void {
    if (!this.open) return;
    const text = this.element.slice(0, this.solid);
    const isNull = !this.quoted && settings.array_nulls && text.toUpperCase() === 'NULL';
    this.texts.push(isNull ? null : text);
    this.element = '';
    this.solid = 0;
    this.open = false;
    this.quoted = false;
  }
}

function malformedArray(text: string, detail: string): never {
  report('ERROR', {
    code: SQLSTATE.invalidTextRepresentation,
    message: `malformed array literal: "${text}"`,
    detail,
  });
}

interface Prefix {
  readonly at: number;
  readonly dims: readonly number[];
  readonly lowerBounds: readonly number[];
}
/** "[1:3][-2:-1]=" before the braces. */
function readPrefix(text: string): Prefix {
  const dims: number[] = [];
  const lowerBounds: number[] = [];
  let at = 0;
  const number = (): string => {
    const start = at;
    while (/[0-9+-]/.test(text[at] ?? '')) at++;
    return text.slice(start, at);
  };
  const value = (digits: string): number => Number(/^[+-]?[0-9]+/.exec(digits)?.[0] ?? 0);
  for (;;) {
    while (isSpace(text[at] ?? '')) at++;
    if (text[at] !== '[') break;
    at++;
    if (dims.length >= DIMENSIONS_MAX) tooManyDimensions(dims.length + 1);
    let first = number();
    if (first === '') malformedArray(text, '"[" must introduce explicitly-specified array dimensions.');
    let low = 1;
    if (text[at] === ':') {
      low = value(first);
      at++;
      first = number();
      if (first === '') malformedArray(text, 'Missing array dimension value.');
    }
    if (text[at] !== ']') malformedArray(text, 'Missing "]" after array dimensions.');
    at++;
    const high = value(first);
    if (high < low) subscriptError('upper bound cannot be less than lower bound');
    dims.push(high - low + 1);
    lowerBounds.push(low);
  }
  return { at, dims, lowerBounds };
}

export function arrayIn(text: string, elementType: Oid, typmod: number): ArrayDatum {
  const element = typeInfo(elementType);
  const prefix = readPrefix(text);
  let at = prefix.at;
  if (prefix.dims.length === 0) {
    if (text[at] !== '{') malformedArray(text, 'Array value must start with "{" or dimension information.');
  } else {
    if (text[at] !== '=') malformedArray(text, 'Missing "=" after array dimensions.');
    at++;
    while (isSpace(text[at] ?? '')) at++;
    if (text[at] !== '{') malformedArray(text, 'Array contents must start with "{".');
  }
  const scanner = new ArrayScanner(text, at, element.delimiter);
  const dims = scanner.run();
  if (prefix.dims.length > 0) {
    const same = dims.length === prefix.dims.length && dims.every((length, i) => length === prefix.dims[i]);
    if (!same) malformedArray(text, 'Specified array dimensions do not match array contents.');
  }
  if (dims.length === 0) return emptyArray(elementType);
  checkedSize(dims);
  const elements = scanner.texts.map((item) => (item === null ? null : element.input(item, typmod)));
  const lowerBounds = prefix.dims.length > 0 ? prefix.lowerBounds : dims.map(() => 1);
  return makeMultiArray(elementType, dims, lowerBounds, elements);
}

const SPECIAL = /["\\{}\s]/;
function quoteElement(text: string, delimiter: string): string {
  const bare = text !== '' && !SPECIAL.test(text) && !text.includes(delimiter) && !isNullWord(text);
  return bare ? text : `"${text.replace(/["\\]/g, '\\$&')}"`;
}
const isNullWord = (text: string): boolean => text.length === 4 && text.toUpperCase() === 'NULL';

/** Nested braces around the elements' texts, `depth` dimensions deep. */
export function arrayOut(array: ArrayDatum): string {
  const { dims, lowerBounds, elements } = array;
  if (dims.length === 0) return '{}';
  const element = typeInfo(array.elementType);
  const { delimiter } = element;
  let prefix = '';
  if (lowerBounds.some((bound) => bound !== 1))
    prefix = `${dims.map((length, i) => `[${lowerBounds[i]}:${lowerBounds[i]! + length - 1}]`).join('')}=`;
  let at = 0;
  const level = (depth: number): string => {
    const parts = new Array<string>(dims[depth]!);
    for (let i = 0; i < parts.length; i++) {
      if (depth + 1 < dims.length) parts[i] = level(depth + 1);
      else {
        const value = elements[at++]!;
        parts[i] = value === null ? 'NULL' : quoteElement(element.output(value), delimiter);
      }
    }
    return `{${parts.join(delimiter)}}`;
  };
  return prefix + level(0);
}

function arraySend(array: ArrayDatum): Uint8Array {
  const element = typeInfo(array.elementType);
  const hasNull = array.elements.includes(null);
  const head = Buffer.alloc(12 + array.dims.length * 8);
  head.writeInt32BE(array.dims.length, 0);
  head.writeInt32BE(hasNull ? 1 : 0, 4);
  head.writeUInt32BE(array.elementType, 8);
  array.dims.forEach((length, i) => {
    head.writeInt32BE(length, 12 + i * 8);
    head.writeInt32BE(array.lowerBounds[i]!, 16 + i * 8);
  });
  const parts: Uint8Array[] = [head];
  for (const value of array.elements) {
    const length = Buffer.alloc(4);
    if (value === null) {
      length.writeInt32BE(-1, 0);
      parts.push(length);
    } else {
      const payload = element.send(value);
      length.writeInt32BE(payload.length, 0);
      parts.push(length, payload);
    }
  }
  return Buffer.concat(parts);
}

function badBinary(message: string): never {
  report('ERROR', { code: SQLSTATE.invalidBinaryRepresentation, message });
}

function arrayRecv(bytes: Uint8Array, elementType: Oid, typmod: number): ArrayDatum {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const need = (count: number): void => {
    if (at + count > data.length)
      report('ERROR', { code: SQLSTATE.protocolViolation, message: 'insufficient data left in message' });
  };
  const int = (): number => {
    need(4);
    at += 4;
    return data.readInt32BE(at - 4);
  };
  const count = int();
  if (count < 0) badBinary(`invalid number of dimensions: ${count}`);
  if (count > DIMENSIONS_MAX) tooManyDimensions(count);
  const flags = int();
  if (flags !== 0 && flags !== 1) badBinary('invalid array flags');
  const sentType = int() >>> 0;
  if (sentType !== elementType) {
    report('ERROR', {
      code: SQLSTATE.datatypeMismatch,
      message: `binary data has array element type ${sentType} (${typeInfo(sentType as Oid).name}) instead of expected ${elementType} (${typeInfo(elementType).name})`,
    });
  }
  const dims: number[] = [];
  const lowerBounds: number[] = [];
  for (let i = 0; i < count; i++) {
    dims.push(int());
    lowerBounds.push(int());
  }
  const size = checkedSize(dims);
  if (size === 0) return emptyArray(elementType);
  const element: TypeInfo = typeInfo(elementType);
  const elements: Datum[] = [];
  for (let i = 0; i < size; i++) {
    const length = int();
    if (length === -1) {
      elements.push(null);
      continue;
    }
    if (length < -1 || length > data.length - at) badBinary('insufficient data left in message');
    elements.push(element.receive(data.subarray(at, at + length), typmod));
    at += length;
  }
  if (at !== data.length) badBinary('incorrect binary data format');
  return makeMultiArray(elementType, dims, lowerBounds, elements);
}

registerBuiltins({
  array_in: (text: string, elementType: Oid, typmod?: number) => arrayIn(text, elementType, typmod ?? -1),
  array_out: arrayOut,
  array_send: arraySend,
  array_recv: (bytes: Uint8Array, elementType: Oid, typmod?: number) => arrayRecv(bytes, elementType, typmod ?? -1),
  anyarray_out: arrayOut,
  anyarray_send: arraySend,
  anycompatiblearray_out: arrayOut,
  anycompatiblearray_send: arraySend,
});
