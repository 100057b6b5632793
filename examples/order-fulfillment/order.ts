/** Where the workers of this example poll. */
export const orderTaskQueue = "order-fulfillment";

/** One order, one workflow execution: starting an order again finds the first. */
export const workflowIdOf = (orderId: string): string => `order-${orderId}`;

export type Item = { readonly sku: string; readonly quantity: number; readonly unitPriceCents: number };

export type Order = {
  readonly orderId: string;
  readonly customer: { readonly name: string; readonly email: string };
  /** Token of the card vault, never a card number. */
  readonly card: string;
  readonly shipTo: { readonly street: string; readonly postcode: string; readonly city: string; readonly country: string };
  readonly items: readonly Item[];
};

/** What `getStatus` answers: the step at work, then how the order ended. */
export type OrderStatus = "validating" | "reserving" | "charging" | "shipping" | "notifying" | "confirming" | "compensating" | OrderOutcome;

export type OrderOutcome = "fulfilled" | "cancelled" | "declined" | "out-of-stock" | "rejected" | "failed";

export type CancelRequest = { readonly reason: string };

export type Fulfillment =
  | {
      readonly outcome: "fulfilled";
      readonly orderId: string;
      readonly chargeId: string;
      readonly shipmentId: string;
      readonly estimatedDelivery: string;
    }
  | { readonly outcome: "cancelled"; readonly orderId: string; readonly reason: string };

export const totalCents = (order: Order): number =>
  order.items.reduce((sum, { quantity, unitPriceCents }) => sum + quantity * unitPriceCents, 0);

export const euros = (cents: number): string => `€${(cents / 100).toFixed(2)}`;
