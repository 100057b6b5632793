import { describe, expect, test } from "vitest";
import type { Account, Attempt } from "../order-fulfillment/shop.ts";
import { type OrderEvidence, prove } from "./proof.ts";

const fulfilled: Account = {
  orderId: "A",
  status: "fulfilled",
  note: "",
  totalCents: 500,
  charges: 1,
  chargedCents: 500,
  refunds: 0,
  refundedCents: 0,
  shipments: 1,
  notifications: 2,
  reserved: 1,
  attempts: 2,
  unanswered: 1,
};
const cancelled: Account = {
  ...fulfilled,
  status: "cancelled",
  refunds: 1,
  refundedCents: 500,
  shipments: 0,
  notifications: 0,
  reserved: 0,
};
const declined: Account = { ...cancelled, status: "declined", charges: 0, chargedCents: 0, refunds: 0, refundedCents: 0 };

const attempt = (number: number): Attempt => ({
  orderId: "A",
  activity: "chargePayment",
  activityId: "3",
  attempt: number,
  workerPid: 1,
  startedAt: 0,
  outcome: "done",
});

const order = (account: Account, rest: Partial<OrderEvidence> = {}): OrderEvidence => ({
  account,
  workflow: "completed",
  attempts: [attempt(1), attempt(2)],
  recorded: new Map([["3", 2]]),
  ...rest,
});
const shelf = [{ sku: "mug", received: 5, onHand: 4, reserved: 1 }];

describe("the proof of the main job", () => {
  test("holds for books in order, and counts them", () => {
    const { faults, lines } = prove([order(fulfilled), order(cancelled), order(declined, { workflow: "failed" })], shelf);
    expect(faults).toEqual([]);
    expect(lines).toEqual([
      "3 orders: 2 charged once, 1 never, 0 twice, 0 lost",
      "€10.00 charged − €5.00 refunded = €5.00; the 1 fulfilled order comes to €5.00",
      "1 step took 6 attempts; 3 orders had a worker die under them; 0 steps ran again after their result was recorded",
    ]);
  });

  test.each([
    // what went wrong               the order with it                                                     the fault
    ["charged twice", order({ ...cancelled, charges: 2 }), "A: charged 2 times"],
    ["charged the wrong sum", order({ ...fulfilled, totalCents: 700 }), "A: charged €5.00 of €7.00"],
    ["its workflow never ended", order(fulfilled, { workflow: "open" }), "A: lost: its workflow is open, the shop says fulfilled"],
    [
      "the shop never heard of its end",
      order({ ...declined, status: "pending" }),
      "A: lost: its workflow is completed, the shop says pending",
    ],
    ["cancelled and not refunded", order({ ...cancelled, refundedCents: 0 }), "A: cancelled, and €5.00 were kept"],
    ["cancelled and shipped", order({ ...cancelled, shipments: 1 }), "A: cancelled and shipped"],
    ["cancelled, and its goods kept aside", order({ ...cancelled, reserved: 2 }), "A: cancelled, and 2 units stay reserved"],
    ["fulfilled and refunded", order({ ...fulfilled, refunds: 1 }), "A: fulfilled and refunded"],
    ["shipped twice", order({ ...fulfilled, shipments: 2 }), "A: shipped 2 times"],
    ["a message missing", order({ ...fulfilled, notifications: 1 }), "A: 1 of 2 messages sent"],
    [
      "a finished step ran again",
      order(fulfilled, { recorded: new Map([["3", 1]]) }),
      "A: chargePayment ran again (attempt 2) after its result was recorded",
    ],
  ] as const)("fails for an order that is %s", (_name, broken, fault) => {
    expect(prove([broken], shelf).faults).toContain(fault);
  });

  test("fails when goods are gone", () => {
    expect(prove([order(fulfilled)], [{ sku: "mug", received: 5, onHand: 3, reserved: 1 }]).faults).toEqual([
      "mug: 5 came in, 3 on the shelf and 1 set aside",
    ]);
  });
});
