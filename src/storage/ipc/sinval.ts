/** sinval.ts — shared invalidation messages: “what you cached about this is no longer true”.
 *  Counterpart: src/backend/storage/ipc/sinval.c, sinvaladt.c */
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
const missing = (what: string): never => report('ERROR', { code: SQLSTATE.featureNotSupported, message: what });
export const SINVAL_MESSAGE_SIZE = 16;
/** Sends `count` messages of 16 bytes that lie at `at` in `mem`. */
export const sendSharedInvalidMessages = (_at: number, _count: number): void => missing('SendSharedInvalidMessages');
/** Hands each unread message (its address, valid during the call) to `handler`; `reset` when messages were lost. */
export const receiveSharedInvalidMessages = (_handler: (at: number) => void, _reset: () => void): void =>
  missing('ReceiveSharedInvalidMessages');
