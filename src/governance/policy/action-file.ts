import {
  anyValue,
  dictionary,
  flag,
  into,
  list,
  listOf,
  mapping,
  name,
  type Problem,
  type ReadBy,
  readDocument,
  report,
  scalarText,
  text,
  wholeNumber,
  word,
  wordsOf,
} from "../../language/reader.ts";
import { type Action, actionOf } from "../action.ts";
import { inputOfValues, noInput } from "../action-input.ts";
import { readKind } from "./match.ts";

/** An action as people write it, in test cases and for `explain`. What is left out is empty. */
export const readActionFields = into(
  mapping(
    {
      namespace: name,
      kind: readKind,
      topic: name,
      name,
      labels: dictionary(scalarText),
      capability: name,
      riskTags: list(text),
      requires: list(text),
      packId: name,
      principal: mapping({ id: name, kind: word(wordsOf(["human", "service"] as const)), roles: list(name) }),
      workflowType: name,
      workflowId: scalarText,
      runId: scalarText,
      actionId: scalarText,
      taskQueue: name,
      attempt: wholeNumber(1),
      secretsPresent: flag,
      mcp: mapping({ server: text, tool: text, resource: text, action: text }),
      input: anyValue,
      args: listOf(anyValue),
      inputEncoding: name,
    },
    { tenant: "namespace", activity_type: "name", activity_id: "actionId" },
  ),
  (fields, at) => {
    if (fields.input !== undefined && fields.args !== undefined) report(at, "`input` is the first of `args`: give one of both");
    return fields;
  },
);
export type ActionFields = ReadBy<typeof readActionFields>;

export function actionOfFields({ kind, principal, mcp, input, args, inputEncoding, ...fields }: ActionFields): Action {
  const values = args ?? (input === undefined ? null : [input]);
  return actionOf({
    ...fields,
    kind: kind ?? "activity",
    principal: { id: principal?.id ?? "", kind: principal?.kind ?? "service", roles: principal?.roles ?? [] },
    mcp: mcp === undefined ? null : { server: "", tool: "", resource: "", action: "", ...mcp },
    input: values === null ? noInput : inputOfValues(values, inputEncoding),
  });
}

/** Reads an action from YAML or JSON. Null when an error is among the problems. */
export function parseAction(source: string): { readonly action: Action | null; readonly problems: readonly Problem[] } {
  const { value, problems } = readDocument(source, readActionFields);
  return { action: value === null ? null : actionOfFields(value), problems };
}
