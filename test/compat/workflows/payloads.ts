import {
  ApplicationFailure,
  condition,
  defineQuery,
  defineSignal,
  defineUpdate,
  proxyActivities,
  setHandler,
  upsertMemo,
} from "@temporalio/workflow";

export type Activities = {
  echo(value: unknown): Promise<unknown>;
  /** Heartbeats its secret on the first attempt, and answers with it on the second. */
  remember(secret: string): Promise<unknown>;
  fail(secret: string): Promise<void>;
  blowUp(bytes: number): Promise<string>;
};
const { blowUp, echo, remember, fail } = proxyActivities<Activities>({
  startToCloseTimeout: "10s",
  retry: { initialInterval: 1, maximumAttempts: 2 },
});

export const tell = defineSignal<[string]>("tell");
export const exchange = defineUpdate<string, [string]>("exchange");
export const told = defineQuery<string>("told");

export async function secretKeeper(secret: string): Promise<unknown[]> {
  let heard = "";
  setHandler(tell, (secret) => {
    heard = secret;
  });
  setHandler(exchange, (secret) => `${secret} for ${heard}`);
  setHandler(told, () => heard);
  upsertMemo({ upserted: secret });
  const answers = [await echo(secret), await remember(secret)];
  await condition(() => heard !== "");
  return [...answers, heard];
}

export async function leak(secret: string): Promise<void> {
  await fail(secret).catch((error: unknown) => {
    throw ApplicationFailure.create({ message: `told by the workflow: ${secret}`, cause: error as Error });
  });
}

/** Carries something large through an activity. */
export async function carry(text: string): Promise<string> {
  return (await echo(text)) as string;
}

export async function inflate(bytes: number): Promise<number> {
  return (await blowUp(bytes)).length;
}
