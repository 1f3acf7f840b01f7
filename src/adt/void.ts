/** void.ts — the type of functions that return nothing: its text is empty.
 *  Counterpart: src/backend/utils/adt/pseudotypes.c */
import { registerBuiltins } from '#adt/fmgr.ts';

registerBuiltins({
  void_in: () => null,
  void_out: () => '',
  void_recv: () => null,
  void_send: () => new Uint8Array(0),
});
