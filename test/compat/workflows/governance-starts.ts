import {
  continueAsNew,
  defineSignal,
  defineUpdate,
  makeContinueAsNewFunc,
  proxyActivities,
  proxyLocalActivities,
  setHandler,
} from "@temporalio/workflow";

export type Activities = { charge(order: Order): Promise<string> };
export type Order = { readonly amount: number };

export const note = defineSignal<[text: string]>("note");
export const raise = defineUpdate<number, [by: number]>("raise");

/** Answers with the amount and what it was told before it began. */
export async function order({ amount }: Order): Promise<string> {
  const notes: string[] = [];
  let total = amount;
  setHandler(note, (text) => void notes.push(text));
  setHandler(raise, (by) => (total += by));
  await Promise.resolve();
  return [`ordered ${total}`, ...notes].join(", ");
}

/** Goes on as a larger order, in runs of the same chain. */
export async function growingOrder({ amount }: Order): Promise<string> {
  return amount > 100 ? `ordered ${amount}` : await continueAsNew<typeof growingOrder>({ amount: amount * 10 });
}

/** Goes on as another workflow. */
export async function disguised(asked: Order): Promise<string> {
  return await makeContinueAsNewFunc<typeof order>({ workflowType: "order" })(asked);
}

/** Charges in the workflow's own worker, which does not ask. */
export async function chargeLocally(toCharge: Order): Promise<string> {
  return await proxyLocalActivities<Activities>({ startToCloseTimeout: "10s" }).charge(toCharge);
}

export async function chargeProperly(toCharge: Order): Promise<string> {
  return await proxyActivities<Activities>({ startToCloseTimeout: "10s" }).charge(toCharge);
}
