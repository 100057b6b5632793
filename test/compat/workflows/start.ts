import { ApplicationFailure, condition } from "@temporalio/workflow";

export async function succeeds(): Promise<string> {
  return "done";
}

export async function fails(): Promise<void> {
  throw ApplicationFailure.nonRetryable("failed");
}

export async function stays(): Promise<void> {
  await condition(() => false);
}
