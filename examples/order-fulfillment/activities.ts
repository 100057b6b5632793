import { activityInfo, log, sleep } from "@temporalio/activity";
import { ApplicationFailure } from "@temporalio/common";
import { type Order, type OrderOutcome, totalCents } from "./order.ts";
import type { Shop } from "./shop.ts";

export type OrderActivities = ReturnType<typeof createActivities>;

// How long the services behind the shop take. The bank books first and answers later: whoever dies in between does not know.
const inventoryMs = 250;
const bankBooksMs = 200;
const bankAnswersMs = 700;
const carrierMs = 350;
const mailMs = 80;

const countriesServed = ["AT", "BE", "DE", "DK", "ES", "FR", "IE", "IT", "NL", "PL", "PT", "SE"];

/** Steps that touch the world. Each may run more than once, so each effect has a key that is the same on every attempt. */
export function createActivities(shop: Shop) {
  return {
    async validateOrder(orderId: string): Promise<Order> {
      const order = shop.findOrder(orderId);
      if (!order) throw ApplicationFailure.nonRetryable(`order ${orderId} is unknown`, "OrderRejected");
      const { country } = order.shipTo;
      if (!countriesServed.includes(country)) throw ApplicationFailure.nonRetryable(`no carrier goes to ${country}`, "OrderRejected");
      return order;
    },

    async reserveInventory(order: Order): Promise<void> {
      await sleep(inventoryMs);
      const missing = shop.reserve(order);
      if (missing) throw ApplicationFailure.nonRetryable(`only ${missing.onHand} of ${missing.sku} left`, "OutOfStock");
    },

    async releaseInventory(order: Order): Promise<void> {
      shop.release(order.orderId);
    },

    async chargePayment(order: Order): Promise<string> {
      await sleep(bankBooksMs);
      const verdict = bankVerdict(order.card, activityInfo().attempt);
      // A declined card stays declined, so the server must not try again. A bank that is down may be up again.
      if (verdict === "declined") throw ApplicationFailure.nonRetryable("the bank declined the card", "CardDeclined");
      if (verdict === "unavailable") throw new Error("the bank is not available");

      const { chargeId, repeated } = shop.charge({ key: effectKey("charge"), orderId: order.orderId, amountCents: totalCents(order) });
      if (repeated) log.info("the bank knew this charge already and answered with the first booking", { chargeId });
      await sleep(bankAnswersMs);
      return chargeId;
    },

    async refundPayment(order: Order): Promise<void> {
      await sleep(bankBooksMs);
      shop.refund({ key: effectKey("refund"), orderId: order.orderId });
    },

    async createShipment(order: Order, chargeId: string): Promise<string> {
      await sleep(carrierMs);
      return shop.ship({ key: effectKey("shipment"), orderId: order.orderId, chargeId });
    },

    async cancelShipment(order: Order): Promise<void> {
      shop.cancelShipment(order.orderId);
    },

    async notifyWarehouse(order: Order, shipmentId: string): Promise<void> {
      await sleep(mailMs);
      shop.notify({ key: effectKey("warehouse"), orderId: order.orderId, recipient: "warehouse", text: `pack ${shipmentId}` });
    },

    async sendConfirmation(order: Order, shipmentId: string, estimatedDelivery: string): Promise<void> {
      await sleep(mailMs);
      const text = `Dear ${order.customer.name}, parcel ${shipmentId} arrives on ${estimatedDelivery}.`;
      shop.notify({ key: effectKey("confirmation"), orderId: order.orderId, recipient: order.customer.email, text });
    },

    async updateOrderStatus(orderId: string, outcome: OrderOutcome, note: string): Promise<void> {
      shop.setStatus({ orderId, status: outcome, note });
    },
  };
}

/** Workflow id and step: the same for every attempt, whichever worker makes it. */
const effectKey = (step: string): string => `${activityInfo().workflowExecution?.workflowId}/${step}`;

/** The test cards of this shop's bank. */
function bankVerdict(card: string, attempt: number): "accepted" | "declined" | "unavailable" {
  if (card.endsWith("_0002")) return "declined";
  if (card.endsWith("_0119") && attempt === 1) return "unavailable";
  return "accepted";
}
