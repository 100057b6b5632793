import * as z from "zod/mini";
import type { Problem } from "../../language/reader.ts";
import type { Workflow } from "../../service/dag/definition-documents.ts";
import { listOf, named, timeText } from "./schema.ts";

export const workflowSchema = named(
  "Workflow",
  z.object({
    id: z.string(),
    /** Of the text. */
    sha256: z.string(),
    /** YAML or JSON, as it was sent. */
    source: z.string(),
    updated_by: z.string(),
    created_at: timeText,
    updated_at: timeText,
    /** What the text says, in its own words. */
    definition: z.record(z.string(), z.unknown()),
  }),
);

export const workflowView = (
  { id, sha256, text, updatedBy, createdAt, updatedAt }: Workflow,
  definition: { readonly [key: string]: unknown },
): z.infer<typeof workflowSchema> => ({
  id,
  sha256,
  source: text,
  updated_by: updatedBy,
  created_at: new Date(createdAt).toISOString(),
  updated_at: new Date(updatedAt).toISOString(),
  definition,
});

export const workflowTag = ({ sha256 }: Pick<Workflow, "sha256">): string => `"${sha256}"`;

/** Of the warnings that a definition is accepted with. */
export const warningsSchema = listOf(z.object({ detail: z.string(), line: z.int(), column: z.int() }));
export const warningsOf = (problems: readonly Problem[]): z.infer<typeof warningsSchema> =>
  problems.map(({ message, line, column }) => ({ detail: message, line, column }));
