/** object-commands.ts — utility commands on objects that are no tables: sequences, schemas, views, types, functions.
 *  Part of the table of tcop/utility.ts. */
import { commentObject } from '#commands/comment.ts';
import { createTableAs, refreshMaterializedView, selectInto } from '#commands/create-table-as.ts';
import { defineDomain } from '#commands/domain.ts';
import { createSchema } from '#commands/schema.ts';
import { alterSequence, defineSequence } from '#commands/sequence.ts';
import { alterEnum, defineCompositeType, defineEnum } from '#commands/types.ts';
import { defineView } from '#commands/view.ts';
import type { CommandTable } from '#tcop/utility.ts';

export const OBJECT_COMMANDS: CommandTable = {
  CreateSeqStmt: { run: (stmt, call) => void defineSequence(stmt, call.sourceText), writes: true },
  AlterSeqStmt: { run: (stmt, call) => void alterSequence(stmt, call.sourceText), writes: true },
  CreateSchemaStmt: { run: (stmt, call) => createSchema(stmt, call.sourceText), writes: true },
  CommentStmt: { run: commentObject, writes: true },
  ViewStmt: { run: (stmt, call) => defineView(stmt, call.sourceText, call.start, call.end), writes: true },
  CreateTableAsStmt: { run: (stmt, call) => createTableAs(stmt, call), writes: true },
  // Only with INTO is a SELECT a utility statement.
  SelectStmt: { run: (stmt, call) => selectInto(stmt, call), writes: true },
  RefreshMatViewStmt: { run: (stmt) => refreshMaterializedView(stmt), writes: true },
  CreateEnumStmt: { run: defineEnum, writes: true },
  CompositeTypeStmt: { run: (stmt, call) => defineCompositeType(stmt, call.sourceText), writes: true },
  AlterEnumStmt: { run: alterEnum, writes: true },
  CreateDomainStmt: { run: (stmt, call) => defineDomain(stmt, call.sourceText), writes: true },
};
