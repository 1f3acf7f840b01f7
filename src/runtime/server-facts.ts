/** server-facts.ts — facts about the whole server that its processes inherit or are told at launch. */
export const serverFacts = {
  /** TimestampTz. */
  postmasterStartTime: 0,
  /** TimestampTz of the last load of the configuration files, in this process. */
  configLoadTime: 0,
  /** UDP socket of the stats collector, -1 without one. */
  statsSocket: -1,
  /** Write end of the logger's pipe, -1 without a logger. */
  logPipeWrite: -1,
  interlockFd: -1,
  deathPipe: -1,
  isForked: false,
};
