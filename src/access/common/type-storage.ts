/** type-storage.ts — length, passing and alignment of the built-in types, known without a catalog.
 *
 *  Arrays need them for their elements, and the catalogs themselves are read before there is a type cache.
 *  Counterpart: the rows of src/include/catalog/pg_type.dat */
import { typeInfo } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';

export interface TypeStorage {
  readonly length: number;
  readonly byValue: boolean;
  readonly align: 'c' | 's' | 'i' | 'd';
}

/** oid,length,byValue,align,arrayOid */
const BUILTIN =
  '16,1,1,c,1000 17,-1,0,i,1001 18,1,1,c,1002 19,64,0,c,1003 20,8,1,d,1016 21,2,1,s,1005 22,-1,0,i,1006 23,4,1,i,1007 24,4,1,i,1008 25,-1,0,i,1009 26,4,1,i,1028 27,6,0,s,1010 28,4,1,i,1011 29,4,1,i,1012 30,-1,0,i,1013 114,-1,0,i,199 142,-1,0,i,143 194,-1,0,i,0 600,16,0,d,1017 601,32,0,d,1018 602,-1,0,d,1019 603,32,0,d,1020 604,-1,0,d,1027 628,24,0,d,629 650,-1,0,i,651 700,4,1,i,1021 701,8,1,d,1022 718,24,0,d,719 774,8,0,i,775 790,8,1,d,791 829,6,0,i,1040 869,-1,0,i,1041 1033,12,0,i,1034 1042,-1,0,i,1014 1043,-1,0,i,1015 1082,4,1,i,1182 1083,8,1,d,1183 1114,8,1,d,1115 1184,8,1,d,1185 1186,16,0,d,1187 1266,12,0,d,1270 1560,-1,0,i,1561 1562,-1,0,i,1563 1700,-1,0,i,1231 1790,-1,0,i,2201 2202,4,1,i,2207 2203,4,1,i,2208 2204,4,1,i,2209 2205,4,1,i,2210 2206,4,1,i,2211 2950,16,0,c,2951 2970,-1,0,d,2949 3220,8,1,d,3221 3361,-1,0,i,0 3402,-1,0,i,0 3614,-1,0,i,3643 3615,-1,0,i,3645 3642,-1,0,i,3644 3734,4,1,i,3735 3769,4,1,i,3770 3802,-1,0,i,3807 3904,-1,0,i,3905 3906,-1,0,i,3907 3908,-1,0,d,3909 3910,-1,0,d,3911 3912,-1,0,i,3913 3926,-1,0,d,3927 4072,-1,0,i,4073 4089,4,1,i,4090 4096,4,1,i,4097 4191,4,1,i,4192 4451,-1,0,i,6150 4532,-1,0,i,6151 4533,-1,0,d,6152 4534,-1,0,d,6153 4535,-1,0,i,6155 4536,-1,0,d,6157 4600,-1,0,i,0 4601,-1,0,i,0 5017,-1,0,i,0 5038,-1,0,d,5039 5069,8,1,d,271';

const storage = new Map<number, TypeStorage>();
const elementOfArray = new Map<number, Oid>();
for (const row of BUILTIN.split(' ')) {
  const [oid, length, byValue, align, arrayOid] = row.split(',') as [string, string, string, string, string];
  storage.set(Number(oid), {
    length: Number(length),
    byValue: byValue === '1',
    align: align as TypeStorage['align'],
  });
  if (arrayOid !== '0') elementOfArray.set(Number(arrayOid), Number(oid) as Oid);
}
storage.set(2275, { length: -2, byValue: false, align: 'c' });
storage.set(705, { length: -2, byValue: false, align: 'c' });
elementOfArray.set(1263, 2275 as Oid);
storage.set(2249, { length: -1, byValue: false, align: 'd' });
elementOfArray.set(2287, 2249 as Oid);
for (const [arrayOid, element] of elementOfArray) {
  storage.set(arrayOid, { length: -1, byValue: false, align: storage.get(element)!.align === 'd' ? 'd' : 'i' });
}

export function typeStorage(type: Oid): TypeStorage {
  return storage.get(type) ?? typeInfo(type);
}
export const isBuiltinType = (type: Oid): boolean => storage.has(type);
/** Element type of a built-in array type, undefined for every other type. */
export const builtinElementType = (arrayType: Oid): Oid | undefined => elementOfArray.get(arrayType);
