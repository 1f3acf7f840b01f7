/** guc-report.ts — the ParameterStatus messages: all reported settings at session start, later the changed ones.
 *
 *  A change is only marked when it happens; the session asks just before ReadyForQuery, so that a value set and put
 *  back within one query is never sent. Order: by name, ignoring case.
 *  Counterpart: BeginReportingGUCOptions(), ReportChangedGUCOptions() of src/backend/utils/misc/guc.c */
import { showOption } from '#runtime/guc/guc.ts';
import { allParameters, type Parameter } from '#runtime/guc/records.ts';

export type ReportedParameter = readonly [name: string, value: string];

let reported: readonly Parameter[] = [];

function collect(): readonly ReportedParameter[] {
  const changed: ReportedParameter[] = [];
  for (const parameter of reported) {
    if (!parameter.needsReport) continue;
    parameter.needsReport = false;
    const value = showOption(parameter, true);
    if (value === parameter.lastReported) continue;
    parameter.lastReported = value;
    changed.push([parameter.name, value]);
  }
  return changed;
}

/** Start of a session: everything is to be told. */
export function beginReportingParameters(): readonly ReportedParameter[] {
  reported = allParameters().filter((parameter) => parameter.has('REPORT'));
  for (const parameter of reported) {
    parameter.needsReport = true;
    parameter.lastReported = null;
  }
  return collect();
}

const NOTHING: readonly ReportedParameter[] = [];

/** What changed since the last call; empty before `beginReportingParameters`. */
export function changedReportedParameters(): readonly ReportedParameter[] {
  for (const parameter of reported) if (parameter.needsReport) return collect();
  return NOTHING;
}
