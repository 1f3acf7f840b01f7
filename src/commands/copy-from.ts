/** copy-from.ts — COPY FROM: fields become values, values rows, rows go into the table page by page.
 *
 *  Rows are collected and inserted together, unless something must look at each row before the next: a BEFORE trigger, or
 *  a volatile default or condition. Integers are read from their digits without making a string.
 *  Counterpart: src/backend/commands/copyfrom.c, copyfromparse.c */
import { heapFormTuple, heapTupleLength } from '#access/common/heap-tuple.ts';
import type { Attribute, Relation } from '#access/common/relation-descriptor.ts';
import { heapInsert, heapMultiInsert, type HeapTuple } from '#access/heap/heap-insert.ts';
import { HEAP_INSERT } from '#access/heap/heap-types.ts';
import { type BulkInsertState, freeBulkInsertState, getBulkInsertState } from '#access/heap/hio.ts';
import type { Datum } from '#adt/datum.ts';
import { type TypeInfo, typeInfo } from '#adt/fmgr.ts';
import type { ItemPointer, Oid } from '#base/ids.ts';
import { typeRow } from '#catalog/syscache.ts';
import { CopyInputColumns } from '#commands/copy-columns.ts';
import { FieldList, LineReader } from '#commands/copy-lines.ts';
import type { CopyOptions } from '#commands/copy-options.ts';
import type { CopySource } from '#commands/copy-stream.ts';
import { BinaryReader } from '#commands/copy-binary.ts';
import { emptyPlan } from '#executor/empty-plan.ts';
import { EState, type Eval, ExprContext, type Row } from '#executor/estate.ts';
import { IndexSet } from '#executor/index-entries.ts';
import { checkRow, computeGenerated } from '#executor/row-constraints.ts';
import { compileOver } from '#executor/stored-expr.ts';
import { type RelationTriggers, triggerQueue } from '#executor/triggers.ts';
import { type ClientCodec, decodeUtf8 } from '#libpq/text-encoding.ts';
import type { Expr } from '#nodes/primitives.ts';
import { buildColumnDefault, nullOfColumn } from '#rewrite/column-default.ts';
import { PgError, report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { Workspace } from '#shm/private-memory.ts';
import { getActiveSnapshot } from '#transam/snapshot.ts';
import { getCurrentCommandId } from '#transam/xact.ts';

const MAX_BUFFERED_TUPLES = 1000;
const MAX_BUFFERED_BYTES = 65_535;
const MAX_SHOWN_BYTES = 100;
const INT4 = 23;
const INT8 = 20;
const INT2 = 21;

export interface CopyFromRequest {
  readonly relation: Relation;
  /** Columns of the input, in its order. */
  readonly columns: readonly Attribute[];
  readonly options: CopyOptions;
  readonly source: CopySource;
  /** Of the input; null: it is UTF8. */
  readonly codec: ClientCodec | null;
  /** WHERE, over the relation. */
  readonly where: Expr | null;
  /** The condition or a default is volatile: rows cannot wait for each other. */
  readonly isVolatile: boolean;
}

/** Where an error happened, as CONTEXT says it. */
class Position {
  line = 0;
  column: string | null = null;
  value: string | null = null;
  isNull = false;
  lineText: (() => string | null) | null = null;
  constructor(readonly table: string) {}
  context(): string {
    const at = `COPY ${this.table}, line ${this.line}`;
    if (this.column !== null) {
      if (this.isNull) return `${at}, column ${this.column}: null input`;
      if (this.value !== null) return `${at}, column ${this.column}: "${shorten(this.value)}"`;
      return `${at}, column ${this.column}`;
    }
    const text = this.lineText?.() ?? null;
    return text === null ? at : `${at}: "${shorten(text)}"`;
  }
}
const shorten = (text: string): string =>
  Buffer.byteLength(text) <= MAX_SHOWN_BYTES
    ? text
    : `${Buffer.from(text)
        .subarray(0, MAX_SHOWN_BYTES)
        .toString('utf8')
        .replace(/\uFFFD+$/, '')}...`;

/** Returns the number of rows that were inserted. */
export function copyFrom(request: CopyFromRequest): number {
  return new CopyFrom(request).run();
}

class CopyFrom {
  readonly #request: CopyFromRequest;
  readonly #relation: Relation;
  readonly #position: Position;
  readonly #estate = new EState(emptyPlan, null);
  readonly #context: ExprContext;
  readonly #defaults: { column: number; value: Eval }[] = [];
  readonly #where: Eval | null;
  readonly #row: Row;
  readonly #workspace = new Workspace();
  readonly #tuples: HeapTuple[] = [];
  readonly #rows: Row[] = [];
  readonly #tids: ItemPointer[] = [];
  readonly #bulk: BulkInsertState = getBulkInsertState();
  readonly #options: number;
  /** What NULL in a column of a domain type evaluates to. */
  readonly #domainNulls: readonly (Eval | null)[];
  #bytes = 0;
  #inserted = 0;
  #indexes: IndexSet | null = null;
  #triggers: RelationTriggers | null = null;

  constructor(request: CopyFromRequest) {
    this.#request = request;
    const { relation, columns } = request;
    this.#relation = relation;
    this.#position = new Position(relation.name);
    this.#context = new ExprContext(this.#estate);
    this.#estate.snapshot = getActiveSnapshot();
    this.#estate.outputCid = getCurrentCommandId(true);
    const given = new Set(columns.map((column) => column.number));
    for (const column of relation.tupleDesc.attrs) {
      if (column.isDropped || given.has(column.number) || column.generated !== '') continue;
      const expr = buildColumnDefault(relation, column.number);
      if (expr !== null) this.#defaults.push({ column: column.number - 1, value: compileOver(relation, expr) });
    }
    this.#where = request.where === null ? null : compileOver(relation, request.where);
    this.#domainNulls = columns.map((column) =>
      typeRow(column.typeId)?.typtype === 'd'
        ? compileOver(relation, nullOfColumn(column.typeId, column.typmod, column.collation))
        : null,
    );
    this.#row = new Array<Datum>(relation.tupleDesc.natts).fill(null);
    // A table that this very transaction has made has no free space worth asking for.
    const isNew = relation.createSubid !== 0 || relation.firstRelfilenodeSubid !== 0;
    this.#options = (isNew ? HEAP_INSERT.skipFsm : 0) | (request.options.freeze ? HEAP_INSERT.frozen : 0);
  }

  run(): number {
    triggerQueue.beginQuery();
    this.#triggers = triggerQueue.load(this.#relation, this.#estate);
    this.#indexes = new IndexSet(this.#relation, this.#context);
    try {
      this.#triggers?.beforeStatement('insert', []);
      if (this.#request.options.format === 'binary') this.#readBinary();
      else this.#readLines();
      this.#flush();
      // What triggers say from here on is about the statement, no longer about a line.
      this.#position.line = 0;
      this.#triggers?.afterStatement('insert', []);
      triggerQueue.endQuery(this.#estate);
    } catch (caught) {
      if (caught instanceof PgError && this.#position.line > 0 && caught.code !== SQLSTATE.queryCanceled)
        addContext(caught, this.#position.context());
      throw caught;
    } finally {
      this.#indexes.close();
      freeBulkInsertState(this.#bulk);
      this.#workspace.free();
    }
    return this.#inserted;
  }

  // ── text and CSV ───────────────────────────────────────────────────────────────────────────────────────────────

  #readLines(): void {
    const { options, columns, source, codec } = this.#request;
    const position = this.#position;
    const lines = new LineReader(source, options);
    const fields = new FieldList(options);
    const inputs = new CopyInputColumns(columns, options);
    const infos: TypeInfo[] = columns.map((column) => typeInfo(column.typeId));
    position.lineText = () => lines.buffer.toString('utf8', lines.start, lines.end);
    const isCsv = options.format === 'csv';
    if (options.header !== false) {
      position.line = 1;
      if (lines.next() && options.header === 'match') {
        this.#split(lines, fields, inputs, codec, isCsv);
        this.#checkHeader(fields, columns);
      }
    }
    for (;;) {
      position.line = lines.line + 1;
      if ((lines.line & 63) === 0) checkForInterrupts();
      if (!lines.next()) break;
      this.#split(lines, fields, inputs, codec, isCsv);
      this.#takeFields(fields, columns, infos);
      this.#take();
    }
    lines.drain();
  }

  #split(
    lines: LineReader,
    fields: FieldList,
    inputs: CopyInputColumns,
    codec: ClientCodec | null,
    isCsv: boolean,
  ): void {
    let { buffer, start, end } = lines;
    if (codec !== null) {
      buffer = Buffer.from(codec.decode(buffer, start, end));
      start = 0;
      end = buffer.length;
    }
    if (isCsv) fields.splitCsv(buffer, start, end, inputs.forceNotNull, inputs.forceNull);
    else fields.splitText(buffer, start, end);
  }

  #checkHeader(fields: FieldList, columns: readonly Attribute[]): void {
    const bad = (message: string): never => report('ERROR', { code: SQLSTATE.badCopyFileFormat, message });
    if (fields.count !== columns.length) {
      bad(`wrong number of fields in header line: field count is ${fields.count}, expected ${columns.length}`);
    }
    columns.forEach((column, i) => {
      const end = fields.ends[i]!;
      if (end < 0)
        bad(
          `column name mismatch in header line field ${i + 1}: got null value ("${this.#request.options.nullText}"), expected "${column.name}"`,
        );
      const found = fields.bytes.toString('utf8', fields.starts[i]!, end);
      if (found !== column.name)
        bad(`column name mismatch in header line field ${i + 1}: got "${found}", expected "${column.name}"`);
    });
  }

  #takeFields(fields: FieldList, columns: readonly Attribute[], infos: readonly TypeInfo[]): void {
    const row = this.#row;
    const position = this.#position;
    if (columns.length === 0) {
      if (fields.count > 1 || (fields.count === 1 && fields.ends[0]! - fields.starts[0]! > 0))
        report('ERROR', { code: SQLSTATE.badCopyFileFormat, message: 'extra data after last expected column' });
      return;
    }
    if (fields.count > columns.length)
      report('ERROR', { code: SQLSTATE.badCopyFileFormat, message: 'extra data after last expected column' });
    const { bytes, starts, ends } = fields;
    const domainChecks = this.#domainNulls;
    for (let i = 0; i < columns.length; i++) {
      const column = columns[i]!;
      if (i >= fields.count) {
        report('ERROR', {
          code: SQLSTATE.badCopyFileFormat,
          message: `missing data for column "${column.name}"`,
        });
      }
      const end = ends[i]!;
      const start = starts[i]!;
      let value: Datum = null;
      if (end >= 0) {
        const { typeId } = column;
        const fast =
          typeId === INT4 || typeId === INT8 || typeId === INT2 ? shortInteger(bytes, start, end, typeId) : NO_INTEGER;
        if (fast !== NO_INTEGER) value = fast;
        else {
          position.column = column.name;
          position.value = null;
          const text = decodeField(bytes, start, end);
          position.value = text;
          value = infos[i]!.input(text, column.typmod);
          position.column = null;
        }
      } else if (domainChecks[i] !== null) {
        // A domain has something to say about null.
        position.column = column.name;
        position.isNull = true;
        value = domainChecks[i]!(this.#context);
        position.column = null;
        position.isNull = false;
      }
      row[column.number - 1] = value;
    }
  }

  #readBinary(): void {
    const { columns, source } = this.#request;
    const reader = new BinaryReader(source);
    const infos = columns.map((column) => typeInfo(column.typeId));
    const position = this.#position;
    for (;;) {
      position.line++;
      checkForInterrupts();
      const count = reader.rowFields();
      if (count < 0) break;
      if (count !== columns.length) {
        report('ERROR', {
          code: SQLSTATE.badCopyFileFormat,
          message: `row field count is ${count}, expected ${columns.length}`,
        });
      }
      columns.forEach((column, i) => {
        position.column = column.name;
        const bytes = reader.field();
        this.#row[column.number - 1] = bytes === null ? null : infos[i]!.receive(bytes, column.typmod);
      });
      position.column = null;
      this.#take();
    }
    reader.end();
    source.close();
  }

  // ── rows ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** What the input did not give, then the table's own rules; the row waits or goes in. */
  #take(): void {
    const relation = this.#relation;
    const context = this.#context;
    const defaults = this.#defaults;
    let row = this.#row;
    for (let i = 0; i < defaults.length; i++) row[defaults[i]!.column] = defaults[i]!.value(context);
    if (this.#where !== null) {
      context.scan = row;
      if (this.#where(context) !== true) return;
    }
    const triggers = this.#triggers;
    if (triggers?.hasBeforeRow.insert === true) {
      const changed = triggers.beforeInsert(row);
      if (changed === null) return;
      row = changed;
    }
    computeGenerated(relation, row, context);
    checkRow(relation, row, context);
    if (this.#request.isVolatile || triggers?.hasBeforeRow.insert === true) {
      this.#insertNow(row);
      return;
    }
    const at = heapFormTuple(relation.tupleDesc, row, this.#workspace);
    const len = heapTupleLength();
    this.#tuples.push({ at, len });
    if (this.#indexes!.makers.length > 0 || triggers !== null) this.#rows.push(row.slice());
    this.#bytes += len;
    if (this.#tuples.length >= MAX_BUFFERED_TUPLES || this.#bytes >= MAX_BUFFERED_BYTES) this.#flush();
  }

  #insertNow(row: Row): void {
    this.#workspace.reset();
    const at = heapFormTuple(this.#relation.tupleDesc, row, this.#workspace);
    const { outputCid } = this.#estate;
    const tid = heapInsert(this.#relation, at, heapTupleLength(), outputCid, this.#options, this.#bulk);
    this.#afterInsert(row, tid);
    this.#inserted++;
  }
  #flush(): void {
    const tuples = this.#tuples;
    if (tuples.length === 0) return;
    heapMultiInsert(this.#relation, tuples, this.#estate.outputCid, this.#options, this.#bulk, this.#tids);
    for (let i = 0; i < this.#rows.length; i++) this.#afterInsert(this.#rows[i]!, this.#tids[i]!);
    this.#inserted += tuples.length;
    tuples.length = 0;
    this.#rows.length = 0;
    this.#tids.length = 0;
    this.#bytes = 0;
    this.#workspace.reset();
  }
  #afterInsert(row: Row, tid: ItemPointer): void {
    const none: readonly Oid[] = [];
    const indexes = this.#indexes!;
    const recheck = indexes.makers.length > 0 ? indexes.insert(row, tid, false, false, none) : none;
    const triggers = this.#triggers;
    if (triggers?.hasAfterRow.insert === true || recheck.length > 0) triggers!.afterInsert(tid, row, recheck);
  }
}

function addContext(error: PgError, line: string): void {
  const { fields } = error;
  fields.context = fields.context === undefined ? line : `${fields.context}\n${line}`;
}

// ── integers ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** No integer is a fraction. */
const NO_INTEGER = 0.5;
/** Digits that fit any of the integer types without a second look at its bounds. */
const SAFE_DIGITS: Readonly<Record<number, number>> = { [INT2]: 4, [INT4]: 9, [INT8]: 15 };
function shortInteger(bytes: Uint8Array, start: number, end: number, type: number): number {
  let at = start;
  const negative = bytes[at] === 45;
  if (negative) at++;
  const digits = end - at;
  if (digits === 0 || digits > SAFE_DIGITS[type]!) return NO_INTEGER;
  let value = 0;
  for (; at < end; at++) {
    const digit = bytes[at]! - 48;
    if (digit < 0 || digit > 9) return NO_INTEGER;
    value = value * 10 + digit;
  }
  return negative ? 0 - value : value;
}

function decodeField(bytes: Buffer, start: number, end: number): string {
  for (let at = start; at < end; at++) if (bytes[at]! > 127 || bytes[at] === 0) return decodeUtf8(bytes, start, end);
  return bytes.toString('latin1', start, end);
}
