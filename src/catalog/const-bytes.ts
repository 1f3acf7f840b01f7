/** const-bytes.ts — the bytes of constants in stored trees, by the codecs that tables' columns have.
 *
 *  A value passed by value stands as the 8 bytes of PostgreSQL's Datum: signed types extended by their sign.
 *  Counterpart: _outDatum() of src/backend/nodes/outfuncs.c, readDatum() of readfuncs.c */
import { codecFor } from '#access/common/datum-codec.ts';
import { isUnsignedByValue } from '#catalog/by-value.ts';
import { typeRow } from '#catalog/syscache.ts';
import type { Oid } from '#base/ids.ts';
import { setConstBytes } from '#nodes/node-text.ts';
import { mem } from '#shm/memory.ts';
import { privateAlloc, privateFree } from '#shm/private-memory.ts';

const DATUM_BYTES = 8;
const alignOf = (type: Oid): 'c' | 's' | 'i' | 'd' => (typeRow(type)?.typalign ?? 'i') as 'c' | 's' | 'i' | 'd';

setConstBytes({
  write(node) {
    const codec = codecFor(node.consttype, node.constlen, node.constbyval, alignOf(node.consttype));
    const size = Math.max(codec.size(node.constvalue), DATUM_BYTES);
    const at = privateAlloc(size);
    try {
      const written = codec.write(at, node.constvalue);
      if (!node.constbyval) return mem.u8.slice(at, at + written);
      const negative = !isUnsignedByValue(node.consttype) && (mem.u8[at + written - 1]! & 0x80) !== 0;
      mem.u8.fill(negative ? 0xff : 0, at + written, at + DATUM_BYTES);
      return mem.u8.slice(at, at + DATUM_BYTES);
    } finally {
      privateFree(at);
    }
  },
  read(type, length, byValue, bytes) {
    const at = privateAlloc(Math.max(bytes.length, DATUM_BYTES));
    try {
      mem.u8.set(bytes, at);
      return codecFor(type, length, byValue, alignOf(type)).read(at);
    } finally {
      privateFree(at);
    }
  },
});
