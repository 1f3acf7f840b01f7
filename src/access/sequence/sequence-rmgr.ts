/** sequence-rmgr.ts — the resource manager Sequence. Row 15 of recovery/rmgr-list.ts. */
import type { RmgrRow } from '#wal/rmgr.ts';
import { describeSequence, maskSequencePage, redoSequence, sequenceIdentify } from '#access/sequence/sequence-redo.ts';

export const sequenceRmgr: RmgrRow = {
  name: 'Sequence',
  redo: redoSequence,
  describe: describeSequence,
  identify: sequenceIdentify,
  mask: maskSequencePage,
};
