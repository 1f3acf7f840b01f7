/** interfaces.ts — this machine's own network addresses. */
import { networkInterfaces } from 'node:os';

export interface InterfaceAddress {
  readonly address: string;
  readonly netmask: string;
}
export const interfaceAddresses = (): InterfaceAddress[] =>
  Object.values(networkInterfaces()).flatMap((addresses) =>
    (addresses ?? []).map(({ address, netmask }) => ({ address, netmask })),
  );
