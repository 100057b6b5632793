// The services that the tutorial calls without printing them.
import { setTimeout as delay } from "node:timers/promises";
import { openBooks, type ShopOrder } from "./books.ts";

const books = openBooks(process.env.SHOP_DB ?? ":memory:");

function answersFor(orderId: string): ShopOrder["answers"] {
  return books.findOrder(orderId)?.answers ?? {};
}

export const db = {
  orders: {
    findById: async (orderId: string) => books.findOrder(orderId),
    async update(orderId: string, change: { status: string }) {
      const order = books.findOrder(orderId);
      if (order) books.putOrder({ ...order, ...change });
      books.noteCall(orderId, `status: ${change.status}`);
    },
  },
};

export const inventoryService = {
  async reserve({ orderId }: { orderId: string }) {
    const { inventory = [], inventoryMs = 0 } = answersFor(orderId);
    const call = books.noteCall(orderId, "reserve");
    await delay(inventoryMs);
    const reason = inventory[call - 1];
    return { success: reason === undefined, reason };
  },
  async release({ orderId }: { orderId: string }) {
    books.noteCall(orderId, "release");
  },
};

export const paymentProcessor = {
  async charge({ idempotencyKey }: { customerId: string; amount: number; idempotencyKey: string }) {
    const orderId = idempotencyKey.replace(/^order-(.*)-charge$/, "$1");
    const { declineReason } = answersFor(orderId);
    books.noteCall(orderId, "charge");
    return { success: declineReason === undefined, transactionId: `txn-${orderId}`, declineReason };
  },
};

export const shippingService = {
  async create({ orderId }: { orderId: string }) {
    const call = books.noteCall(orderId, "ship");
    if (call <= (answersFor(orderId).carrierFailures ?? 0)) throw new Error("the carrier does not answer");
    return { shipmentId: `ship-${orderId}` };
  },
};

export const warehouseService = {
  async dispatch({ shipmentId }: { shipmentId: string }) {
    books.noteCall(shipmentId.replace(/^ship-/, ""), "dispatch");
  },
};

export const emailService = {
  async send({ data }: { data: { orderId: string } }) {
    books.noteCall(data.orderId, "email");
  },
};
