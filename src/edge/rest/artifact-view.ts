import * as z from "zod/mini";
import { type Artifact, artifactRetentions, pointerOf } from "../../service/artifacts/artifact.ts";
import type { ArtifactRefusal } from "../../service/artifacts/artifacts.ts";
import type { Problem, ProblemCodes } from "./problem.ts";
import { count, named, textsByName, timeText } from "./schema.ts";

/** Source: the metadata of artifacts of Cordum's API; what follows `labels` is ours. */
export const metadataFields = {
  content_type: z.string(),
  size_bytes: count,
  retention: z.enum(artifactRetentions),
  labels: textsByName,
  sha256: z.string(),
  created_by: z.string(),
  created_at: timeText,
  expires_at: timeText,
};
export const artifactSchema = named("Artifact", z.object({ artifact_ptr: z.string(), ...metadataFields }));

export const metadataView = (artifact: Artifact) => ({
  content_type: artifact.contentType,
  size_bytes: artifact.size,
  retention: artifact.retention,
  labels: artifact.labels,
  sha256: artifact.sha256,
  created_by: artifact.createdBy,
  created_at: new Date(artifact.createdAt).toISOString(),
  expires_at: new Date(artifact.expiresAt).toISOString(),
});

export const artifactView = (artifact: Artifact): z.infer<typeof artifactSchema> => ({
  artifact_ptr: pointerOf(artifact),
  ...metadataView(artifact),
});

const refusals: { readonly [R in ArtifactRefusal]: readonly [status: number, detail: string] } = {
  "no-such-namespace": [404, "this tenant does not exist"],
  "no-such-artifact": [404, "artifact not found: there is none with this pointer, or its time is over"],
  "artifact-too-large": [413, "artifact too large"],
  "no-room-for-artifact": [409, "the artifacts of this tenant take all the room that they have: delete some"],
  busy: [503, "others are changing this at the same moment: try again"],
};

export function artifactProblem(refusal: ArtifactRefusal): Problem {
  const [status, detail] = refusals[refusal];
  return { status, code: refusal, detail };
}

/** For a route to state. */
export const artifactCodes = (...codes: readonly ArtifactRefusal[]): ProblemCodes =>
  Object.fromEntries(codes.map((code) => [code, refusals[code][0]]));
