/** What stands for an IP address where addresses are counted: who has one address of IPv6 has a network of 2^64 of them. */
export function networkOf(address: string): string {
  if (!address.includes(":") || address.startsWith("::ffff:")) return address;
  const [head = "", tail] = address.split("::");
  const groups = head.split(":");
  const filled = tail === undefined ? groups : [...groups, ...Array(Math.max(0, 4 - groups.length)).fill("0")];
  return filled.slice(0, 4).join(":");
}
