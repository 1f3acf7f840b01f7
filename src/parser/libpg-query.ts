/** libpg-query.ts — PostgreSQL's own grammar, compiled to wasm; the only importer of the npm package.
 *
 *  The package's loader is asynchronous, and a forked child has no event loop, so the module is instantiated
 *  synchronously inside the loader's `instantiateWasm` hook and its constructors are run there; the loader's own late
 *  initialisation (a microtask that may never run) finds them already run. Instantiation costs some 30 ms, hence
 *  `warmParser()` for the postmaster; processes that never parse never pay.
 *  The grammar is that of PostgreSQL 18; `later-grammar.ts` takes back what 15 does not know. */
import type { ParseResult } from '@pgsql/types';
import pgQueryModule from 'libpg-query/wasm/libpg-query.js';
import { exists, readFile } from '#platform/file-system.ts';
import { packageRoot } from '#platform/native.ts';

type Exports = Record<string, unknown>;
type Receive = (instance: { exports: Exports }) => void;
/** The types of Node do not describe it. */
const webAssembly = (
  globalThis as unknown as {
    WebAssembly: {
      Module: new (code: Uint8Array) => object;
      Instance: new (module: object, imports: object) => { exports: Exports };
    };
  }
).WebAssembly;

interface WasmModule {
  instantiateWasm(imports: object, receive: Receive): object;
  _malloc(size: number): number;
  _free(pointer: number): void;
  _wasm_parse_query_raw(query: number): number;
  _wasm_free_parse_result(result: number): void;
  getValue(pointer: number, type: 'i32'): number;
  HEAPU8: Uint8Array;
}

/** What the grammar says about a bad text. `cursor` is 1-based in characters, 0 unknown. */
export interface GrammarError {
  readonly message: string;
  readonly cursor: number;
  /** The C function that reported it. */
  readonly routine: string;
}

/** The wasm export that runs the C constructors. */
const CONSTRUCTORS = 'A';
const encoder = new TextEncoder();
let loaded: WasmModule | undefined;

function wasmPath(): string {
  const beside = decodeURIComponent(new URL('./libpg-query.wasm', import.meta.url).pathname);
  return exists(beside) ? beside : `${packageRoot}/node_modules/libpg-query/wasm/libpg-query.wasm`;
}

function load(): WasmModule {
  const module = {
    instantiateWasm(imports: object, receive: Receive) {
      const instance = new webAssembly.Instance(new webAssembly.Module(readFile(wasmPath())), imports);
      const constructors = instance.exports[CONSTRUCTORS] as () => void;
      receive({ exports: { ...instance.exports, [CONSTRUCTORS]: () => {} } });
      constructors();
      return {};
    },
  } as WasmModule;
  pgQueryModule(module);
  return module;
}

/** A NUL-terminated string. The loader's own reader looks at byte by byte, which V8 first has to compile. */
function cString(wasm: WasmModule, pointer: number): string {
  const { HEAPU8 } = wasm;
  return Buffer.from(HEAPU8.buffer, pointer, HEAPU8.indexOf(0, pointer) - pointer).toString('utf8');
}

/** Loads the grammar and lets V8 see it once. */
export function warmParser(): void {
  parseToJson('SELECT 1');
}

/** The grammar's tree of a text without NUL, or what is wrong with it. May throw RangeError on absurd nesting. */
export function parseToJson(text: string): ParseResult | GrammarError {
  const wasm = (loaded ??= load());
  const encoded = encoder.encode(text);
  const query = wasm._malloc(encoded.length + 1);
  wasm.HEAPU8.set(encoded, query);
  wasm.HEAPU8[query + encoded.length] = 0;
  let result = 0;
  try {
    result = wasm._wasm_parse_query_raw(query);
    const error = wasm.getValue(result + 8, 'i32');
    if (error !== 0) {
      return {
        message: cString(wasm, wasm.getValue(error, 'i32')),
        routine: cString(wasm, wasm.getValue(error + 4, 'i32')),
        cursor: wasm.getValue(error + 16, 'i32'),
      };
    }
    return JSON.parse(cString(wasm, wasm.getValue(result, 'i32'))) as ParseResult;
  } finally {
    wasm._free(query);
    if (result !== 0) wasm._wasm_free_parse_result(result);
  }
}
