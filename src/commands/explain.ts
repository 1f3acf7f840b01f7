/** explain.ts — EXPLAIN: the plan as text or as a structured document, with measured figures under ANALYZE.
 *
 *  The tree is first turned into nodes with labelled properties; the formats differ only in how these are written.
 *  Counterpart: src/backend/commands/explain.c */
import type { Datum } from '#adt/datum.ts';
import { TYPE } from '#catalog/oids.ts';
import { evaluateParams } from '#commands/prepare.ts';
import { describePlan } from '#commands/explain-nodes.ts';
import { type ExplainOptions, writeJson, writeText, writeXml, writeYaml } from '#commands/explain-output.ts';
import {
  createQueryDesc,
  executorEnd,
  executorFinish,
  executorRun,
  executorStart,
  type QueryDesc,
} from '#executor/run.ts';
import { type BoundParams, type DestReceiver, discardReceiver, type ResultColumn } from '#nodes/exec-nodes.ts';
import type { Query } from '#nodes/parse-nodes.ts';
import type { PlannedStmt } from '#nodes/plan-nodes.ts';
import { planQuery } from '#optimizer/planner.ts';
import { analyzeNode } from '#parser/analyze.ts';
import { type Body, bodyOf, isTag, tagOf } from '#parser/ast.ts';
import { fetchPreparedStatement } from '#portal/prepared.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { rewriteQuery } from '#rewrite/rewrite.ts';
import {
  activeSnapshotSet,
  getActiveSnapshot,
  popActiveSnapshot,
  pushCopiedSnapshot,
  updateActiveSnapshotCommandId,
} from '#transam/snapshot.ts';
import { commandCounterIncrement } from '#transam/xact.ts';
import type { Node } from '@pgsql/types';

const OPTIMIZABLE: ReadonlySet<string> = new Set(['SelectStmt', 'InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt']);
const FORMATS = ['text', 'xml', 'json', 'yaml'] as const;

function booleanOption(name: string, value: Node | undefined): boolean {
  if (value === undefined) return true;
  const text = optionText(value).toLowerCase();
  if (['true', 'on', '1'].includes(text)) return true;
  if (['false', 'off', '0'].includes(text)) return false;
  return report('ERROR', { code: SQLSTATE.syntaxError, message: `${name} requires a Boolean value` });
}
function optionText(value: Node): string {
  if (isTag(value, 'String')) return bodyOf(value, 'String').sval ?? '';
  if (isTag(value, 'Integer')) return String(bodyOf(value, 'Integer').ival ?? 0);
  if (isTag(value, 'Boolean')) return bodyOf(value, 'Boolean').boolval === true ? 'true' : 'false';
  return '';
}

export function explainOptions(stmt: Body<'ExplainStmt'>): ExplainOptions {
  const options: ExplainOptions = {
    analyze: false,
    verbose: false,
    costs: true,
    buffers: false,
    wal: false,
    settings: false,
    timing: true,
    summary: false,
    format: 'text',
  };
  let timingSet = false;
  let summarySet = false;
  for (const node of stmt.options ?? []) {
    const option = bodyOf(node, 'DefElem');
    const name = option.defname ?? '';
    switch (name) {
      case 'analyze':
      case 'verbose':
      case 'costs':
      case 'buffers':
      case 'wal':
      case 'settings':
        options[name] = booleanOption(name, option.arg);
        break;
      case 'timing':
        timingSet = true;
        options.timing = booleanOption(name, option.arg);
        break;
      case 'summary':
        summarySet = true;
        options.summary = booleanOption(name, option.arg);
        break;
      case 'format': {
        const format = FORMATS.find((known) => known === (option.arg === undefined ? '' : optionText(option.arg)));
        if (format === undefined) {
          report('ERROR', {
            code: SQLSTATE.invalidParameterValue,
            message: `unrecognized value for EXPLAIN option "format": "${option.arg === undefined ? '' : optionText(option.arg)}"`,
            position: option.location === undefined ? undefined : option.location + 1,
          });
        }
        options.format = format;
        break;
      }
      default:
        report('ERROR', {
          code: SQLSTATE.syntaxError,
          message: `unrecognized EXPLAIN option "${name}"`,
          position: option.location === undefined ? undefined : option.location + 1,
        });
    }
  }
  const needsAnalyze = (what: string): never =>
    report('ERROR', { code: SQLSTATE.invalidParameterValue, message: `EXPLAIN option ${what} requires ANALYZE` });
  if (options.wal && !options.analyze) needsAnalyze('WAL');
  if (timingSet && options.timing && !options.analyze) needsAnalyze('TIMING');
  options.timing = options.analyze && options.timing;
  if (!summarySet) options.summary = options.analyze;
  return options;
}

/** The one column that EXPLAIN gives. */
export function explainColumns(stmt: Body<'ExplainStmt'>): ResultColumn[] {
  const { format } = explainOptions(stmt);
  const type = format === 'json' ? TYPE.json : format === 'xml' ? TYPE.xml : TYPE.text;
  return [{ name: 'QUERY PLAN', type, typmod: -1, tableOid: 0 as ResultColumn['tableOid'], attributeNumber: 0 }];
}

/** Carries out EXPLAIN and delivers its rows. */
export function explainQuery(
  stmt: Body<'ExplainStmt'>,
  text: string,
  params: BoundParams | null,
  dest: DestReceiver,
): void {
  const options = explainOptions(stmt);
  const node = stmt.query!;
  const columns = explainColumns(stmt);
  const output = OPTIMIZABLE.has(tagOf(node))
    ? explainSelect(node, text, params, options)
    : isTag(node, 'ExecuteStmt')
      ? explainExecute(bodyOf(node, 'ExecuteStmt'), text, params, options)
      : explainUtility(options);
  dest.start(columns);
  const row: Datum[] = [null];
  // Text goes out line by line, a document as one value.
  const lines = options.format === 'text' ? output.replace(/\n$/, '').split('\n') : [output];
  for (const line of lines) {
    row[0] = line;
    if (!dest.receive(row)) break;
  }
  dest.finish();
}

function explainExecute(
  stmt: Body<'ExecuteStmt'>,
  text: string,
  outer: BoundParams | null,
  options: ExplainOptions,
): string {
  const entry = fetchPreparedStatement(stmt.name ?? '');
  const params = evaluateParams(stmt, text, outer, entry.source.paramTypes, entry.name);
  const before = performance.now();
  const plans = entry.source.getPlan(params);
  const planningTime = performance.now() - before;
  return plans
    .map((plan) =>
      plan.commandType === 'utility' ? explainUtility(options) : explainOnePlan(plan, params, options, planningTime),
    )
    .join('\n');
}

function explainUtility(options: ExplainOptions): string {
  if (options.format === 'json') return '[\n  "Utility statements have no plan structure"\n]';
  return 'Utility statements have no plan structure\n';
}

function explainSelect(node: Node, text: string, params: BoundParams | null, options: ExplainOptions): string {
  const types = params === null ? [] : params.types.slice();
  const query = analyzeNode(node, text, { types, variable: false });
  if (query.commandType === 'utility') {
    return report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: 'SELECT INTO is not supported',
    });
  }
  const rewritten: Query[] = rewriteQuery(query);
  const outputs = rewritten.map((item) => explainPlanned(item, params, options));
  return outputs.join('\n');
}

function explainPlanned(query: Query, params: BoundParams | null, options: ExplainOptions): string {
  const before = performance.now();
  const plan = planQuery(query, params);
  const planningTime = performance.now() - before;
  return explainOnePlan(plan, params, options, planningTime);
}

/** A plan as EXPLAIN shows it; runs it under ANALYZE. */
export function explainOnePlan(
  plan: PlannedStmt,
  params: BoundParams | null,
  options: ExplainOptions,
  planningTime: number | null,
): string {
  const queryDesc: QueryDesc = createQueryDesc(plan, params, discardReceiver, options.analyze);
  const before = performance.now();
  queryDesc.skipTriggers = !options.analyze;
  // What the statement does must not be seen by those before it, nor change the caller's snapshot.
  const seesData = activeSnapshotSet();
  if (seesData) {
    pushCopiedSnapshot(getActiveSnapshot());
    updateActiveSnapshotCommandId();
  }
  executorStart(queryDesc);
  if (options.analyze) {
    executorRun(queryDesc, 0);
    executorFinish(queryDesc);
  }
  const root = describePlan(queryDesc, options);
  executorEnd(queryDesc);
  if (seesData) popActiveSnapshot();
  if (options.analyze && seesData) commandCounterIncrement();
  const executionTime = performance.now() - before;
  const summary: [string, number][] = [];
  if (options.summary && planningTime !== null) summary.push(['Planning Time', planningTime]);
  if (options.summary && options.analyze) summary.push(['Execution Time', executionTime]);
  switch (options.format) {
    case 'text':
      return writeText(root, options, summary);
    case 'json':
      return writeJson(root, options, summary);
    case 'yaml':
      return writeYaml(root, options, summary);
    case 'xml':
      return writeXml(root, options, summary);
  }
}
