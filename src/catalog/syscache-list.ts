/** syscache-list.ts — PostgreSQL's catalog caches: number, catalog, unique index.
 *
 *  The numbers travel in invalidation messages and commit records, so they are written out. The keys of a cache are the
 *  columns of its index, in the index's order.
 *  Counterpart: cacheinfo[] of src/backend/utils/cache/syscache.c, enum SysCacheIdentifier of syscache.h */
import type { Oid } from '#base/ids.ts';

/** [number, name, catalog, index] */
export const SYSCACHES = [
  [0, 'aggfnoid', 2600, 2650],
  [1, 'amname', 2601, 2651],
  [2, 'amoid', 2601, 2652],
  [3, 'amopopid', 2602, 2654],
  [4, 'amopstrategy', 2602, 2653],
  [5, 'amprocnum', 2603, 2655],
  [6, 'attname', 1249, 2658],
  [7, 'attnum', 1249, 2659],
  [8, 'authmemmemrole', 1261, 2695],
  [9, 'authmemrolemem', 1261, 2694],
  [10, 'authname', 1260, 2676],
  [11, 'authoid', 1260, 2677],
  [12, 'castsourcetarget', 2605, 2661],
  [13, 'claamnamensp', 2616, 2686],
  [14, 'claoid', 2616, 2687],
  [15, 'collnameencnsp', 3456, 3164],
  [16, 'colloid', 3456, 3085],
  [17, 'condefault', 2607, 2668],
  [18, 'connamensp', 2607, 2669],
  [19, 'constroid', 2606, 2667],
  [20, 'convoid', 2607, 2670],
  [21, 'databaseoid', 1262, 2672],
  [22, 'defaclrolenspobj', 826, 827],
  [23, 'enumoid', 3501, 3502],
  [24, 'enumtypoidname', 3501, 3503],
  [25, 'eventtriggername', 3466, 3467],
  [26, 'eventtriggeroid', 3466, 3468],
  [27, 'foreigndatawrappername', 2328, 548],
  [28, 'foreigndatawrapperoid', 2328, 112],
  [29, 'foreignservername', 1417, 549],
  [30, 'foreignserveroid', 1417, 113],
  [31, 'foreigntablerel', 3118, 3119],
  [32, 'indexrelid', 2610, 2679],
  [33, 'langname', 2612, 2681],
  [34, 'langoid', 2612, 2682],
  [35, 'namespacename', 2615, 2684],
  [36, 'namespaceoid', 2615, 2685],
  [37, 'opernamensp', 2617, 2689],
  [38, 'operoid', 2617, 2688],
  [39, 'opfamilyamnamensp', 2753, 2754],
  [40, 'opfamilyoid', 2753, 2755],
  [41, 'parameteraclname', 6243, 6246],
  [42, 'parameteracloid', 6243, 6247],
  [43, 'partrelid', 3350, 3351],
  [44, 'procnameargsnsp', 1255, 2691],
  [45, 'procoid', 1255, 2690],
  [46, 'publicationname', 6104, 6111],
  [47, 'publicationnamespace', 6237, 6238],
  [48, 'publicationnamespacemap', 6237, 6239],
  [49, 'publicationoid', 6104, 6110],
  [50, 'publicationrel', 6106, 6112],
  [51, 'publicationrelmap', 6106, 6113],
  [52, 'rangemultirange', 3541, 2228],
  [53, 'rangetype', 3541, 3542],
  [54, 'relnamensp', 1259, 2663],
  [55, 'reloid', 1259, 2662],
  [56, 'replorigident', 6000, 6001],
  [57, 'replorigname', 6000, 6002],
  [58, 'rulerelname', 2618, 2693],
  [59, 'seqrelid', 2224, 5002],
  [60, 'statextdatastxoid', 3429, 3433],
  [61, 'statextnamensp', 3381, 3997],
  [62, 'statextoid', 3381, 3380],
  [63, 'statrelattinh', 2619, 2696],
  [64, 'subscriptionname', 6100, 6115],
  [65, 'subscriptionoid', 6100, 6114],
  [66, 'subscriptionrelmap', 6102, 6117],
  [67, 'tablespaceoid', 1213, 2697],
  [68, 'trfoid', 3576, 3574],
  [69, 'trftypelang', 3576, 3575],
  [70, 'tsconfigmap', 3603, 3609],
  [71, 'tsconfignamensp', 3602, 3608],
  [72, 'tsconfigoid', 3602, 3712],
  [73, 'tsdictnamensp', 3600, 3604],
  [74, 'tsdictoid', 3600, 3605],
  [75, 'tsparsernamensp', 3601, 3606],
  [76, 'tsparseroid', 3601, 3607],
  [77, 'tstemplatenamensp', 3764, 3766],
  [78, 'tstemplateoid', 3764, 3767],
  [79, 'typenamensp', 1247, 2704],
  [80, 'typeoid', 1247, 2703],
  [81, 'usermappingoid', 1418, 174],
  [82, 'usermappinguserserver', 1418, 175],
] as const;

export type SyscacheName = (typeof SYSCACHES)[number][1];

export const SYSCACHE = Object.fromEntries(SYSCACHES.map(([id, name]) => [name, id])) as {
  readonly [K in SyscacheName]: number;
};

const catalogs = new Map<number, Oid>(SYSCACHES.map(([id, , catalog]) => [id, catalog as Oid]));
/** The catalog of a cache; undefined for a number that no cache has. */
export const syscacheCatalog = (cacheId: number): Oid | undefined => catalogs.get(cacheId);

export interface SyscacheRef {
  readonly id: number;
  readonly index: Oid;
}
const byCatalog = new Map<Oid, SyscacheRef[]>();
for (const [id, , catalog, index] of SYSCACHES) {
  const list = byCatalog.get(catalog as Oid);
  const ref = { id, index: index as Oid };
  // PostgreSQL's list has the cache that was made last in front; commit records show that order.
  if (list === undefined) byCatalog.set(catalog as Oid, [ref]);
  else list.unshift(ref);
}
/** The caches over a catalog, in the order in which PostgreSQL invalidates them. */
export const syscachesOf = (catalog: Oid): readonly SyscacheRef[] => byCatalog.get(catalog) ?? [];

/** Catalogs without a cache whose changes must still end old catalog snapshots: RelationInvalidatesSnapshotsOnly(). */
const SNAPSHOT_ONLY: ReadonlySet<number> = new Set([2964, 2608, 1214, 2609, 2396, 3596, 3592]);
export const invalidatesSnapshotsOnly = (catalog: Oid): boolean => SNAPSHOT_ONLY.has(catalog);
