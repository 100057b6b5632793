import { afterAll, beforeEach, describe, expect, test } from "vitest";
import type { Order } from "./order.ts";
import { openShop, type Shop } from "./shop.ts";

const order: Order = {
  orderId: "A-1",
  customer: { name: "Ingrid Solberg", email: "ingrid@example.org" },
  card: "tok_visa_4242",
  shipTo: { street: "Lindenstraße 14", postcode: "50674", city: "Köln", country: "DE" },
  items: [
    { sku: "MUG", quantity: 2, unitPriceCents: 900 },
    { sku: "POT", quantity: 1, unitPriceCents: 3200 },
  ],
};

let shop: Shop;
beforeEach(() => {
  shop?.close();
  shop = openShop(":memory:");
  shop.takeIn(
    [order],
    [
      { sku: "MUG", name: "Mug", onHand: 3 },
      { sku: "POT", name: "Pot", onHand: 1 },
    ],
  );
});
afterAll(() => shop.close());

const onHand = () => shop.shelf().map((line) => line.onHand);
const account = () => shop.accounts()[0];

describe("the shop", () => {
  test("repeats no effect: whatever an attempt does again is done once", () => {
    for (let attempt = 1; attempt <= 3; attempt++) {
      shop.reserve(order);
      shop.charge({ key: "order-A-1/charge", orderId: "A-1", amountCents: 5000 });
      shop.ship({ key: "order-A-1/shipment", orderId: "A-1", chargeId: "CH-00001" });
      shop.notify({ key: "order-A-1/warehouse", orderId: "A-1", recipient: "warehouse", text: "pack" });
    }
    expect(onHand()).toEqual([1, 0]);
    expect(account()).toMatchObject({ charges: 1, chargedCents: 5000, shipments: 1, notifications: 1, reserved: 3 });
  });

  test("answers a repeated charge with the first booking", () => {
    const charge = { key: "order-A-1/charge", orderId: "A-1", amountCents: 5000 };
    expect([shop.charge(charge), shop.charge(charge)]).toEqual([
      { chargeId: "CH-00001", repeated: false },
      { chargeId: "CH-00001", repeated: true },
    ]);
  });

  test("would show a double charge, if one came under another key", () => {
    shop.charge({ key: "one", orderId: "A-1", amountCents: 5000 });
    shop.charge({ key: "another", orderId: "A-1", amountCents: 5000 });
    expect(account()).toMatchObject({ charges: 2, chargedCents: 10_000 });
  });

  test("reserves all items of an order or none", () => {
    expect(shop.reserve({ ...order, orderId: "A-2", items: [...order.items, { sku: "MUG", quantity: 9, unitPriceCents: 1 }] })).toEqual({
      sku: "MUG",
      onHand: 3,
    });
    expect(onHand()).toEqual([3, 1]);
  });

  test("undoes what was done, and nothing where nothing was done", () => {
    const undo = () => {
      shop.release("A-1");
      shop.refund({ key: "order-A-1/refund", orderId: "A-1" });
      shop.cancelShipment("A-1");
    };
    undo();
    expect(account()).toMatchObject({ refunds: 0, reserved: 0 });
    shop.reserve(order);
    shop.charge({ key: "order-A-1/charge", orderId: "A-1", amountCents: 5000 });
    shop.ship({ key: "order-A-1/shipment", orderId: "A-1", chargeId: "CH-00001" });
    undo();
    undo();
    expect(account()).toMatchObject({ charges: 1, refunds: 1, refundedCents: 5000, shipments: 0, reserved: 0 });
    expect(onHand()).toEqual([3, 1]);
  });

  test("knows which charges are booked and not answered", () => {
    const answered = shop.attemptStarted({ orderId: "A-1", activity: "chargePayment", activityId: "3", attempt: 1 });
    shop.charge({ key: "order-A-1/charge", orderId: "A-1", amountCents: 5000 });
    expect(shop.unansweredCharges()).toEqual(["A-1"]);
    answered("done");
    expect(shop.unansweredCharges()).toEqual([]);
  });
});
