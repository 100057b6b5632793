import { type DurationMs, dayMs, type EpochMs, hourMs } from "../../base/time.ts";

export const artifactRetentions = ["short", "standard", "audit"] as const;
/** How long an artifact is kept. What is kept for audit is in the ledger when it comes and when it goes. */
export type ArtifactRetention = (typeof artifactRetentions)[number];

/** What is known of a file beside its content. It never changes. */
export type Artifact = {
  /** A random UUID: whoever does not know it does not find it. */
  readonly id: string;
  /** As whoever sent it says. */
  readonly contentType: string;
  readonly size: number;
  /** Of the content, hexadecimal. */
  readonly sha256: string;
  readonly retention: ArtifactRetention;
  readonly labels: { readonly [name: string]: string };
  /** As they called themselves. */
  readonly createdBy: string;
  readonly createdAt: EpochMs;
  readonly expiresAt: EpochMs;
};

export type ArtifactOptions = {
  /** Of one content. */
  readonly bytesMax: number;
  /** Of all artifacts of a namespace, see `roomOf`. */
  readonly totalBytesMax: number;
  readonly retention: { readonly [R in ArtifactRetention]: DurationMs };
};

export const artifactDefaults: ArtifactOptions = {
  bytesMax: 8 * 2 ** 20,
  totalBytesMax: 2 ** 30,
  retention: { short: 24 * hourMs, standard: 7 * dayMs, audit: 30 * dayMs },
};

/** What it takes of `totalBytesMax`: its content, and twice what is known of it, which is also in the list. So empty ones have a bound too. */
export const roomOf = (artifact: Artifact): number => artifact.size + 2 * JSON.stringify(artifact).length;

/** By which others name it. Source: the pointers of the Cordum Agent Protocol. */
export const pointerOf = ({ id }: Pick<Artifact, "id">): string => `redis://art:${id}`;

const pointerPattern = /^(?:redis:\/\/)?(?:art:)?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

/** The id in a pointer, with or without what stands before it; null when it cannot be of an artifact. */
export const idInPointer = (pointer: string): string | null => pointerPattern.exec(pointer)?.[1] ?? null;

const contentTypePattern = /^[\w!#$&^.+-]{1,127}\/[\w!#$&^.+-]{1,127}( *;[ -~]{1,200})?$/;

/** Whether it can stand in a header. Source: RFC 9110, media types; RFC 6838, their names. */
export const isContentType = (text: string): boolean => contentTypePattern.test(text);
