import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  defineQuery,
  defineSignal,
  isCancellation,
  proxyActivities,
  setHandler,
} from "@temporalio/workflow";
import type { OrderActivities } from "./activities.ts";
import type { CancelRequest, Fulfillment, Order, OrderOutcome, OrderStatus } from "./order.ts";

export const cancelOrder = defineSignal<[CancelRequest]>("cancelOrder");
export const getStatus = defineQuery<OrderStatus>("getStatus");

const { validateOrder, reserveInventory, chargePayment, createShipment, notifyWarehouse, sendConfirmation } =
  proxyActivities<OrderActivities>({
    // A worker that dies answers nothing: this is how long the server waits for it before it hands the step to another.
    startToCloseTimeout: "5 seconds",
    retry: { initialInterval: "500 milliseconds", backoffCoefficient: 2, maximumInterval: "10 seconds", maximumAttempts: 10 },
  });

// What undoes a step may not give up: no limit of attempts.
const { releaseInventory, refundPayment, cancelShipment, updateOrderStatus } = proxyActivities<OrderActivities>({
  startToCloseTimeout: "5 seconds",
  retry: { initialInterval: "500 milliseconds", maximumInterval: "30 seconds" },
});

/** Takes one order from the shop's database to the customer's door, or undoes what it did. */
export async function orderFulfillment(orderId: string): Promise<Fulfillment> {
  let status: OrderStatus = "validating";
  let cancel: CancelRequest | undefined;
  setHandler(cancelOrder, (request) => {
    cancel ??= request;
  });
  setHandler(getStatus, () => status);

  const compensations: Array<() => Promise<void>> = [];
  const begin = (next: OrderStatus, compensation?: () => Promise<void>): void => {
    if (cancel) throw ApplicationFailure.nonRetryable(cancel.reason, "OrderCancelled");
    status = next;
    // Noted before the step runs: a step that failed may still have had its effect. Undoing what never happened does nothing.
    if (compensation) compensations.unshift(compensation);
  };

  try {
    const order = await validateOrder(orderId);

    begin("reserving", () => releaseInventory(order));
    await reserveInventory(order);

    begin("charging", () => refundPayment(order));
    const chargeId = await chargePayment(order);

    begin("shipping", () => cancelShipment(order));
    const shipmentId = await createShipment(order, chargeId);

    // The last moment to cancel: the warehouse does not take a parcel back.
    begin("notifying");
    await notifyWarehouse(order, shipmentId);

    status = "confirming";
    const estimatedDelivery = estimateDelivery(order);
    await sendConfirmation(order, shipmentId, estimatedDelivery);
    await updateOrderStatus(orderId, "fulfilled", `arrives ${estimatedDelivery}`);

    status = "fulfilled";
    return { outcome: "fulfilled", orderId, chargeId, shipmentId, estimatedDelivery };
  } catch (error) {
    const { outcome, reason } = outcomeOf(error);
    status = "compensating";
    await CancellationScope.nonCancellable(async () => {
      for (const compensate of compensations) await compensate();
      await updateOrderStatus(orderId, outcome, reason);
    });
    status = outcome;
    if (cancel && outcome === "cancelled") return { outcome, orderId, reason };
    throw error;
  }
}

const outcomes: Readonly<Record<string, OrderOutcome>> = {
  OrderCancelled: "cancelled",
  CardDeclined: "declined",
  OutOfStock: "out-of-stock",
  OrderRejected: "rejected",
};

function outcomeOf(error: unknown): { outcome: OrderOutcome; reason: string } {
  if (isCancellation(error)) return { outcome: "cancelled", reason: "the workflow was cancelled" };
  const cause = error instanceof ActivityFailure ? error.cause : error;
  const outcome = cause instanceof ApplicationFailure ? outcomes[cause.type ?? ""] : undefined;
  return { outcome: outcome ?? "failed", reason: cause instanceof Error ? cause.message : String(cause) };
}

/** Pure, so it may live in workflow code: `Date.now()` is the time of the workflow task, the same on every replay. */
function estimateDelivery(order: Order): string {
  const days = order.shipTo.country === "DE" ? 2 : 4;
  return new Date(Date.now() + days * 24 * 60 * 60 * 1000).toISOString().slice(0, 10);
}
