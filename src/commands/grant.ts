/** grant.ts — GRANT and REVOKE on objects.
 *
 *  Each object's list (relacl and its like) is changed by acl-update.ts in the name of the best grantor that the user can
 *  be; what he may not grant is left out with a warning. Columns have lists of their own, which REVOKE on the table clears.
 *  Counterpart: src/backend/catalog/aclchk.c */
import type { GrantStmt, Node } from '@pgsql/types';
import type { Relation } from '#access/common/relation-descriptor.ts';
import type { ArrayDatum, Datum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';
import {
  aclItemOf,
  aclMembers,
  type Grant,
  grantOf,
  type GrantWish,
  hasAnyOf,
  mergeAclWithGrant,
  rightBits,
  selectBestGrantor,
} from '#catalog/acl-update.ts';
import { aclArray, defaultAcl, parseAclItem } from '#catalog/acl.ts';
import { catalogUpdateColumns } from '#catalog/indexing.ts';
import { objectAddress } from '#catalog/object-address.ts';
import { permissionDenied, RELKIND_WORD } from '#catalog/object-rights.ts';
import { RELATION } from '#catalog/oids.ts';
import { updateAclDependencies } from '#catalog/pg-shdepend.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { type AttributeRow, store } from '#catalog/rows.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { attributes, systemAttributes, typeRow } from '#catalog/syscache.ts';
import { findCatalogTuples, systableBeginScan } from '#catalog/systable.ts';
import {
  ALL_COLUMN,
  ALL_RELATION,
  ALL_SEQUENCE,
  grantedObjects,
  type GrantKind,
  grantKind,
  privilegeBit,
  privilegeWord,
} from '#commands/grant-target.ts';
import { roleSpecsOf } from '#commands/role-names.ts';
import { roleSpecOid } from '#commands/role-spec.ts';
import { stringsOf } from '#parser/ast.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE, type SqlState } from '#runtime/error/sqlstate.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { commandCounterIncrement } from '#transam/xact.ts';

/** A GRANT in the system's own terms. */
export interface InternalGrant extends GrantWish {
  readonly type: NonNullable<GrantStmt['objtype']>;
  readonly objects: readonly Oid[];
  /** ALL PRIVILEGES: `privileges` is 0 then. */
  readonly allPrivileges: boolean;
  readonly privileges: number;
  readonly columns: readonly ColumnGrant[];
}
interface ColumnGrant {
  /** null: ALL. */
  readonly privilege: string | null;
  readonly columns: readonly string[];
}

const refuse = (message: string, code: SqlState = SQLSTATE.invalidGrantOperation, hint?: string): never =>
  report('ERROR', { code, message, hint });

export const granteesOf = (nodes: readonly Node[] | undefined): Oid[] =>
  roleSpecsOf(nodes).map((spec) => (spec.roletype === 'ROLESPEC_PUBLIC' ? (0 as Oid) : roleSpecOid(spec)));
export const behaviorOf = (behavior: string | undefined): 'restrict' | 'cascade' =>
  behavior === 'DROP_CASCADE' ? 'cascade' : 'restrict';

export function grantStatement(stmt: GrantStmt): void {
  if (stmt.grantor !== undefined && roleSpecOid(stmt.grantor) !== sessionIdentity.userOid) {
    refuse('grantor must be current user', SQLSTATE.featureNotSupported);
  }
  const type = stmt.objtype ?? 'OBJECT_TABLE';
  const kind = grantKind(type);
  const objects = grantedObjects(stmt);
  const grantees = granteesOf(stmt.grantees);
  let privileges = 0;
  const columns: ColumnGrant[] = [];
  for (const node of stmt.privileges ?? []) {
    const one = 'AccessPriv' in node ? node.AccessPriv : {};
    if ((one.cols?.length ?? 0) > 0) {
      if (type !== 'OBJECT_TABLE') refuse('column privileges are only valid for relations');
      columns.push({ privilege: one.priv_name ?? null, columns: stringsOf(one.cols) });
      continue;
    }
    const bit = privilegeBit(one.priv_name ?? '');
    if ((bit & ~kind.allowed) !== 0) refuse(`invalid privilege type ${privilegeWord(bit)} for ${kind.word}`);
    privileges |= bit;
  }
  runGrant({
    isGrant: stmt.is_grant === true,
    grantOption: stmt.grant_option === true,
    behavior: behaviorOf(stmt.behavior),
    grantees,
    type,
    objects,
    allPrivileges: (stmt.privileges?.length ?? 0) === 0,
    privileges,
    columns,
  });
}

export function runGrant(grant: InternalGrant): void {
  const kind = grantKind(grant.type);
  const rel = tableOpen(kind.catalog, LOCK.rowExclusive);
  for (const object of grant.objects) {
    if (kind.catalog === RELATION.pgClass) grantOnRelation(rel, grant, object);
    else grantOnObject(rel, kind, grant, object);
    // The same object may be named twice.
    commandCounterIncrement();
  }
  relationClose(rel, LOCK.rowExclusive);
}

// ── one list ─────────────────────────────────────────────────────────────────────────────────────────────────────

interface GrantedThing {
  readonly owner: Oid;
  readonly acl: readonly Grant[];
  /** All rights there are on it. */
  readonly whole: number;
  readonly deniedWord: string;
  readonly name: string;
  readonly column?: string;
}

function warnPartly(grant: GrantWish, thing: GrantedThing, which: 'no' | 'not all'): void {
  const what = thing.column === undefined ? `"${thing.name}"` : `column "${thing.column}" of relation "${thing.name}"`;
  report('WARNING', {
    code: grant.isGrant ? SQLSTATE.warningPrivilegeNotGranted : SQLSTATE.warningPrivilegeNotRevoked,
    message: grant.isGrant
      ? `${which} privileges were granted for ${what}`
      : `${which} privileges could be revoked for ${what}`,
  });
}
/** restrict_and_check_grant(): what is left of the wish. */
function restrictGrant(
  grant: GrantWish,
  all: boolean,
  privileges: number,
  available: number,
  grantor: Oid,
  thing: GrantedThing,
): number {
  if (available === 0 && !hasAnyOf(thing.acl, grantor, thing.owner, thing.whole)) {
    if (thing.column !== undefined) permissionDenied('column', `"${thing.column}" of relation "${thing.name}"`);
    permissionDenied(thing.deniedWord, thing.name);
  }
  const left = privileges & available;
  if (left === 0) warnPartly(grant, thing, 'no');
  else if (!all && left !== privileges) warnPartly(grant, thing, 'not all');
  return left;
}
function changedAcl(
  grant: GrantWish,
  all: boolean,
  privileges: number,
  thing: GrantedThing,
  /** The list that is changed, if rights come from others as well. */
  own: readonly Grant[] = thing.acl,
): readonly Grant[] {
  const { grantor, options } = selectBestGrantor(sessionIdentity.userOid, privileges, thing.acl, thing.owner);
  const left = restrictGrant(grant, all, privileges, options, grantor, thing);
  return mergeAclWithGrant(own, grant, left, grantor, thing.owner);
}
export const grantsOfArray = (value: Datum): Grant[] | null =>
  value === null ? null : (value as ArrayDatum).elements.map((item) => grantOf(parseAclItem(item as string)));
export const arrayOfGrants = (acl: readonly Grant[]): ArrayDatum => aclArray(acl.map(aclItemOf));
export const defaultGrants = (letter: string, owner: Oid): Grant[] => defaultAcl(letter, owner).map(grantOf);

// ── objects ──────────────────────────────────────────────────────────────────────────────────────────────────────

function catalogTuple(rel: Relation, index: Oid, oid: Oid): { tid: number; at(column: string): Datum } | null {
  const scan = systableBeginScan(rel, index, true, [{ attnum: 1, value: oid }]);
  if (!scan.next()) {
    scan.end();
    return null;
  }
  const { tid } = scan;
  const values = scan.values();
  scan.end();
  return { tid, at: (column) => values[rel.tupleDesc.attributeIndex(column)]! };
}

function grantOnObject(rel: Relation, kind: GrantKind, grant: InternalGrant, oid: Oid): void {
  const tuple = catalogTuple(rel, kind.index, oid);
  if (tuple === null) {
    report('ERROR', { message: `cache lookup failed for ${kind.deniedWord} ${oid}` });
  }
  const name = tuple!.at(kind.name) as string;
  if (kind.catalog === RELATION.pgLanguage && tuple!.at('lanpltrusted') !== true) {
    report('ERROR', {
      code: SQLSTATE.wrongObjectType,
      message: `language "${name}" is not trusted`,
      detail:
        'GRANT and REVOKE are not allowed on untrusted languages, because only superusers can use untrusted languages.',
    });
  }
  if (kind.catalog === RELATION.pgType) {
    const row = typeRow(oid)!;
    if (row.typelem !== 0 && row.typcategory === 'A') {
      refuse(
        'cannot set privileges of array types',
        SQLSTATE.invalidGrantOperation,
        'Set the privileges of the element type instead.',
      );
    }
    if (grant.type === 'OBJECT_DOMAIN' && row.typtype !== 'd') {
      refuse(`"${name}" is not a domain`, SQLSTATE.wrongObjectType);
    }
  }
  const owner = tuple!.at(kind.owner) as Oid;
  const old = grantsOfArray(tuple!.at(kind.acl));
  const acl = old ?? defaultGrants(kind.letter, owner);
  const privileges = grant.allPrivileges ? kind.allowed : grant.privileges;
  const thing = { owner, acl, whole: kind.allowed, deniedWord: kind.deniedWord, name };
  const after = changedAcl(grant, grant.allPrivileges, privileges, thing);
  catalogUpdateColumns(rel, tuple!.tid, { [kind.acl]: arrayOfGrants(after) });
  updateAclDependencies(
    objectAddress(kind.catalog, oid),
    owner,
    old === null ? [] : aclMembers(old),
    aclMembers(after),
  );
}

// ── relations and columns ────────────────────────────────────────────────────────────────────────────────────────

function relationPrivileges(grant: InternalGrant, relkind: string, name: string): number {
  const isSequence = relkind === 'S';
  if (grant.allPrivileges) return isSequence ? ALL_SEQUENCE : ALL_RELATION;
  const { privileges } = grant;
  if (grant.type !== 'OBJECT_TABLE') return privileges;
  if (!isSequence) {
    if ((privileges & ~ALL_RELATION) !== 0) refuse('invalid privilege type USAGE for table');
    return privileges;
  }
  // Once sequences were granted as tables.
  if ((privileges & ~ALL_SEQUENCE) !== 0) {
    report('WARNING', {
      code: SQLSTATE.invalidGrantOperation,
      message: `sequence "${name}" only supports USAGE, SELECT, and UPDATE privileges`,
    });
  }
  return privileges & ALL_SEQUENCE;
}

function columnPrivileges(
  grant: InternalGrant,
  relid: Oid,
  relkind: string,
  name: string,
  revokedOfAll: number,
): Map<number, number> {
  const wanted = new Map<number, number>();
  const add = (attnum: number, bits: number): void => void wanted.set(attnum, (wanted.get(attnum) ?? 0) | bits);
  if (revokedOfAll !== 0) {
    const system = relkind === 'v' ? [] : systemAttributes(relid);
    for (const one of [...system, ...attributes(relid)]) if (!one.attisdropped) add(one.attnum, revokedOfAll);
  }
  for (const { privilege, columns } of grant.columns) {
    let bits = privilege === null ? ALL_COLUMN : privilegeBit(privilege);
    if ((bits & ~ALL_COLUMN) !== 0) refuse(`invalid privilege type ${privilegeWord(bits)} for column`);
    if (relkind === 'S' && (bits & ~rightBits('r')) !== 0) {
      report('WARNING', {
        code: SQLSTATE.invalidGrantOperation,
        message: `sequence "${name}" only supports SELECT column privileges`,
      });
      bits &= rightBits('r');
    }
    for (const column of columns) {
      const found = [...attributes(relid), ...systemAttributes(relid)].find(
        (one) => one.attname === column && !one.attisdropped,
      );
      if (found === undefined) {
        refuse(`column "${column}" of relation "${name}" does not exist`, SQLSTATE.undefinedColumn);
      }
      add(found!.attnum, bits);
    }
  }
  return wanted;
}

function grantOnRelation(rel: Relation, grant: InternalGrant, relid: Oid): void {
  const tuple = catalogTuple(rel, 2662 as Oid, relid);
  if (tuple === null) report('ERROR', { message: `cache lookup failed for relation ${relid}` });
  const name = tuple!.at('relname') as string;
  const relkind = tuple!.at('relkind') as string;
  if (relkind === 'i' || relkind === 'I') refuse(`"${name}" is an index`, SQLSTATE.wrongObjectType);
  if (relkind === 'c') refuse(`"${name}" is a composite type`, SQLSTATE.wrongObjectType);
  if (grant.type === 'OBJECT_SEQUENCE' && relkind !== 'S') {
    refuse(`"${name}" is not a sequence`, SQLSTATE.wrongObjectType);
  }
  const isSequence = relkind === 'S';
  // Without a right on the table there is only something for columns to do.
  const isForTable = grant.allPrivileges ? grant.columns.length === 0 : grant.privileges !== 0;
  const privileges = isForTable ? relationPrivileges(grant, relkind, name) : 0;
  const owner = tuple!.at('relowner') as Oid;
  const old = grantsOfArray(tuple!.at('relacl'));
  const acl = old ?? defaultGrants(isSequence ? 's' : 'r', owner);
  if (privileges !== 0) {
    const whole = isSequence ? ALL_SEQUENCE : ALL_RELATION;
    const thing = { owner, acl, whole, deniedWord: RELKIND_WORD[relkind] ?? 'table', name };
    const after = changedAcl(grant, grant.allPrivileges, privileges, thing);
    catalogUpdateColumns(rel, tuple!.tid, { relacl: arrayOfGrants(after) });
    const before = old === null ? [] : aclMembers(old);
    updateAclDependencies(objectAddress(RELATION.pgClass, relid), owner, before, aclMembers(after));
  }
  const revoked = grant.isGrant ? 0 : privileges & ALL_COLUMN;
  const wanted = columnPrivileges(grant, relid, relkind, name, revoked);
  if (wanted.size === 0) return;
  const attributeRel = tableOpen(RELATION.pgAttribute, LOCK.rowExclusive);
  for (const [attnum, bits] of [...wanted].sort(([a], [b]) => a - b)) {
    if (bits !== 0) grantOnColumn(attributeRel, grant, relid, name, attnum, bits, owner, acl);
  }
  relationClose(attributeRel, LOCK.rowExclusive);
}

const ATTRIBUTE_INDEX = 2659 as Oid;
function grantOnColumn(
  rel: Relation,
  grant: InternalGrant,
  relid: Oid,
  relationNameText: string,
  attnum: number,
  privileges: number,
  owner: Oid,
  tableAcl: readonly Grant[],
): void {
  const [tuple] = findCatalogTuples<AttributeRow>(store.attribute, rel, ATTRIBUTE_INDEX, [
    { attnum: 1, value: relid },
    { attnum: 6, value: attnum },
  ]);
  if (tuple === undefined) {
    report('ERROR', { message: `cache lookup failed for attribute ${attnum} of relation ${relid}` });
  }
  const { tid, row } = tuple!;
  const old = row.attacl === null ? null : row.attacl.map((item) => grantOf(parseAclItem(item)));
  const own = old ?? [];
  const thing = {
    owner,
    acl: [...tableAcl, ...own],
    whole: ALL_COLUMN,
    deniedWord: 'column',
    name: relationNameText,
    column: row.attname,
  };
  const after = changedAcl(grant, privileges === ALL_COLUMN, privileges, thing, own);
  // An empty list is none: that of the table counts.
  if (after.length === 0 && old === null) return;
  catalogUpdateColumns(rel, tid, { attacl: after.length === 0 ? null : arrayOfGrants(after) });
  const before = old === null ? [] : aclMembers(old);
  updateAclDependencies(objectAddress(RELATION.pgClass, relid, attnum), owner, before, aclMembers(after));
}
