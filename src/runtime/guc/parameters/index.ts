/** index.ts — the one table of parameters, and the type of `settings` that follows from it. */
import { autovacuum } from '#runtime/guc/parameters/autovacuum.ts';
import { clientDefaults } from '#runtime/guc/parameters/client-defaults.ts';
import { compatibility } from '#runtime/guc/parameters/compatibility.ts';
import { connections } from '#runtime/guc/parameters/connections.ts';
import { developer } from '#runtime/guc/parameters/developer.ts';
import { errorHandling } from '#runtime/guc/parameters/error-handling.ts';
import { fileLocations } from '#runtime/guc/parameters/file-locations.ts';
import { lockManagement } from '#runtime/guc/parameters/lock-management.ts';
import { nodegres } from '#runtime/guc/parameters/nodegres.ts';
import { preset } from '#runtime/guc/parameters/preset.ts';
import { queryTuning } from '#runtime/guc/parameters/query-tuning.ts';
import { replication } from '#runtime/guc/parameters/replication.ts';
import { reporting } from '#runtime/guc/parameters/reporting.ts';
import { resourceUsage } from '#runtime/guc/parameters/resource-usage.ts';
import { statistics } from '#runtime/guc/parameters/statistics.ts';
import { ungrouped } from '#runtime/guc/parameters/ungrouped.ts';
import { writeAheadLog } from '#runtime/guc/parameters/write-ahead-log.ts';

export const PARAMETERS = {
  ...fileLocations,
  ...connections,
  ...resourceUsage,
  ...writeAheadLog,
  ...replication,
  ...queryTuning,
  ...reporting,
  ...statistics,
  ...autovacuum,
  ...clientDefaults,
  ...lockManagement,
  ...compatibility,
  ...errorHandling,
  ...preset,
  ...developer,
  ...ungrouped,
  ...nodegres,
};
export type Parameters = typeof PARAMETERS;
export type ParameterName = keyof Parameters;

type ValueOf<D> = D extends { readonly type: 'bool' }
  ? boolean
  : D extends { readonly type: 'int' | 'real' }
    ? number
    : D extends { readonly type: 'enum'; readonly values: readonly (infer V)[] }
      ? V
      : string;
export type ParameterValue<K extends ParameterName> = ValueOf<Parameters[K]>;
export type Settings = { readonly [K in ParameterName]: ParameterValue<K> };
