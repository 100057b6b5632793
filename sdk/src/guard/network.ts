import { lookup } from "node:dns/promises";
import { BlockList, isIP } from "node:net";
import type { Constraints } from "../decision.ts";
import { globOf } from "./glob.ts";

export type Resolve = (host: string) => Promise<readonly { readonly address: string; readonly family: number }[]>;

const systemResolve: Resolve = (host) => lookup(host, { all: true });

/**
 * Why a URL may not be reached under these constraints; null when it may. Entries of the allow list are host patterns (`api.example.com`,
 * `*.example.com`), with a port or for all ports, addresses, and networks (`10.0.0.0/8`). A host that no pattern names is resolved, and all of
 * its addresses must lie in the networks named. Without a list nothing is restricted, unless the sandbox is isolated.
 */
export async function networkRefusal(
  url: URL,
  { sandbox }: Pick<Constraints, "sandbox">,
  resolve: Resolve = systemResolve,
): Promise<string | null> {
  const allowed = sandbox?.networkAllowlist;
  if (allowed === undefined)
    return sandbox?.isolated === true ? `\`${url.host}\` may not be reached: the activity is to run without a network` : null;
  const refusal = `\`${url.host}\` is not in the network allow list`;
  if (url.protocol !== "http:" && url.protocol !== "https:") return `${refusal}: only http and https are allowed`;
  const host = url.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  const networks = networksIn(allowed);
  if (isIP(host) === 0 && allowed.some((entry) => namesHost(entry, host, port))) return null;
  if (networks === null) return refusal;
  const addresses = isIP(host) > 0 ? [{ address: host, family: isIP(host) }] : await resolve(host);
  const isWithin = ({ address, family }: { readonly address: string; readonly family: number }): boolean =>
    networks.check(address, family === 6 ? "ipv6" : "ipv4");
  return addresses.length > 0 && addresses.every(isWithin) ? null : refusal;
}

function namesHost(entry: string, host: string, port: string): boolean {
  const [, pattern = "", wantedPort] = /^([^:]*)(?::(\d+))?$/.exec(entry.trim()) ?? [];
  return pattern !== "" && (wantedPort === undefined || wantedPort === port) && globOf(pattern.toLowerCase())(host);
}

/** The addresses and networks of a list; null when it has none. */
function networksIn(allowed: readonly string[]): BlockList | null {
  const list = new BlockList();
  for (const entry of allowed) {
    const [address = "", bits] = entry.trim().split("/");
    const family = isIP(address);
    if (family === 0) continue;
    const type = family === 6 ? "ipv6" : "ipv4";
    if (bits === undefined) list.addAddress(address, type);
    else list.addSubnet(address, Number(bits), type);
  }
  return list.rules.length === 0 ? null : list;
}
