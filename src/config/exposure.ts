import { BlockList, isIP } from "node:net";

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** Whether only this machine reaches an address. Of names, `localhost` alone is known to be: another may be anything by the time it is looked up. */
export function isLoopback(address: string): boolean {
  const family = isIP(address);
  return family === 0 ? address === "localhost" : loopback.check(address, family === 6 ? "ipv6" : "ipv4");
}

/** Why a server with these settings would let strangers do everything; null if it does not. */
export function exposureProblem({
  ip,
  auth: { required, allowUnauthenticated },
}: {
  readonly ip: string;
  readonly auth: { readonly required: boolean; readonly allowUnauthenticated: boolean };
}): string | null {
  if (required || allowUnauthenticated || isLoopback(ip)) return null;
  return `whoever reaches ${ip} could do everything, since callers need not say who they are: set \`auth.required\`, listen on 127.0.0.1, or say --allow-unauthenticated`;
}
