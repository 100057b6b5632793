const unitNs = new Map([
  ["ns", 1],
  ["us", 1e3],
  ["µs", 1e3],
  ["μs", 1e3],
  ["ms", 1e6],
  ["s", 1e9],
  ["m", 60e9],
  ["h", 3600e9],
]);
const dayNs = 24 * 3600e9;
const durationNsMax = 2 ** 63;
const lettersMax = 1_000;

/**
 * * The length in nanoseconds that Go's `time.ParseDuration` reads ("1h30m", "-1.5s", "0"), or null when it reads none. With `days`, the
 * unit "d" means 24 hours. Whole nanoseconds up to 2^53; longer ones (104 days) are rounded to what a number can hold.
 */
export function parseGoDuration(text: string, { days }: { readonly days: boolean } = { days: false }): number | null {
  if (text.length > lettersMax) return null;
  const negative = text.startsWith("-");
  const unsigned = negative || text.startsWith("+") ? text.slice(1) : text;
  if (unsigned === "0") return 0;
  const part = /(\d+\.?\d*|\.\d+)([a-zµμ]+)/y;
  let total = 0;
  while (part.lastIndex < unsigned.length) {
    const [, amount, unit = ""] = part.exec(unsigned) ?? [];
    const scale = unit === "d" && days ? dayNs : unitNs.get(unit);
    if (amount === undefined || scale === undefined) return null;
    total += Number(amount) * scale;
  }
  if (unsigned === "" || total >= durationNsMax) return null;
  return Math.round(negative ? -total : total);
}
