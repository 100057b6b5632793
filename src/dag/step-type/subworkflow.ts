import { mapping, type Place, report } from "../../language/reader.ts";
import { readTemplate, type Template } from "../expression/template.ts";
import type { StepFields } from "../spec/fields.ts";

/** Runs another definition as a child of this run. */
export type SubworkflowKind = {
  readonly kind: "subworkflow";
  readonly workflowId: Template;
  /** Null is the input of this run. */
  readonly inputMapping: Template | null;
  /** Null is the output of the child. */
  readonly outputMapping: Template | null;
};

const readSettings = mapping({ workflowId: readTemplate, inputMapping: readTemplate, outputMapping: readTemplate });

export function linkSubworkflow(fields: StepFields, at: Place): SubworkflowKind | undefined {
  const settings = fields.input === undefined ? undefined : readSettings(fields.input.at);
  if (fields.input === undefined) return report(at, "a subworkflow needs `input` with `workflow_id`");
  if (settings === undefined) return undefined;
  const { workflowId, inputMapping = fields.inputMapping ?? null, outputMapping = fields.outputMapping ?? null } = settings;
  if (workflowId === undefined) return report(fields.input.at, "a subworkflow needs `workflow_id` in its input");
  return { kind: "subworkflow", workflowId, inputMapping, outputMapping };
}
