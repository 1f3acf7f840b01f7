/** guc-serialize.ts — every non-default value as bytes, for a child that was spawned and inherited nothing.
 *
 *  Each value travels as text together with its source and the context it was set in, and is set again by the ordinary
 *  rules, so that check and assign hooks run in the child too. Custom variables arrive as placeholders, which their
 *  libraries take over when the child loads them.
 *  Layout, little-endian: u32 count, then per parameter name, value, source file (each u32 length + UTF-8; length
 *  0xffffffff for none), u32 line, u8 source, u8 context, u8 flags.
 *  Counterpart: write_nondefault_variables(), read_nondefault_variables() of src/backend/utils/misc/guc.c */
import { CONTEXTS, type GucContext, type GucSource, SOURCES } from '#runtime/guc/define.ts';
import { rawValueText, setConfigOptionExt } from '#runtime/guc/guc.ts';
import { allParameters, type Parameter, recordByName } from '#runtime/guc/records.ts';

const NONE = 0xffff_ffff;
const IN_FILE = 1;
const PENDING_RESTART = 2;
const contextNames = Object.keys(CONTEXTS) as GucContext[];
const sourceNames = Object.keys(SOURCES) as GucSource[];

function textOf(parameter: Parameter): string | null {
  // %g would lose digits of a real.
  return parameter.type === 'real' ? String(parameter.value) : rawValueText(parameter, parameter.value);
}

export function serializeGuc(): Uint8Array {
  const chunks: Buffer[] = [];
  let count = 0;
  const number32 = (value: number): void => {
    const word = Buffer.alloc(4);
    word.writeUInt32LE(value);
    chunks.push(word);
  };
  const string = (value: string | null): void => {
    const encoded = Buffer.from(value ?? '', 'utf8');
    number32(value === null ? NONE : encoded.length);
    chunks.push(encoded);
  };
  for (const parameter of allParameters()) {
    if (parameter.source === 'default' && !parameter.pendingRestart) continue;
    count++;
    string(parameter.name);
    string(textOf(parameter));
    string(parameter.sourceFile);
    number32(parameter.sourceLine);
    const flags = (parameter.inFile ? IN_FILE : 0) | (parameter.pendingRestart ? PENDING_RESTART : 0);
    chunks.push(Buffer.from([SOURCES[parameter.source], CONTEXTS[parameter.setContext], flags]));
  }
  const head = Buffer.alloc(4);
  head.writeUInt32LE(count);
  return Buffer.concat([head, ...chunks]);
}

export function restoreGuc(bytes: Uint8Array): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const number32 = (): number => {
    at += 4;
    return buffer.readUInt32LE(at - 4);
  };
  const string = (): string | null => {
    const length = number32();
    if (length === NONE) return null;
    at += length;
    return buffer.toString('utf8', at - length, at);
  };
  for (let left = number32(); left > 0; left--) {
    const name = string()!;
    const value = string();
    const sourceFile = string();
    const sourceLine = number32();
    const source = sourceNames[buffer[at]!]!;
    const context = contextNames[buffer[at + 1]!]!;
    const flags = buffer[at + 2]!;
    at += 3;
    if (value !== null && source !== 'default') setConfigOptionExt(name, value, context, source, { isReload: true });
    const parameter = recordByName(name);
    if (parameter === undefined) continue;
    parameter.sourceFile = sourceFile;
    parameter.sourceLine = sourceLine;
    parameter.inFile = (flags & IN_FILE) !== 0;
    parameter.pendingRestart = (flags & PENDING_RESTART) !== 0;
  }
}
