import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { idInPointer } from "../../service/artifacts/artifact.ts";
import { artifactCodes, artifactProblem } from "./artifact-view.ts";
import { askerOf } from "./asker.ts";
import { route } from "./route.ts";

export const deleteArtifact = route({
  method: "DELETE",
  path: "/api/v1/artifacts/:ptr",
  summary: "Deletes an artifact before its time is over",
  params: z.object({ ptr: z.string() }),
  success: { status: 204 },
  problems: artifactCodes("no-such-namespace", "no-such-artifact", "busy"),
  handle: async ({ headers, params: { ptr } }, { artifacts }) => {
    const { namespace, by } = askerOf(headers);
    const removed = await artifacts.remove(namespace, { id: idInPointer(ptr) ?? "", by });
    return removed.ok ? ok({ nothing: true }) : err(artifactProblem(removed.error));
  },
});
