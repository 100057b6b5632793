import { MockActivityEnvironment } from "@temporalio/testing";
import { DefaultLogger } from "@temporalio/worker";
import { afterAll, describe, expect, test } from "vitest";
import { createActivities } from "./activities.ts";
import type { Order } from "./order.ts";
import { openShop } from "./shop.ts";

const quiet = new DefaultLogger("ERROR");
const shop = openShop(":memory:");
const activities = createActivities(shop);
afterAll(() => shop.close());

const orderWith = (orderId: string, change: Partial<Order> = {}): Order => ({
  orderId,
  customer: { name: "Ingrid Solberg", email: "ingrid@example.org" },
  card: "tok_visa_4242",
  shipTo: { street: "Lindenstraße 14", postcode: "50674", city: "Köln", country: "DE" },
  items: [{ sku: "MUG", quantity: 2, unitPriceCents: 900 }],
  ...change,
});
const attemptOf = (orderId: string, attempt: number) =>
  new MockActivityEnvironment({ attempt, workflowExecution: { workflowId: `order-${orderId}`, runId: "run" } }, { logger: quiet });

describe("charging", () => {
  test("a second attempt after a lost answer gets the first booking", async () => {
    const order = orderWith("lost-answer");
    shop.takeIn([order], []);
    const answers = [await attemptOf("lost-answer", 1).run(activities.chargePayment, order)];
    answers.push(await attemptOf("lost-answer", 2).run(activities.chargePayment, order));
    expect(answers).toEqual(["CH-00001", "CH-00001"]);
    expect(shop.accounts()).toMatchObject([{ orderId: "lost-answer", charges: 1, chargedCents: 1800 }]);
  });

  test.each([
    // card         attempt  outcome
    ["tok_visa_0002", 1, { type: "CardDeclined", nonRetryable: true }],
    ["tok_visa_0119", 1, { message: "the bank is not available" }],
  ] as const)("card %s, attempt %i", async (card, attempt, failure) => {
    await expect(attemptOf("A", attempt).run(activities.chargePayment, orderWith("A", { card }))).rejects.toMatchObject(failure);
  });
});

test.each([
  ["an unknown order", undefined, "order B is unknown"],
  ["a country without a carrier", orderWith("B", { shipTo: { ...orderWith("B").shipTo, country: "NZ" } }), "no carrier goes to NZ"],
] as const)("validation refuses %s for good", async (_name, order, message) => {
  if (order) shop.takeIn([order], []);
  await expect(attemptOf("B", 1).run(activities.validateOrder, "B")).rejects.toMatchObject({ message, nonRetryable: true });
});
