/** providers.ts — facts of a running session that SQL functions show and that lie in layers above this one.
 *
 *  The session fills these in when it starts; the defaults are those of a process without a client. */
export interface ClientAddress {
  /** null on a Unix-domain socket. */
  readonly address: string | null;
  readonly port: number;
}
export const sessionProviders: {
  /** The message in progress: current_query(). */
  currentQuery: () => string | null;
  client: () => ClientAddress | null;
  server: () => ClientAddress | null;
} = {
  currentQuery: () => null,
  client: () => null,
  server: () => null,
};
