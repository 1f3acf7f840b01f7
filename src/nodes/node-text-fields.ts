/** node-text-fields.ts — the TABLE of nodes that are stored as text: label, fields in order, and how each is written.
 *
 *  A field is [name on disk, property, form]. Forms are letters or enum lists; a property of '' is a field that stored
 *  trees always have with one value, which is its form.
 *  Counterpart: the _out…() functions of src/backend/nodes/outfuncs.c, whose order of fields is the format */

/** How a field looks:
 *  int, oid, bool, char: one token · str: an escaped token, `<>` for null · node: `{…}` or `<>` · nodes: `({…} {…})` ·
 *  lists: a list of lists of nodes · oids `(o …)` · ints `(i …)` · strs `("…")` · bits: attribute numbers as `(b …)`,
 *  shifted past the system columns · const, frame, content: see node-text.ts */
export type FieldForm =
  | 'int'
  | 'oid'
  | 'bool'
  | 'char'
  | 'str'
  | 'node'
  | 'nodes'
  | 'lists'
  | 'oids'
  | 'ints'
  | 'strs'
  | 'bits'
  | 'bools'
  | 'const'
  | 'frame'
  | 'content'
  | { readonly names: readonly (string | null)[] }
  | { readonly always: string };
export type NodeField = readonly [string, string, FieldForm];
export interface NodeShape {
  readonly label: string;
  readonly fields: readonly NodeField[];
}

/** An enum written as its position in the list; null marks a number that trees of ours never hold. */
const numbered = (...names: (string | null)[]): FieldForm => ({ names });
const always = (text: string): FieldForm => ({ always: text });
/** `name:form` words; `disk=property:form` where the two differ. */
function fields(spec: string, special: Readonly<Record<string, FieldForm>> = {}): NodeField[] {
  return spec
    .split(/\s+/)
    .filter((word) => word !== '')
    .map((word): NodeField => {
      const [names, form] = word.split(':') as [string, string | undefined];
      const [disk, property] = names.includes('=') ? (names.split('=') as [string, string]) : [names, names];
      const found = special[disk];
      if (found !== undefined && typeof found === 'object' && 'always' in found) return [disk, '', found];
      return [disk, property, found ?? ((form ?? 'int') as FieldForm)];
    });
}

const COERCION_FORM = numbered('explicit_call', 'explicit_cast', 'implicit_cast', 'sql_syntax');
const JOIN_TYPE = numbered('inner', 'left', 'full', 'right', 'semi', 'anti');
const OPERATOR =
  'opno:oid opfuncid:oid opresulttype:oid opretset:bool opcollid:oid inputcollid:oid args:nodes location';
const EXPRESSIONS = {
  Var: fields('varno varattno vartype:oid vartypmod varcollid:oid varlevelsup varnosyn varattnosyn location'),
  Const: fields(
    'consttype:oid consttypmod constcollid:oid constlen constbyval:bool constisnull:bool location constvalue:const',
  ),
  Param: fields('paramkind paramid paramtype:oid paramtypmod paramcollid:oid location', {
    paramkind: numbered('extern', 'exec', 'sublink', 'multiexpr'),
  }),
  Aggref: fields(
    `aggfnoid:oid aggtype:oid aggcollid:oid inputcollid:oid aggtranstype aggargtypes:oids aggdirectargs:nodes args:nodes
     aggorder:nodes aggdistinct:nodes aggfilter:node aggstar:bool aggvariadic:bool aggkind:char agglevelsup aggsplit
     aggno aggtransno location`,
    { aggsplit: numbered('simple') },
  ),
  GroupingFunc: fields('args:nodes refs:ints cols:ints agglevelsup location'),
  WindowFunc: fields(
    `winfnoid:oid wintype:oid wincollid:oid inputcollid:oid args:nodes aggfilter:node winref winstar:bool winagg:bool
     location`,
  ),
  SubscriptingRef: fields(
    `refcontainertype:oid refelemtype:oid refrestype:oid reftypmod refcollid:oid refupperindexpr:nodes
     reflowerindexpr:nodes refexpr:node refassgnexpr:node`,
  ),
  FuncExpr: fields(
    `funcid:oid funcresulttype:oid funcretset:bool funcvariadic:bool funcformat funccollid:oid inputcollid:oid
     args:nodes location`,
    { funcformat: COERCION_FORM },
  ),
  NamedArgExpr: fields('arg:node name:str argnumber location'),
  OpExpr: fields(OPERATOR),
  DistinctExpr: fields(OPERATOR),
  NullIfExpr: fields(OPERATOR),
  ScalarArrayOpExpr: fields(
    'opno:oid opfuncid:oid hashfuncid negfuncid useOr:bool inputcollid:oid args:nodes location',
    // Which hash table would be built is decided anew by each planning.
    { hashfuncid: always('0'), negfuncid: always('0') },
  ),
  BoolExpr: fields('boolop:str args:nodes location'),
  SubLink: fields('subLinkType subLinkId testexpr:node operName:strs subselect:node location', {
    subLinkType: numbered('exists', 'all', 'any', 'rowcompare', 'expr', 'multiexpr', 'array', 'cte'),
  }),
  FieldSelect: fields('arg:node fieldnum resulttype:oid resulttypmod resultcollid:oid'),
  FieldStore: fields('arg:node newvals:nodes fieldnums:ints resulttype:oid'),
  RelabelType: fields('arg:node resulttype:oid resulttypmod resultcollid:oid relabelformat location', {
    relabelformat: COERCION_FORM,
  }),
  CoerceViaIO: fields('arg:node resulttype:oid resultcollid:oid coerceformat location', {
    coerceformat: COERCION_FORM,
  }),
  ArrayCoerceExpr: fields('arg:node elemexpr:node resulttype:oid resulttypmod resultcollid:oid coerceformat location', {
    coerceformat: COERCION_FORM,
  }),
  ConvertRowtypeExpr: fields('arg:node resulttype:oid convertformat location', { convertformat: COERCION_FORM }),
  CollateExpr: fields('arg:node collOid:oid location'),
  CaseExpr: fields('casetype:oid casecollid:oid arg:node args:nodes defresult:node location'),
  CaseWhen: fields('expr:node result:node location'),
  CaseTestExpr: fields('typeId:oid typeMod collation:oid'),
  ArrayExpr: fields(
    `array_typeid=arrayTypeid:oid array_collid=arrayCollid:oid element_typeid=elementTypeid:oid elements:nodes
     multidims:bool location`,
  ),
  RowExpr: fields('args:nodes row_typeid=rowTypeid:oid row_format=rowFormat colnames:strs location', {
    row_format: COERCION_FORM,
  }),
  RowCompareExpr: fields('rctype opnos:oids opfamilies:oids inputcollids:oids largs:nodes rargs:nodes', {
    rctype: numbered(null, 'lt', 'le', 'eq', 'ge', 'gt', 'ne'),
  }),
  CoalesceExpr: fields('coalescetype:oid coalescecollid:oid args:nodes location'),
  MinMaxExpr: fields('minmaxtype:oid minmaxcollid:oid inputcollid:oid op args:nodes location', {
    op: numbered('greatest', 'least'),
  }),
  SQLValueFunction: fields('op type:oid typmod location', {
    op: numbered(
      'current_date',
      'current_time',
      'current_time_n',
      'current_timestamp',
      'current_timestamp_n',
      'localtime',
      'localtime_n',
      'localtimestamp',
      'localtimestamp_n',
      'current_role',
      'current_user',
      'user',
      'session_user',
      'current_catalog',
      'current_schema',
    ),
  }),
  XmlExpr: fields(
    `op name:str named_args=namedArgs:nodes arg_names=argNames:strs args:nodes xmloption type:oid typmod location`,
    {
      op: numbered('xmlconcat', 'xmlelement', 'xmlforest', 'xmlparse', 'xmlpi', 'xmlroot', 'xmlserialize', 'document'),
      xmloption: numbered('document', 'content'),
    },
  ),
  NullTest: fields('arg:node nulltesttype argisrow:bool location', {
    nulltesttype: numbered('is_null', 'is_not_null'),
  }),
  BooleanTest: fields('arg:node booltesttype location', {
    booltesttype: numbered('is_true', 'is_not_true', 'is_false', 'is_not_false', 'is_unknown', 'is_not_unknown'),
  }),
  CoerceToDomain: fields('arg:node resulttype:oid resulttypmod resultcollid:oid coercionformat location', {
    coercionformat: COERCION_FORM,
  }),
  CoerceToDomainValue: fields('typeId:oid typeMod collation:oid location'),
  SetToDefault: fields('typeId:oid typeMod collation:oid location'),
  CurrentOfExpr: fields('cvarno cursor_name=cursorName:str cursor_param=cursorParam'),
  NextValueExpr: fields('seqid:oid typeId:oid'),
  InferenceElem: fields('expr:node infercollid:oid inferopclass:oid'),
  TargetEntry: fields('expr:node resno resname:str ressortgroupref resorigtbl:oid resorigcol resjunk:bool'),
} as const;

const STATEMENT_PARTS = {
  RangeTblRef: fields('rtindex'),
  JoinExpr: fields(
    `jointype isNatural:bool larg:node rarg:node usingClause:strs join_using_alias=joinUsingAlias:node quals:node
     alias:node rtindex`,
    { jointype: JOIN_TYPE },
  ),
  FromExpr: fields('fromlist:nodes quals:node'),
  Alias: fields('aliasname:str colnames:strs'),
  SortGroupClause: fields('tleSortGroupRef eqop:oid sortop:oid nulls_first=nullsFirst:bool hashable:bool'),
  OnConflictExpr: fields(
    `action arbiterElems:nodes arbiterWhere:node constraint:oid onConflictSet:nodes onConflictWhere:node exclRelIndex
     exclRelTlist:nodes`,
    { action: numbered('none', 'nothing', 'update') },
  ),
  Query: fields(
    `commandType querySource canSetTag:bool utilityStmt:node resultRelation hasAggs:bool hasWindowFuncs:bool
     hasTargetSRFs:bool hasSubLinks:bool hasDistinctOn:bool hasRecursive:bool hasModifyingCTE:bool hasForUpdate:bool
     hasRowSecurity:bool isReturn:bool cteList:nodes rtable:nodes jointree:node targetList:nodes override
     onConflict:node returningList:nodes groupClause:nodes groupDistinct:bool groupingSets:nodes havingQual:node
     windowClause:nodes distinctClause:nodes sortClause:nodes limitOffset:node limitCount:node limitOption
     rowMarks:nodes setOperations:node constraintDeps:oids withCheckOptions:nodes mergeActionList:nodes
     mergeUseOuterJoin:bool stmt_location=stmtLocation stmt_len=stmtLen`,
    {
      commandType: numbered('unknown', 'select', 'update', 'insert', 'delete', 'merge', 'utility', 'nothing'),
      querySource: numbered('original', null, 'instead_rule', 'qual_instead_rule', 'non_instead_rule'),
      override: numbered('not_set', 'user_value', 'system_value'),
      limitOption: numbered('count', 'with_ties'),
    },
  ),
  MergeAction: fields('matched:bool commandType override qual:node targetList:nodes updateColnos:ints', {
    commandType: numbered('unknown', 'select', 'update', 'insert', 'delete', 'merge', 'utility', 'nothing'),
    override: numbered('not_set', 'user_value', 'system_value'),
  }),
  RangeTblFunction: fields(
    `funcexpr:node funccolcount funccolnames:strs funccoltypes:oids funccoltypmods:ints funccolcollations:oids
     funcparams`,
    { funcparams: always('(b)') },
  ),
  TableFunc: fields(
    `ns_uris=nsUris:nodes ns_names=nsNames:strs docexpr:node rowexpr:node colnames:strs coltypes:oids coltypmods:ints
     colcollations:oids colexprs:nodes coldefexprs:nodes notnulls:bools ordinalitycol location`,
  ),
  TableSampleClause: fields('tsmhandler:oid args:nodes repeatable:node'),
  GroupingSet: fields('kind=setKind content:content location', {
    kind: numbered('empty', 'simple', 'rollup', 'cube', 'sets'),
  }),
  WindowClause: fields(
    `name:str refname:str partitionClause:nodes orderClause:nodes frameOptions:frame startOffset:node endOffset:node
     runCondition startInRangeFunc:oid endInRangeFunc:oid inRangeColl:oid inRangeAsc:bool inRangeNullsFirst:bool winref
     copiedOrder:bool`,
    // Only the planner fills it.
    { runCondition: always('<>') },
  ),
  RowMarkClause: fields('rti strength waitPolicy pushedDown:bool', {
    strength: numbered('none', 'forkeyshare', 'forshare', 'fornokeyupdate', 'forupdate'),
    waitPolicy: numbered('block', 'skip', 'error'),
  }),
  CommonTableExpr: fields(
    `ctename:str aliascolnames:strs ctematerialized ctequery:node search_clause=searchClause:node
     cycle_clause=cycleClause:node location cterecursive:bool cterefcount ctecolnames:strs ctecoltypes:oids
     ctecoltypmods:ints ctecolcollations:oids`,
    { ctematerialized: numbered('default', 'always', 'never') },
  ),
  CteSearchClause: fields(
    `search_col_list=searchColList:strs search_breadth_first=searchBreadthFirst:bool
     search_seq_column=searchSeqColumn:str location`,
  ),
  CteCycleClause: fields(
    `cycle_col_list=cycleColList:strs cycle_mark_column=cycleMarkColumn:str cycle_mark_value=cycleMarkValue:node
     cycle_mark_default=cycleMarkDefault:node cycle_path_column=cyclePathColumn:str location
     cycle_mark_type=cycleMarkType:oid cycle_mark_typmod=cycleMarkTypmod cycle_mark_collation=cycleMarkCollation:oid
     cycle_mark_neop=cycleMarkNeop:oid`,
  ),
  SetOperationStmt: fields(
    'op all:bool larg:node rarg:node colTypes:oids colTypmods:ints colCollations:oids groupClauses:nodes',
    { op: numbered(null, 'union', 'intersect', 'except') },
  ),
} as const;

const RTE_HEAD = fields('alias:node eref:node rtekind', {
  rtekind: numbered(
    'relation',
    'subquery',
    'join',
    'function',
    'tablefunc',
    'values',
    'cte',
    'namedtuplestore',
    'result',
  ),
});
const RTE_TAIL = fields(
  `lateral:bool inh:bool inFromCl:bool requiredPerms checkAsUser:oid selectedCols:bits insertedCols:bits
   updatedCols:bits extraUpdatedCols:bits securityQuals:nodes`,
);
const COLUMN_TYPES = 'coltypes:oids coltypmods:ints colcollations:oids';
/** A range table entry has its head, what its kind needs, and its tail. */
export const RTE_FIELDS: Readonly<Record<string, readonly NodeField[]>> = Object.fromEntries(
  Object.entries({
    relation: fields('relid:oid relkind:char rellockmode tablesample:node'),
    subquery: fields('subquery:node security_barrier=securityBarrier:bool'),
    join: fields(
      `jointype joinmergedcols joinaliasvars:nodes joinleftcols:ints joinrightcols:ints
       join_using_alias=joinUsingAlias:node`,
      { jointype: JOIN_TYPE },
    ),
    function: fields('functions:nodes funcordinality:bool'),
    tablefunc: fields('tablefunc:node'),
    values: fields(`values_lists=valuesLists:lists ${COLUMN_TYPES}`),
    cte: fields(`ctename:str ctelevelsup self_reference=selfReference:bool ${COLUMN_TYPES}`),
    namedtuplestore: fields(`enrname:str enrtuples relid:oid ${COLUMN_TYPES}`),
    result: [],
  }).map(([kind, own]) => [kind, [...RTE_HEAD, ...own, ...RTE_TAIL]]),
);

export const NODE_FIELDS: Readonly<Record<string, readonly NodeField[]>> = { ...EXPRESSIONS, ...STATEMENT_PARTS };

/** Label on disk of a kind, and back. */
export const labelOf = (kind: string): string => kind.toUpperCase();
export const KIND_BY_LABEL: ReadonlyMap<string, string> = new Map(
  [...Object.keys(NODE_FIELDS), 'RangeTblEntry'].map((kind) => [labelOf(kind), kind]),
);
