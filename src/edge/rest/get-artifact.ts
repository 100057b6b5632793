import * as z from "zod/mini";
import { err, ok, type Result } from "../../base/result.ts";
import { type Artifact, idInPointer, pointerOf } from "../../service/artifacts/artifact.ts";
import { artifactCodes, artifactProblem, metadataFields, metadataView } from "./artifact-view.ts";
import type { Problem } from "./problem.ts";
import { type RestServices, route } from "./route.ts";
import { tenantOf } from "./tenant.ts";

export const getArtifact = route({
  method: "GET",
  path: "/api/v1/artifacts/:ptr",
  summary: "An artifact with its content as base64. Each `/` of a pointer is `%2F` here; `art:…` will do",
  params: z.object({ ptr: z.string() }),
  success: { json: z.object({ artifact_ptr: z.string(), content_base64: z.string(), metadata: z.object(metadataFields) }) },
  problems: artifactCodes("no-such-namespace", "no-such-artifact"),
  handle: async ({ headers, params: { ptr } }, services) => {
    const found = await read(tenantOf(headers), ptr, services);
    if (!found.ok) return found;
    const { artifact, content } = found.value;
    const json = {
      artifact_ptr: pointerOf(artifact),
      content_base64: Buffer.from(content).toString("base64"),
      metadata: metadataView(artifact),
    };
    return ok({ json });
  },
});

/** Always as a file of bytes: what others sent is never shown as a page of this server. */
export const getArtifactContent = route({
  method: "GET",
  path: "/api/v1/artifacts/:ptr/content",
  summary: "The content of an artifact, byte for byte, to be downloaded",
  params: z.object({ ptr: z.string() }),
  success: { mediaType: "application/octet-stream" },
  problems: artifactCodes("no-such-namespace", "no-such-artifact"),
  handle: async ({ headers, params: { ptr } }, services) => {
    const found = await read(tenantOf(headers), ptr, services);
    if (!found.ok) return found;
    const { artifact, content } = found.value;
    return ok({ bytes: content, fileName: artifact.id });
  },
});

async function read(
  tenant: string,
  pointer: string,
  { artifacts }: RestServices,
): Promise<Result<{ readonly artifact: Artifact; readonly content: Uint8Array }, Problem>> {
  // What is no pointer names nothing, and is not told from one that does not.
  const found = await artifacts.get(tenant, idInPointer(pointer) ?? "");
  return found.ok ? found : err(artifactProblem(found.error));
}
