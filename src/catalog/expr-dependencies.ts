/** expr-dependencies.ts — which objects an expression or a query mentions, so that they are not dropped from under it.
 *  Counterpart: recordDependencyOnExpr(), find_expr_references_walker() of src/backend/catalog/dependency.c */
import type { Oid } from '#base/ids.ts';
import { formatType } from '#catalog/format-type.ts';
import { type ObjectAddress, objectAddress } from '#catalog/object-address.ts';
import { COLLATION, RELATION, TYPE } from '#catalog/oids.ts';
import { type DependencyType, recordMultipleDependencies } from '#catalog/pg-depend.ts';
import { baseType, classRow, operatorRow, procRow, typeRelid, typeRow } from '#catalog/syscache.ts';
import { exprType } from '#nodes/node-funcs.ts';
import type { Query, RangeTblEntry, SetOperationArg } from '#nodes/parse-nodes.ts';
import type { Const, Expr, SortGroupClause } from '#nodes/primitives.ts';
import { forEachChild, forEachQueryExpr } from '#nodes/visit.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

class Finder {
  readonly found: ObjectAddress[] = [];
  /** Range tables of the query levels around, innermost last. */
  readonly rtables: (readonly RangeTblEntry[])[] = [];

  add(classId: Oid, objectId: Oid, subId = 0): void {
    if (objectId !== 0) this.found.push(objectAddress(classId, objectId, subId));
  }
  collation(oid: Oid): void {
    if (oid !== 0 && oid !== COLLATION.default) this.add(RELATION.pgCollation, oid);
  }
  type(oid: Oid): void {
    this.add(RELATION.pgType, oid);
  }
  operator(oid: Oid): void {
    this.add(RELATION.pgOperator, oid);
  }

  expr(e: Expr): void {
    this.node(e);
    if (e.kind === 'SubLink') this.query(e.subselect);
    forEachChild(e, (child) => this.expr(child));
  }
  node(e: Expr): void {
    switch (e.kind) {
      case 'Var': {
        // A whole row needs nothing but the relation, which its range table entry mentions.
        if (e.varattno === 0) return;
        const rtable = this.rtables[this.rtables.length - 1 - e.varlevelsup];
        const rte = rtable?.[e.varno - 1];
        if (rte === undefined) report('ERROR', { message: `invalid varno ${e.varno}` });
        if (rte.rtekind === 'relation') this.add(RELATION.pgClass, rte.relid, e.varattno);
        else if (rte.rtekind === 'function') this.functionColumn(rte, e.varattno);
        return;
      }
      case 'Const':
        this.type(e.consttype);
        this.collation(e.constcollid);
        this.reference(e);
        return;
      case 'Param':
        this.type(e.paramtype);
        this.collation(e.paramcollid);
        return;
      case 'FuncExpr':
        this.add(RELATION.pgProc, e.funcid);
        return;
      case 'OpExpr':
      case 'DistinctExpr':
      case 'NullIfExpr':
      case 'ScalarArrayOpExpr':
        this.operator(e.opno);
        return;
      case 'Aggref':
        this.add(RELATION.pgProc, e.aggfnoid);
        this.sortClauses([...e.aggorder, ...e.aggdistinct]);
        return;
      case 'WindowFunc':
        this.add(RELATION.pgProc, e.winfnoid);
        return;
      case 'SubscriptingRef':
        if (e.refrestype !== e.refcontainertype && e.refrestype !== e.refelemtype) this.type(e.refrestype);
        return;
      case 'FieldSelect': {
        const relid = typeRelid(baseType(exprType(e.arg)));
        if (relid !== 0) this.add(RELATION.pgClass, relid, e.fieldnum);
        else this.type(e.resulttype);
        this.collation(e.resultcollid);
        return;
      }
      case 'FieldStore': {
        const relid = typeRelid(baseType(e.resulttype));
        if (relid !== 0) for (const field of e.fieldnums) this.add(RELATION.pgClass, relid, field);
        else this.type(e.resulttype);
        return;
      }
      case 'RelabelType':
      case 'CoerceViaIO':
      case 'ArrayCoerceExpr':
        this.type(e.resulttype);
        this.collation(e.resultcollid);
        return;
      case 'ConvertRowtypeExpr':
      case 'CoerceToDomain':
        this.type(e.resulttype);
        return;
      case 'CollateExpr':
        this.add(RELATION.pgCollation, e.collOid);
        return;
      case 'RowExpr':
        this.type(e.rowTypeid);
        return;
      case 'RowCompareExpr':
        for (const oid of e.opnos) this.operator(oid);
        for (const oid of e.opfamilies) this.add(RELATION.pgOpfamily, oid);
        return;
      case 'NextValueExpr':
        this.add(RELATION.pgClass, e.seqid);
        return;
      default:
    }
  }
  /** A constant that is the number of an object. */
  reference(e: Const): void {
    if (e.constisnull) return;
    const oid = e.constvalue as Oid;
    switch (e.consttype) {
      case TYPE.regproc:
      case TYPE.regprocedure:
        if (procRow(oid) !== undefined) this.add(RELATION.pgProc, oid);
        return;
      case TYPE.regoper:
      case TYPE.regoperator:
        if (operatorRow(oid) !== undefined) this.operator(oid);
        return;
      case TYPE.regclass:
        if (classRow(oid) !== undefined) this.add(RELATION.pgClass, oid);
        return;
      case TYPE.regtype:
        if (typeRow(oid) !== undefined) this.type(oid);
        return;
      case TYPE.regcollation:
        this.add(RELATION.pgCollation, oid);
        return;
      case TYPE.regconfig:
        this.add(RELATION.pgTsConfig, oid);
        return;
      case TYPE.regdictionary:
        this.add(RELATION.pgTsDict, oid);
        return;
      case TYPE.regnamespace:
        this.add(RELATION.pgNamespace, oid);
        return;
      case TYPE.regrole:
        report('ERROR', {
          code: SQLSTATE.featureNotSupported,
          message: `constant of the type ${formatType(TYPE.regrole)} cannot be used here`,
        });
    }
  }
  /** Columns of a function in FROM that returns a named composite type are that type's. */
  functionColumn(rte: RangeTblEntry & { rtekind: 'function' }, attnum: number): void {
    let before = 0;
    for (const fn of rte.functions) {
      if (attnum > before && attnum <= before + fn.funccolcount) {
        const relid = typeRelid(exprType(fn.funcexpr));
        if (relid !== 0) this.add(RELATION.pgClass, relid, attnum - before);
        return;
      }
      before += fn.funccolcount;
    }
  }
  sortClauses(clauses: readonly SortGroupClause[]): void {
    for (const clause of clauses) {
      this.operator(clause.eqop);
      this.operator(clause.sortop);
    }
  }
  setOperation(arg: SetOperationArg): void {
    if (arg.kind !== 'SetOperationStmt') return;
    this.sortClauses(arg.groupClauses);
    this.setOperation(arg.larg);
    this.setOperation(arg.rarg);
  }

  query(query: Query): void {
    this.rtables.push(query.rtable);
    for (const rte of query.rtable) {
      if (rte.rtekind === 'relation') this.add(RELATION.pgClass, rte.relid);
      else if (rte.rtekind === 'join') {
        // Merged columns may be coerced; the others are reached through their own Vars.
        for (const alias of rte.joinaliasvars.slice(0, rte.joinmergedcols)) if (alias.kind !== 'Var') this.expr(alias);
      } else if (rte.rtekind === 'values' || rte.rtekind === 'cte') {
        for (const oid of rte.coltypes) this.type(oid);
        for (const oid of rte.colcollations) this.collation(oid);
      } else if (rte.rtekind === 'function') {
        for (const fn of rte.functions) {
          for (const oid of fn.funccoltypes) this.type(oid);
          for (const oid of fn.funccolcollations) this.collation(oid);
        }
      } else if (rte.rtekind === 'tablefunc') {
        for (const oid of rte.tablefunc.coltypes) this.type(oid);
        for (const oid of rte.tablefunc.colcollations) this.collation(oid);
      }
    }
    if (query.resultRelation > 0 && (query.commandType === 'insert' || query.commandType === 'update')) {
      const rte = query.rtable[query.resultRelation - 1]!;
      if (rte.rtekind === 'relation') {
        for (const target of query.targetList) if (!target.resjunk) this.add(RELATION.pgClass, rte.relid, target.resno);
      }
    }
    this.sortClauses([...query.sortClause, ...query.groupClause, ...query.distinctClause]);
    for (const window of query.windowClause) {
      this.sortClauses([...window.partitionClause, ...window.orderClause]);
      this.add(RELATION.pgProc, window.startInRangeFunc);
      this.add(RELATION.pgProc, window.endInRangeFunc);
      this.collation(window.inRangeColl);
    }
    if (query.setOperations !== null) this.setOperation(query.setOperations);
    if (query.onConflict !== null) this.add(RELATION.pgConstraint, query.onConflict.constraint);
    const joinAliases = new Set<Expr>();
    for (const rte of query.rtable) if (rte.rtekind === 'join') for (const e of rte.joinaliasvars) joinAliases.add(e);
    forEachQueryExpr(
      query,
      (e) => {
        if (!joinAliases.has(e)) this.expr(e);
      },
      (inner) => this.query(inner),
    );
    this.rtables.pop();
  }
}

/** eliminate_duplicate_dependencies(): sorted; a whole relation goes without saying where its columns are named. */
export function distinctReferences(found: readonly ObjectAddress[]): ObjectAddress[] {
  const sorted = [...found].sort(
    (a, b) => b.objectId - a.objectId || a.classId - b.classId || (a.objectSubId >>> 0) - (b.objectSubId >>> 0),
  );
  const out: ObjectAddress[] = [];
  for (const object of sorted) {
    const last = out[out.length - 1];
    if (last !== undefined && last.classId === object.classId && last.objectId === object.objectId) {
      if (last.objectSubId === object.objectSubId) continue;
      if (last.objectSubId === 0) {
        out[out.length - 1] = object;
        continue;
      }
    }
    out.push(object);
  }
  return out;
}

/** All objects of an expression whose Vars mean `rtable`. */
export function referencesOfExpr(exprs: readonly Expr[], rtable: readonly RangeTblEntry[]): ObjectAddress[] {
  const finder = new Finder();
  finder.rtables.push(rtable);
  for (const e of exprs) finder.expr(e);
  return distinctReferences(finder.found);
}
export function referencesOfQuery(query: Query): ObjectAddress[] {
  const finder = new Finder();
  finder.query(query);
  return distinctReferences(finder.found);
}

export function recordDependencyOnExpr(
  depender: ObjectAddress,
  exprs: readonly Expr[],
  rtable: readonly RangeTblEntry[],
  type: DependencyType,
): void {
  recordMultipleDependencies(depender, referencesOfExpr(exprs, rtable), type);
}
export function recordDependencyOnQuery(depender: ObjectAddress, query: Query, type: DependencyType): void {
  recordMultipleDependencies(depender, referencesOfQuery(query), type);
}

/** recordDependencyOnSingleRelExpr(): Vars have varno 1 and mean `relid`, whose columns may be depended on otherwise. */
export function recordDependencyOnSingleRelExpr(
  depender: ObjectAddress,
  exprs: readonly Expr[],
  relid: Oid,
  type: DependencyType,
  selfType: DependencyType,
): void {
  const rte = { rtekind: 'relation', relid } as RangeTblEntry;
  const found = referencesOfExpr(exprs, [rte]);
  const isSelf = (object: ObjectAddress): boolean => object.classId === RELATION.pgClass && object.objectId === relid;
  if (type === selfType) {
    recordMultipleDependencies(depender, found, type);
    return;
  }
  recordMultipleDependencies(depender, found.filter(isSelf), selfType);
  recordMultipleDependencies(
    depender,
    found.filter((object) => !isSelf(object)),
    type,
  );
}
