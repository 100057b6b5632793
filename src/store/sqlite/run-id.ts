const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** A run id as the database holds it: 16 bytes for a UUID, text for any other. Bytes sort as the text of the UUID does, and after all text. */
export type StoredRunId = Uint8Array | string;

export const encodeRunId = (runId: string): StoredRunId => (uuid.test(runId) ? Buffer.from(runId.replaceAll("-", ""), "hex") : runId);

export function decodeRunId(stored: StoredRunId): string {
  if (typeof stored === "string") return stored;
  const hex = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength).toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
