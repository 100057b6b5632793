// The rules of the bench in Cedar, by its WebAssembly package. A development dependency, loaded only when it is asked for.
import { setFlagsFromString } from "node:v8";
import { type Load, questionsOf, topicOf } from "../rules.ts";

/** Rejects when the package is not installed. */
export async function openCedar(): Promise<Load> {
  // V8 11.3 (Node.js 20) aborts when it deoptimizes a function into which it has inlined a call of WebAssembly.
  setFlagsFromString("--no-turbo-inline-js-wasm-calls");
  const { preparsePolicySet, statefulIsAuthorized } = await import("@cedar-policy/cedar-wasm/nodejs");
  return (set) => {
    // Cedar's policies have no order: a permit is as good wherever it stands.
    const permit = (at: number): string =>
      set.kind === "labels"
        ? `permit(principal, action, resource) when { context.n == "${at}" && context.env == "prod" };`
        : `permit(principal, action, resource == Topic::"${topicOf(at)}") when { context.env == "prod" };`;
    const id = `${set.kind}-${set.size}`;
    const parsed = preparsePolicySet(id, { staticPolicies: Array.from({ length: set.size }, (_, at) => permit(at)).join("\n") });
    if (parsed.type !== "success") throw new Error(JSON.stringify(parsed.errors));
    const calls = questionsOf(set).map(({ topic, env, n }) => ({
      principal: { type: "User", id: "ann" },
      action: { type: "Action", id: "run" },
      resource: { type: "Topic", id: topic },
      context: { env, n },
      preparsedPolicySetId: id,
      entities: [],
    }));
    return {
      name: "cedar",
      decide: (index) => {
        const call = calls[index % calls.length];
        const answer = call && statefulIsAuthorized(call);
        return answer?.type === "success" && answer.response.decision === "allow";
      },
    };
  };
}
