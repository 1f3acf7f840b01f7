/** analyze.ts — ANALYZE of one table: columns, index expressions, the tree of its children; rows of pg_statistic.
 *  Counterpart: analyze_rel(), do_analyze_rel(), examine_attribute(), compute_index_stats(), update_attstats() of
 *  src/backend/commands/analyze.c */
import { heapAttrAddress, heapDeform, heapGetAttr } from '#access/common/heap-tuple.ts';
import { type Attribute, type Relation, relationNblocks } from '#access/common/relation-descriptor.ts';
import { indexVacuumCleanup } from '#access/common/index-access.ts';
import {
  compressedRawSize,
  TOAST_POINTER_SIZE,
  toastRawSize,
  varIsCompressed,
  varIsExternal,
  varSize,
} from '#access/common/varlena.ts';
import { visibilityMapCount } from '#access/heap/visibility-map.ts';
import type { ArrayDatum, Datum } from '#adt/datum.ts';
import type { MultiXactId, Oid, TransactionId } from '#base/ids.ts';
import { buildIndexInfo } from '#catalog/index.ts';
import { CatalogIndexes, catalogInsert, catalogUpdateColumns, catalogValues } from '#catalog/indexing.ts';
import { allInheritors } from '#catalog/inheritors.ts';
import { RELATION } from '#catalog/oids.ts';
import { type RelationData, relationGetIndexList } from '#catalog/relcache.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { parseRelOptions } from '#catalog/reloptions.ts';
import type { OpclassRow } from '#catalog/rows.ts';
import {
  attributes,
  baseType,
  btreeOpclass,
  elementType,
  familyMember,
  hashOpclass,
  isTrueArrayType,
  typeRelid,
  typeRow,
} from '#catalog/syscache.ts';
import { systableBeginScan } from '#catalog/systable.ts';
import {
  type ColumnOrder,
  type ColumnResult,
  type ColumnSample,
  computeDistinctStats,
  computeScalarStats,
  computeTrivialStats,
} from '#commands/analyze-compute.ts';
import {
  acquireSampleRows,
  ANALYZE_PHASE,
  ANALYZE_PROGRESS,
  convertRows,
  freeSample,
  type Sample,
} from '#commands/analyze-sample.ts';
import { asOwner } from '#commands/as-owner.ts';
import { closeIndexes, namespaceNameOf, openIndexes } from '#commands/vacuum-host.ts';
import { mayVacuumRelation, openTarget, type VacuumTarget } from '#commands/vacuum-relations.ts';
import { updateRelStats } from '#commands/vacuum-relstats.ts';
import { equalityFor, familyCompare } from '#executor/sort-support.ts';
import { stringToNode } from '#nodes/node-text.ts';
import { exprCollation } from '#nodes/node-funcs.ts';
import type { Expr } from '#nodes/primitives.ts';
import { type Level, report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { mem } from '#shm/memory.ts';
import {
  PROGRESS_COMMAND,
  pgstatProgressEndCommand,
  pgstatProgressStartCommand,
  pgstatProgressUpdateParam,
} from '#stats/backend-status.ts';
import type { AccessStrategy } from '#storage/buffer/ring-strategy.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';

/** Values wider than this are not compared: they would fill memory, and hardly equal each other. */
const WIDTH_THRESHOLD = 1024;
const STATISTIC_SLOTS = 5;
const PG_STATISTIC_INDEX = 2696 as Oid;
const ATTRIBUTE_INDEX = 2659 as Oid;
const TSVECTOR = 3614;
/** A sample of 300 rows per bucket keeps the relative error of bucket sizes below half, with probability 0.99. */
const ROWS_PER_BUCKET = 300;

export interface AnalyzeOptions {
  readonly vacuum: boolean;
  readonly verbose: boolean;
  readonly skipLocked: boolean;
}

/** A column that is analyzed. */
interface AnalyzedColumn {
  readonly attnum: number;
  readonly order: ColumnOrder;
  readonly method: 'scalar' | 'distinct' | 'trivial' | 'unique';
  /** n_distinct that the user has set, for the table and for the tree. */
  readonly distinctOwn: number | undefined;
  readonly distinctInherited: number | undefined;
}
const minRows = (column: AnalyzedColumn): number => ROWS_PER_BUCKET * column.order.target;

/** examine_attribute(): null if the column is not to be analyzed. */
function examineColumn(rel: Relation, attnum: number, collation: Oid | null): AnalyzedColumn | null {
  const attr = rel.tupleDesc.attrs[attnum - 1]!;
  if (attr.isDropped) return null;
  const { target, options } = columnSettings(rel.oid, attnum);
  if (target === 0) return null;
  const type = typeRow(attr.typeId);
  if (type === undefined) report('ERROR', { message: `cache lookup failed for type ${attr.typeId}` });
  const order = columnOrder(
    attr,
    collation ?? attr.collation,
    target < 0 ? settings.default_statistics_target : target,
  );
  // Ranges and documents have statistics of their own kinds, of which only the common part is made.
  const isOwnKind = type.typtype === 'r' || type.typtype === 'm' || attr.typeId === TSVECTOR;
  const method = isOwnKind
    ? 'unique'
    : order.compare !== null
      ? 'scalar'
      : order.equals !== null
        ? 'distinct'
        : 'trivial';
  const own = options['n_distinct'];
  const inherited = options['n_distinct_inherited'];
  return {
    attnum,
    order,
    method,
    distinctOwn: typeof own === 'number' && own !== 0 ? own : undefined,
    distinctInherited: typeof inherited === 'number' && inherited !== 0 ? inherited : undefined,
  };
}

function columnSettings(relid: Oid, attnum: number): { target: number; options: Readonly<Record<string, unknown>> } {
  const pgAttribute = tableOpen(RELATION.pgAttribute, LOCK.accessShare);
  const desc = pgAttribute.tupleDesc;
  const scan = systableBeginScan(pgAttribute, ATTRIBUTE_INDEX, true, [
    { attnum: 1, value: relid },
    { attnum: desc.attributeIndex('attnum') + 1, value: attnum },
  ]);
  if (!scan.next()) report('ERROR', { message: `cache lookup failed for attribute ${attnum} of relation ${relid}` });
  const target = scan.value(desc.attributeIndex('attstattarget') + 1) as number;
  const options = scan.value(desc.attributeIndex('attoptions') + 1) as ArrayDatum | null;
  scan.end();
  relationClose(pgAttribute, LOCK.accessShare);
  return { target, options: parseRelOptions(options === null ? null : (options.elements as string[])) };
}

/** Arrays and rows compare only if what they are made of does (the array_element and record_field flags of typcache.c). */
function hasParts(type: Oid, classOf: (type: Oid) => OpclassRow | undefined): boolean {
  const base = baseType(type);
  if (isTrueArrayType(base)) {
    const element = elementType(base);
    return classOf(element) !== undefined && hasParts(element, classOf);
  }
  if (typeRow(base)?.typtype !== 'c') return true;
  return attributes(typeRelid(base)).every(
    (column) => column.attisdropped || (classOf(column.atttypid) !== undefined && hasParts(column.atttypid, classOf)),
  );
}

/** get_sort_group_operators(). */
function columnOrder(attr: Attribute, collation: Oid, target: number): ColumnOrder {
  const base = { type: attr.typeId, collation, length: attr.length, target };
  const ordered = btreeOpclass(attr.typeId);
  if (ordered !== undefined && hasParts(attr.typeId, btreeOpclass)) {
    const { opcfamily, opcintype } = ordered;
    return {
      ...base,
      lessOperator: familyMember(opcfamily, opcintype, opcintype, 1),
      equalOperator: familyMember(opcfamily, opcintype, opcintype, 3),
      compare: familyCompare(opcfamily, opcintype, opcintype, collation),
      equals: null,
    };
  }
  const hashed = hasParts(attr.typeId, hashOpclass) ? hashOpclass(attr.typeId) : undefined;
  const equal = hashed === undefined ? 0 : familyMember(hashed.opcfamily, hashed.opcintype, hashed.opcintype, 1);
  return {
    ...base,
    lessOperator: 0 as Oid,
    equalOperator: equal as Oid,
    compare: null,
    equals: equal === 0 ? null : equalityFor(equal as Oid, collation),
  };
}

// ── values of the sample ─────────────────────────────────────────────────────────────────────────────────────────

/** A column of the sampled rows. */
class HeapColumnSample implements ColumnSample {
  value: Datum = null;
  width = 0;
  tooWide = false;
  readonly count: number;
  constructor(
    readonly rel: Relation,
    readonly rows: readonly number[],
    readonly attnum: number,
  ) {
    this.count = rows.length;
  }
  fetch(i: number): void {
    const desc = this.rel.tupleDesc;
    const row = this.rows[i]!;
    const { attnum } = this;
    const at = heapAttrAddress(desc, row, attnum);
    this.tooWide = false;
    if (at === 0) {
      // Null, or a column that was added after the row.
      this.value = heapGetAttr(desc, row, attnum);
      this.width = this.value === null ? 0 : desc.codecs[attnum - 1]!.size(this.value);
      return;
    }
    const length = desc.attrs[attnum - 1]!.length;
    if (length === -1) {
      this.width = varIsExternal(at) ? TOAST_POINTER_SIZE : varSize(at);
      const raw = varIsExternal(at) ? toastRawSize(at) : varIsCompressed(at) ? compressedRawSize(at) + 4 : this.width;
      if (raw > WIDTH_THRESHOLD) {
        this.tooWide = true;
        this.value = null;
        return;
      }
    } else if (length === -2) {
      let end = at;
      while (mem.u8[end] !== 0) end++;
      this.width = end + 1 - at;
    } else this.width = length;
    this.value = desc.codecs[attnum - 1]!.read(at);
  }
}
/** Values of an index's expression, computed before. */
class ComputedSample implements ColumnSample {
  value: Datum = null;
  width = 0;
  tooWide = false;
  readonly count: number;
  constructor(
    readonly index: Relation,
    readonly values: readonly Datum[],
    readonly attnum: number,
  ) {
    this.count = values.length;
  }
  fetch(i: number): void {
    const value = this.values[i]!;
    this.value = value;
    this.tooWide = false;
    if (value === null) return;
    this.width = this.index.tupleDesc.codecs[this.attnum - 1]!.size(value);
    this.tooWide = this.index.tupleDesc.attrs[this.attnum - 1]!.length < 0 && this.width > WIDTH_THRESHOLD;
    if (this.tooWide) this.value = null;
  }
}

function compute(
  column: AnalyzedColumn,
  sample: ColumnSample,
  totalRows: number,
  isInherited: boolean,
): ColumnResult | null {
  let result: ColumnResult | null;
  if (column.method === 'scalar') result = computeScalarStats(sample, column.order, totalRows);
  else if (column.method === 'distinct') result = computeDistinctStats(sample, column.order, totalRows);
  else {
    result = computeTrivialStats(sample, column.order);
    if (result !== null && column.method === 'unique' && result.nullFraction < 1)
      result.distinct = -1 * (1 - result.nullFraction);
  }
  const given = isInherited ? column.distinctInherited : column.distinctOwn;
  if (result !== null && given !== undefined) result.distinct = given;
  return result;
}

// ── indexes ──────────────────────────────────────────────────────────────────────────────────────────────────────

interface AnalyzedIndex {
  readonly index: Relation;
  readonly columns: readonly AnalyzedColumn[];
  /** Share of the table's rows that a partial index has. */
  fraction: number;
  readonly results: (ColumnResult | null)[];
}

function examineIndex(index: Relation, withColumns: boolean): AnalyzedIndex {
  const desc = index.index!;
  const columns: AnalyzedColumn[] = [];
  if (withColumns && desc.exprsText !== null) {
    const exprs = stringToNode(desc.exprsText) as Expr[];
    let next = 0;
    desc.keys.forEach((key, i) => {
      if (key !== 0) return;
      const expr = exprs[next++]!;
      const collation = (desc.collations[i] ?? 0) !== 0 ? desc.collations[i]! : exprCollation(expr);
      const column = examineColumn(index, i + 1, collation);
      if (column !== null) columns.push(column);
    });
  }
  return { index, columns, fraction: 1, results: [] };
}

/** compute_index_stats(). */
function computeIndexStats(rel: Relation, sample: Sample, of: AnalyzedIndex): void {
  const { index, columns } = of;
  const info = buildIndexInfo(rel, index);
  if (columns.length === 0 && info.predicate === undefined) return;
  const values: Datum[][] = columns.map(() => []);
  const row: Datum[] = [];
  const entry: Datum[] = new Array<Datum>(info.numAttrs).fill(null);
  let count = 0;
  for (const at of sample.rows) {
    heapDeform(rel.tupleDesc, at, rel.tupleDesc.natts, row);
    if (info.predicate !== undefined && !info.predicate(row)) continue;
    count++;
    if (columns.length === 0) continue;
    info.formDatum?.(row, entry);
    for (let i = 0; i < columns.length; i++) values[i]!.push(entry[columns[i]!.attnum - 1]!);
  }
  if (sample.rows.length > 0) of.fraction = count / sample.rows.length;
  const totalRows = Math.ceil(of.fraction * sample.totalRows);
  if (count === 0) return;
  columns.forEach((column, i) => {
    of.results[i] = compute(column, new ComputedSample(index, values[i]!, column.attnum), totalRows, false);
  });
}

// ── pg_statistic ─────────────────────────────────────────────────────────────────────────────────────────────────

const arrayOf = (elementType: Oid, elements: readonly Datum[]): ArrayDatum => ({
  kind: 'array',
  elementType,
  dims: [elements.length],
  lowerBounds: [1],
  elements,
});
const FLOAT4 = 700 as Oid;

/** update_attstats(). */
function updateStatistics(
  relid: Oid,
  isInherited: boolean,
  columns: readonly AnalyzedColumn[],
  results: readonly (ColumnResult | null | undefined)[],
): void {
  if (columns.length === 0) return;
  const pgStatistic = tableOpen(RELATION.pgStatistic, LOCK.rowExclusive);
  const indexes = new CatalogIndexes(pgStatistic);
  columns.forEach((column, i) => {
    const result = results[i];
    if (result === null || result === undefined) return;
    const row: Record<string, Datum> = {
      starelid: relid,
      staattnum: column.attnum,
      stainherit: isInherited,
      stanullfrac: Math.fround(result.nullFraction),
      stawidth: Math.trunc(result.width),
      stadistinct: Math.fround(result.distinct),
    };
    for (let k = 1; k <= STATISTIC_SLOTS; k++) {
      const slot = result.slots[k - 1];
      row[`stakind${k}`] = slot?.kind ?? 0;
      row[`staop${k}`] = slot?.operator ?? 0;
      row[`stacoll${k}`] = slot?.collation ?? 0;
      row[`stanumbers${k}`] = slot?.numbers == null ? null : arrayOf(FLOAT4, slot.numbers.map(Math.fround));
      row[`stavalues${k}`] = slot?.values == null ? null : arrayOf(slot.type, slot.values);
    }
    const scan = systableBeginScan(pgStatistic, PG_STATISTIC_INDEX, true, [
      { attnum: 1, value: relid },
      { attnum: 2, value: column.attnum },
      { attnum: 3, value: isInherited },
    ]);
    const old = scan.next() ? scan.tid : null;
    scan.end();
    if (old === null) catalogInsert(pgStatistic, catalogValues(pgStatistic, row), indexes);
    else catalogUpdateColumns(pgStatistic, old, row, indexes);
  });
  indexes.close();
  relationClose(pgStatistic, LOCK.rowExclusive);
}

// ── a table ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** analyze_rel(). */
export function analyzeRelation(
  target: VacuumTarget,
  options: AnalyzeOptions,
  inOuterXact: boolean,
  strategy: AccessStrategy | null,
): void {
  const level: Level = options.verbose ? 'INFO' : 'DEBUG2';
  const rel = openTarget(target.oid, target.name, 'analyze', options.skipLocked, LOCK.shareUpdateExclusive);
  if (rel === null) return;
  const isOtherTemp = rel.persistence === 't' && !rel.isLocalTemp;
  if (!mayVacuumRelation(rel, 'analyze') || isOtherTemp || rel.oid === RELATION.pgStatistic) {
    relationClose(rel, LOCK.shareUpdateExclusive);
    return;
  }
  if (!'rmp'.includes(rel.kind)) {
    if (!options.vacuum) {
      report('WARNING', { message: `skipping "${rel.name}" --- cannot analyze non-tables or special system tables` });
    }
    relationClose(rel, LOCK.shareUpdateExclusive);
    return;
  }
  pgstatProgressStartCommand(PROGRESS_COMMAND.analyze, rel.oid);
  const work = { rel, target, options, inOuterXact, strategy, level };
  if (rel.kind !== 'p') analyzeOnce(work, false);
  if (rel.hasSubclass) analyzeOnce(work, true);
  relationClose(rel, LOCK.none);
  pgstatProgressEndCommand();
}

interface Work {
  readonly rel: RelationData;
  readonly target: VacuumTarget;
  readonly options: AnalyzeOptions;
  readonly inOuterXact: boolean;
  readonly strategy: AccessStrategy | null;
  readonly level: Level;
}

/** The columns that were named, or all. */
function columnsOf({ rel, target }: Work): AnalyzedColumn[] {
  const numbers: number[] = [];
  for (const name of target.columns) {
    const at = rel.tupleDesc.attributeIndex(name);
    if (at < 0) {
      report('ERROR', {
        code: SQLSTATE.undefinedColumn,
        message: `column "${name}" of relation "${rel.name}" does not exist`,
      });
    }
    if (numbers.includes(at + 1)) {
      report('ERROR', {
        code: SQLSTATE.duplicateColumn,
        message: `column "${name}" of relation "${rel.name}" appears more than once`,
      });
    }
    numbers.push(at + 1);
  }
  const wanted = target.columns.length > 0 ? numbers : rel.tupleDesc.attrs.map((_, i) => i + 1);
  return wanted.flatMap((attnum) => examineColumn(rel, attnum, null) ?? []);
}

/** do_analyze_rel(). */
function analyzeOnce(work: Work, isInherited: boolean): void {
  const { rel, level } = work;
  const title = `"${namespaceNameOf(rel)}.${rel.name}"`;
  report(level, { message: `analyzing ${title}${isInherited ? ' inheritance tree' : ''}` });
  asOwner(rel.owner, () => analyzeAsOwner(work, isInherited));
}
function analyzeAsOwner(work: Work, isInherited: boolean): void {
  const { rel, target, options, inOuterXact } = work;
  const columns = columnsOf(work);
  const isPartitioned = rel.kind === 'p';
  const opened = isInherited ? [] : openIndexes(rel, LOCK.accessShare);
  const hasIndex = opened.length > 0 || (isPartitioned && relationGetIndexList(rel).length > 0);
  const indexes = opened.map((index) => examineIndex(index, target.columns.length === 0));
  const wanted = Math.max(100, ...columns.map(minRows), ...indexes.flatMap((one) => one.columns.map(minRows)));
  pgstatProgressUpdateParam(
    ANALYZE_PROGRESS.phase,
    isInherited ? ANALYZE_PHASE.acquireSampleRowsInherited : ANALYZE_PHASE.acquireSampleRows,
  );
  const sample = isInherited ? sampleTree(work, wanted) : acquireSampleRows(rel, wanted, work.strategy, work.level);
  if (sample.rows.length > 0) {
    pgstatProgressUpdateParam(ANALYZE_PROGRESS.phase, ANALYZE_PHASE.computeStats);
    const results = columns.map((column) =>
      compute(column, new HeapColumnSample(rel, sample.rows, column.attnum), sample.totalRows, isInherited),
    );
    for (const one of indexes) computeIndexStats(rel, sample, one);
    updateStatistics(rel.oid, isInherited, columns, results);
    for (const one of indexes) updateStatistics(one.index.oid, false, one.columns, one.results);
  }
  pgstatProgressUpdateParam(ANALYZE_PROGRESS.phase, ANALYZE_PHASE.finalizeAnalyze);
  if (!isInherited) {
    writeRelStats(
      rel,
      relationNblocks(rel),
      sample.totalRows,
      visibilityMapCount(rel).allVisible,
      hasIndex,
      inOuterXact,
    );
    for (const { index, fraction } of indexes) {
      writeRelStats(index, relationNblocks(index), Math.ceil(fraction * sample.totalRows), 0, false, inOuterXact);
    }
  } else if (isPartitioned) writeRelStats(rel, -1, sample.totalRows, 0, hasIndex, inOuterXact);
  // Without a VACUUM nobody else lets the indexes clean up.
  if (!options.vacuum) {
    for (const { index } of indexes) {
      indexVacuumCleanup(
        {
          index,
          analyzeOnly: true,
          reportProgress: false,
          estimatedCount: true,
          messageLevel: work.level,
          numHeapTuples: rel.tuples,
          strategy: work.strategy,
        },
        null,
      );
    }
  }
  closeIndexes(opened, LOCK.none);
  freeSample(sample);
}
function writeRelStats(
  rel: Relation,
  pages: number,
  tuples: number,
  allVisible: number,
  hasIndex: boolean,
  inOuterXact: boolean,
): void {
  const none = { frozenXid: 0 as TransactionId, minMulti: 0 as MultiXactId };
  updateRelStats(rel, { pages, tuples, allVisible, hasIndex, ...none }, inOuterXact);
}

/** acquire_inherited_sample_rows(): of each child a share of the sample that is its share of the blocks. */
function sampleTree({ rel, strategy, level }: Work, wanted: number): Sample {
  const whole: Sample = { rows: [], totalRows: 0, totalDeadRows: 0 };
  const children = allInheritors(rel.oid, LOCK.accessShare);
  if (children.length === 0) {
    report(level, {
      message: `skipping analyze of "${namespaceNameOf(rel)}.${rel.name}" inheritance tree --- this inheritance tree contains no child tables`,
    });
    return whole;
  }
  const parts: { rel: RelationData; blocks: number }[] = [];
  for (const oid of [rel.oid, ...children]) {
    const part = tableOpen(oid, LOCK.none);
    const isForeignTemp = part.persistence === 't' && !part.isLocalTemp;
    if (isForeignTemp || !'rm'.includes(part.kind)) {
      relationClose(part, oid === rel.oid ? LOCK.none : LOCK.accessShare);
      continue;
    }
    parts.push({ rel: part, blocks: relationNblocks(part) });
  }
  if (parts.length === 0) {
    report(level, {
      message: `skipping analyze of "${namespaceNameOf(rel)}.${rel.name}" inheritance tree --- this inheritance tree contains no analyzable child tables`,
    });
    return whole;
  }
  const totalBlocks = parts.reduce((sum, part) => sum + part.blocks, 0);
  pgstatProgressUpdateParam(ANALYZE_PROGRESS.childTablesTotal, parts.length);
  parts.forEach((part, i) => {
    pgstatProgressUpdateParam(ANALYZE_PROGRESS.currentChildTable, part.rel.oid);
    if (part.blocks > 0) {
      const share = Math.min(Math.round((wanted * part.blocks) / totalBlocks), wanted - whole.rows.length);
      if (share > 0) {
        const sample = acquireSampleRows(part.rel, share, strategy, level);
        convertRows(sample.rows, part.rel.tupleDesc, rel.tupleDesc);
        whole.rows.push(...sample.rows);
        whole.totalRows += sample.totalRows;
        whole.totalDeadRows += sample.totalDeadRows;
      }
    }
    relationClose(part.rel, LOCK.none);
    pgstatProgressUpdateParam(ANALYZE_PROGRESS.childTablesDone, i + 1);
  });
  return whole;
}
