import { condition, patched, proxyActivities, setHandler } from "@temporalio/workflow";
import { type Activities, nudge } from "./workflow-tasks.ts";

const { greet } = proxyActivities<Activities>({ startToCloseTimeout: "10s" });

/** The second deploy: runs that passed this place before keep to the old path. */
export async function deployed(): Promise<string> {
  let go = false;
  setHandler(nudge, () => {
    go = true;
  });
  await greet("before");
  const farewell = patched("with-farewell");
  await condition(() => go);
  return farewell ? await greet("version 2") : "version 1";
}

/** Does something else than before, without `patched`. */
export async function changeable(): Promise<string> {
  await greet("a surprise");
  return "changed";
}

export async function buggy(): Promise<string> {
  throw new TypeError("undefined is not a function");
}
