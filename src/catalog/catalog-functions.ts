/** catalog-functions.ts — SQL functions that answer from the catalog: names, visibility, definitions, who and where am I.
 *  Importing this file makes them all present, with reg* and privilege functions.
 *  Counterpart: src/backend/utils/adt/ruleutils.c, format_type.c, misc.c, name.c; catalog/namespace.c */
import '#catalog/enum.ts';
import '#catalog/privilege-functions.ts';
import '#catalog/reg-types.ts';
import type { ArrayDatum, Datum } from '#adt/datum.ts';
import { linkStatusIfExists, readSymlink } from '#platform/file-system.ts';
import { DEFAULT_TABLESPACE, GLOBAL_TABLESPACE, tablespaceLink } from '#storage/file/paths.ts';
import {
  type CallInfo,
  registerBuiltins,
  registerCallInfoBuiltins,
  registerSetBuiltins,
  type SetIterator,
} from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import { KEYWORDS } from '#catalog/data/keywords.generated.ts';
import { ruleText, storedExprText, userViewText } from '#catalog/deparse.ts';
import { triggerDefinition } from '#catalog/trigger-definition.ts';
import { encodingName, encodingNumber, ENCODINGS } from '#catalog/encodings.ts';
import { formatTypeExtended } from '#catalog/format-type.ts';
import {
  constraintDefinition,
  functionArguments,
  functionDefinition,
  functionIdentityArguments,
  functionResultText,
  indexDefinition,
} from '#catalog/function-text.ts';
import {
  explicitSearchPath,
  functionIsVisible,
  operatorIsVisible,
  relationIsVisible,
  searchPath,
  typeIsVisible,
} from '#catalog/namespace.ts';
import { FIRST_NORMAL_OID, TYPE } from '#catalog/oids.ts';
import { objectAddress } from '#catalog/object-address.ts';
import { objectDescription } from '#catalog/object-description.ts';
import { ownedSequences } from '#catalog/pg-depend.ts';
import { quoteIdentifier, quoteQualified } from '#catalog/quote.ts';
import { findRelationByText } from '#catalog/reg-types.ts';
import { roleByOid } from '#catalog/roles.ts';
import { store } from '#catalog/rows.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import {
  attributes,
  classRow,
  collationRow,
  databaseRow,
  functionArgumentDefault,
  namespaceRow,
  prettyViewDefinition,
  procRow,
  sqlFunctionBody,
  typeRow,
  viewDefinition,
} from '#catalog/syscache.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';

const nothing = (): null => null;

const nameArray = (names: readonly string[]): ArrayDatum => ({
  kind: 'array',
  elementType: TYPE.name,
  dims: names.length === 0 ? [] : [names.length],
  lowerBounds: names.length === 0 ? [] : [1],
  elements: names,
});
const schemaNames = (schemas: readonly Oid[]): string[] =>
  schemas.map((oid) => namespaceRow(oid)?.nspname).filter((name) => name !== undefined);

function visibleBy<T>(row: (oid: Oid) => T | undefined, namespace: (row: T) => Oid): (oid: Oid) => boolean | null {
  return (oid) => {
    const found = row(oid);
    return found === undefined ? null : searchPath().includes(namespace(found));
  };
}

/** A view's definition; empty text for anything else. */
const viewText = (oid: Oid, pretty: boolean): string | null => {
  const row = classRow(oid);
  if (row === undefined) return null;
  if (row.relkind !== 'v' && row.relkind !== 'm') return 'Not a view';
  return (pretty ? prettyViewDefinition(oid) : viewDefinition(oid)) ?? userViewText(oid, pretty) ?? 'Not a view';
};

/** The sequence of a serial or identity column, with its schema. */
function serialSequence(table: string, column: string): string | null {
  const relid = findRelationByText(table);
  const attnum = attributes(relid).find((row) => row.attname === column && !row.attisdropped)?.attnum;
  if (attnum === undefined) {
    return report('ERROR', {
      code: SQLSTATE.undefinedColumn,
      message: `column "${column}" of relation "${classRow(relid)?.relname ?? ''}" does not exist`,
    });
  }
  const [sequence] = ownedSequences(relid, attnum);
  const row = sequence === undefined ? undefined : classRow(sequence);
  return row === undefined ? null : quoteQualified(namespaceRow(row.relnamespace)?.nspname ?? '', row.relname);
}

/** The collation of pg_collation_for's argument. */
function collationFor(info: CallInfo, _value: Datum): Datum {
  const type = info.argTypes[0] ?? (0 as Oid);
  const row = typeRow(type);
  if (row === undefined) return null;
  if (row.typcollation === 0 && type !== TYPE.unknown) {
    report('ERROR', {
      code: SQLSTATE.datatypeMismatch,
      message: `collations are not supported by type ${formatTypeExtended(type, {})}`,
    });
  }
  if (info.collation === 0) return null;
  return quoteIdentifier(collationRow(info.collation)?.collname ?? '');
}

registerBuiltins({
  // who and where am I
  current_database: () => sessionIdentity.databaseName,
  current_user: () => sessionIdentity.userName,
  session_user: () => sessionIdentity.sessionUserName,
  current_schema: () => schemaNames(explicitSearchPath())[0] ?? null,
  current_schemas: (implicit: boolean) => nameArray(schemaNames(implicit ? searchPath() : explicitSearchPath())),
  pg_my_temp_schema: () => sessionIdentity.tempNamespace,
  pg_is_other_temp_schema: (oid: Oid) =>
    oid !== sessionIdentity.tempNamespace && (namespaceRow(oid)?.nspname.startsWith('pg_temp_') ?? false),

  // encodings
  getdatabaseencoding: () => encodingName(databaseRow(sessionIdentity.databaseOid)?.encoding ?? 6),
  pg_client_encoding: () => encodingName(encodingNumber(settings.client_encoding)),
  PG_encoding_to_char: (encoding: number) => encodingName(encoding),
  PG_char_to_encoding: (name: string) => encodingNumber(name),
  pg_encoding_max_length_sql: (encoding: number) => ENCODINGS[encoding]?.[1] ?? null,

  // names
  format_type: (oid: Oid | null, typmod: number | null) => {
    if (oid === null) return null;
    return formatTypeExtended(oid, {
      allowInvalid: true,
      typmod: typmod ?? -1,
      typmodGiven: typmod !== null,
    });
  },
  pg_get_userbyid: (oid: Oid) => roleByOid(oid)?.name ?? `unknown (OID=${oid})`,

  // visibility
  pg_table_is_visible: (oid: Oid) => (classRow(oid) === undefined ? null : relationIsVisible(oid)),
  pg_type_is_visible: (oid: Oid) => (typeRow(oid) === undefined ? null : typeIsVisible(oid)),
  pg_function_is_visible: (oid: Oid) => (procRow(oid) === undefined ? null : functionIsVisible(oid)),
  pg_operator_is_visible: (oid: Oid) => (store.operator.byOid(oid) === undefined ? null : operatorIsVisible(oid)),
  pg_opclass_is_visible: visibleBy(
    (oid) => store.opclass.byOid(oid),
    (row) => row.opcnamespace,
  ),
  pg_opfamily_is_visible: visibleBy(
    (oid) => store.opfamily.byOid(oid),
    (row) => row.opfnamespace,
  ),
  pg_collation_is_visible: visibleBy(
    (oid) => store.collation.byOid(oid),
    (row) => row.collnamespace,
  ),
  pg_conversion_is_visible: visibleBy(
    (oid) => store.conversion.byOid(oid),
    (row) => row.connamespace,
  ),
  pg_ts_config_is_visible: visibleBy(
    (oid) => store.tsConfig.byOid(oid),
    (row) => row.cfgnamespace,
  ),
  pg_ts_dict_is_visible: visibleBy(
    (oid) => store.tsDict.byOid(oid),
    (row) => row.dictnamespace,
  ),
  pg_ts_parser_is_visible: visibleBy(
    (oid) => store.tsParser.byOid(oid),
    (row) => row.prsnamespace,
  ),
  pg_ts_template_is_visible: visibleBy(
    (oid) => store.tsTemplate.byOid(oid),
    (row) => row.tmplnamespace,
  ),
  pg_statistics_obj_is_visible: nothing,

  // definitions
  pg_get_viewdef: (oid: Oid) => viewText(oid, false),
  pg_get_viewdef_ext: viewText,
  pg_get_viewdef_wrap: (oid: Oid, _wrap: number) => viewText(oid, true),
  pg_get_viewdef_name: (name: string) => viewText(findRelationByText(name), false),
  pg_get_viewdef_name_ext: (name: string, pretty: boolean) => viewText(findRelationByText(name), pretty),
  pg_get_functiondef: functionDefinition,
  pg_get_function_arguments: functionArguments,
  pg_get_function_identity_arguments: functionIdentityArguments,
  pg_get_function_result: functionResultText,
  pg_get_function_arg_default: (oid: Oid, argument: number) => functionArgumentDefault(oid, argument) ?? null,
  pg_get_function_sqlbody: (oid: Oid) => sqlFunctionBody(oid) ?? null,
  pg_get_indexdef: (oid: Oid) => indexDefinition(oid, 0, false),
  pg_get_indexdef_ext: (oid: Oid, column: number, pretty: boolean) => indexDefinition(oid, column, pretty),
  pg_get_constraintdef: (oid: Oid) => constraintDefinition(oid),
  pg_get_constraintdef_ext: (oid: Oid, pretty: boolean) => constraintDefinition(oid, pretty),
  pg_get_expr: (text: string, relid: Oid) => storedExprText(text, relid, false),
  pg_get_expr_ext: (text: string, relid: Oid, pretty: boolean) => storedExprText(text, relid, pretty),
  pg_get_ruledef: (oid: Oid) => ruleText(oid, false),
  pg_get_ruledef_ext: (oid: Oid, pretty: boolean) => ruleText(oid, pretty),
  pg_describe_object: (classId: Oid, objectId: Oid, subId: number) =>
    classId === 0 && objectId === 0 ? null : objectDescription(objectAddress(classId, objectId, subId)),
  pg_get_triggerdef: (oid: Oid) => triggerDefinition(oid, false),
  pg_get_triggerdef_ext: triggerDefinition,
  pg_get_partkeydef: nothing,
  pg_get_partition_constraintdef: nothing,
  pg_get_statisticsobjdef: nothing,
  pg_get_statisticsobjdef_columns: nothing,
  pg_get_statisticsobjdef_expressions: nothing,
  pg_get_serial_sequence: serialSequence,
  pg_get_replica_identity_index: nothing,

  // properties
  pg_relation_is_publishable: (oid: Oid) => {
    const row = classRow(oid);
    if (row === undefined) return null;
    return (row.relkind === 'r' || row.relkind === 'p') && row.relpersistence === 'p' && oid >= FIRST_NORMAL_OID;
  },
  pg_tablespace_location: (oid: Oid) => {
    const known = oid === 0 ? undefined : store.tablespace.byOid(oid);
    if (oid !== 0 && known === undefined) {
      report('ERROR', { code: SQLSTATE.undefinedObject, message: `tablespace with OID ${oid} does not exist` });
    }
    const space = oid === 0 ? sessionIdentity.databaseTablespace : oid;
    if (space === DEFAULT_TABLESPACE || space === GLOBAL_TABLESPACE) return '';
    const link = tablespaceLink(space);
    const status = linkStatusIfExists(link);
    if (status === undefined) {
      report('ERROR', {
        code: SQLSTATE.undefinedFile,
        message: `could not stat file "${link}": No such file or directory`,
      });
    }
    // One made in place is a folder.
    return status?.isSymlink === true ? readSymlink(link) : link;
  },
  row_security_active: (oid: Oid) => (classRow(oid) === undefined ? null : false),
  row_security_active_name: (name: string) => {
    findRelationByText(name);
    return false;
  },
  pg_column_is_updatable: (oid: Oid) => classRow(oid)?.relkind === 'r',
  pg_relation_is_updatable: (oid: Oid) => (classRow(oid)?.relkind === 'r' ? 28 : 0),
});

registerCallInfoBuiltins({
  pg_typeof: (info) => info.argTypes[0] ?? (0 as Oid),
  pg_collation_for: collationFor,
});

class Rows implements SetIterator {
  value: Datum | readonly Datum[] = null;
  readonly #iterator: Iterator<readonly Datum[]>;
  constructor(rows: Iterable<readonly Datum[]>) {
    this.#iterator = rows[Symbol.iterator]();
  }
  next(): boolean {
    const step = this.#iterator.next();
    if (step.done === true) return false;
    this.value = step.value;
    return true;
  }
}
const CATEGORIES: Readonly<Record<string, string>> = {
  U: 'unreserved',
  C: 'unreserved (cannot be function or type name)',
  T: 'reserved (can be function or type name)',
  R: 'reserved',
};
registerSetBuiltins({
  pg_get_keywords: () =>
    new Rows(
      KEYWORDS.map(([word, code, bare]) => [
        word,
        code,
        bare,
        CATEGORIES[code] ?? '',
        bare ? 'can be bare label' : 'requires AS',
      ]),
    ),
  pg_options_to_table: (_info, options: ArrayDatum) =>
    new Rows(
      options.elements.map((option) => {
        const text = String(option);
        const at = text.indexOf('=');
        return at < 0 ? [text, null] : [text.slice(0, at), text.slice(at + 1)];
      }),
    ),
});
