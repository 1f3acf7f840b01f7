/** type-size.ts — how many bytes a value of a type with a length limit can take at most, -1 if nobody knows.
 *  Counterpart: type_maximum_size() of src/backend/utils/adt/format_type.c */
import type { Oid } from '#base/ids.ts';
import { TYPE } from '#catalog/oids.ts';

const HEADER = 4;
/** Of a character in the server's encoding, UTF-8. */
const MAX_CHARACTER_BYTES = 4;

export function typeMaximumSize(type: Oid, typmod: number): number {
  if (typmod < 0) return -1;
  switch (type) {
    case TYPE.bpchar:
    case TYPE.varchar:
      return (typmod - HEADER) * MAX_CHARACTER_BYTES + HEADER;
    case TYPE.numeric: {
      const precision = ((typmod - HEADER) >> 16) & 0xffff;
      // Base 10000 digits, one more where the decimal point splits a group, behind the header.
      return HEADER + 4 + 2 * (Math.trunc((precision + 6) / 4) + 1);
    }
    case TYPE.bit:
    case TYPE.varbit:
      return Math.trunc((typmod + 7) / 8) + 2 * 4;
    default:
      return -1;
  }
}
