/** maintenance-commands.ts — utility commands that keep tables and indexes in order. Part of the table of tcop/utility.ts. */
import { clusterStatement } from '#commands/cluster.ts';
import { reindexStatement } from '#commands/reindex.ts';
import { vacuumStatement } from '#commands/vacuum.ts';
import type { CommandTable } from '#tcop/utility.ts';

export const MAINTENANCE_COMMANDS: CommandTable = {
  VacuumStmt: { run: (stmt, call) => vacuumStatement(stmt, call.isTopLevel) },
  ClusterStmt: { run: (stmt, call) => clusterStatement(stmt, call.isTopLevel) },
  ReindexStmt: { run: (stmt, call) => reindexStatement(stmt, call.isTopLevel) },
};
