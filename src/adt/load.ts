/** load.ts — every file of adt/ that registers functions, imported for that effect. Kept sorted. */
import '#adt/bool.ts';
import '#adt/bytea.ts';
import '#adt/char.ts';
import '#adt/encode.ts';
import '#adt/float.ts';
import '#adt/int.ts';
import '#adt/int8.ts';
import '#adt/numeric-functions.ts';
import '#adt/oid.ts';
import '#adt/text.ts';
