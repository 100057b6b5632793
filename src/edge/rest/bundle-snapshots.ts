import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { policyCodes, policyProblem } from "./policy-problem.ts";
import { route } from "./route.ts";
import { listOf, textsByName, timeText } from "./schema.ts";

// The history of publications as Cordum's clients read it, before they roll back.

const itemsMax = 100;

export const listBundleSnapshots = route({
  method: "GET",
  path: "/api/v1/policy/bundles/snapshots",
  summary: "Publications, the newest first, as Cordum's clients read them",
  success: { json: z.object({ items: listOf(z.object({ id: z.string(), created_at: timeText, note: z.string() })) }) },
  handle: async (_, { policies }) => {
    const publications = await policies.publications(null, itemsMax);
    const items = publications.map(({ hash, at, note }) => ({ id: hash, created_at: new Date(at).toISOString(), note }));
    return ok({ json: { items } });
  },
});

export const getBundleSnapshot = route({
  method: "GET",
  path: "/api/v1/policy/bundles/snapshots/:hash",
  summary: "The texts of a snapshot, as Cordum's clients read them",
  params: z.object({ hash: z.string() }),
  success: { json: z.object({ id: z.string(), bundles: textsByName }) },
  problems: policyCodes("no-such-snapshot"),
  handle: async ({ params: { hash } }, { policies }) => {
    const bundles = await policies.snapshot(hash);
    if (!bundles.ok) return err(policyProblem(bundles.error));
    return ok({ json: { id: hash, bundles: Object.fromEntries(bundles.value.map(({ id, content }) => [id, content])) } });
  },
});
