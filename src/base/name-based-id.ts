import { canonicalJson } from "./canonical-json.ts";
import { sha256Hex } from "./sha256.ts";

/** A UUID (version 8) that is the same for the same parts, so that whoever asks twice for one thing names it once. */
export function nameBasedId(parts: readonly (string | null)[]): string {
  const hex = sha256Hex(canonicalJson(parts));
  const variant = "89ab"[Number.parseInt(hex.charAt(16), 16) % 4];
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
