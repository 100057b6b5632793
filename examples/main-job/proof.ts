import { euros } from "../order-fulfillment/order.ts";
import type { Account, Attempt, ShelfCount } from "../order-fulfillment/shop.ts";
import { counted } from "./screen.ts";

export type OrderEvidence = {
  readonly account: Account;
  readonly workflow: "completed" | "failed" | "open";
  readonly attempts: readonly Attempt[];
  /** From the workflow's history: activity id to the attempt whose result was recorded. */
  readonly recorded: ReadonlyMap<string, number>;
};

export type Proof = { readonly lines: readonly string[]; readonly faults: readonly string[] };

/** Holds the shop's books against the histories in the server. No fault means that nothing was lost and nothing done twice. */
export function prove(orders: readonly OrderEvidence[], shelf: readonly ShelfCount[]): Proof {
  const faults = [...orders.flatMap(faultsOfOrder), ...shelf.flatMap(faultsOfShelf)];
  const accounts = orders.map(({ account }) => account);
  const count = (holds: (account: Account) => boolean) => accounts.filter(holds).length;
  const sum = (amount: (account: Account) => number) => accounts.reduce((total, account) => total + amount(account), 0);

  const lost = orders.filter(isLost).length;
  const charged = sum(({ chargedCents }) => chargedCents);
  const refunded = sum(({ refundedCents }) => refundedCents);
  const owed = sum(({ status, totalCents }) => (status === "fulfilled" ? totalCents : 0));
  if (charged - refunded !== owed) faults.push(`${euros(charged - refunded)} were earned, but the fulfilled orders come to ${euros(owed)}`);

  const attempts = orders.flatMap((order) => order.attempts);
  const steps = new Set(attempts.map(({ orderId, activityId }) => `${orderId}/${activityId}`)).size;
  const again = orders.flatMap(repeatedSteps).length;
  const fulfilled = count(({ status }) => status === "fulfilled");
  return {
    faults,
    lines: [
      `${counted(accounts.length, "order")}: ${count(({ charges }) => charges === 1)} charged once, ${count(({ charges }) => charges === 0)} never, ` +
        `${count(({ charges }) => charges > 1)} twice, ${lost} lost`,
      `${euros(charged)} charged − ${euros(refunded)} refunded = ${euros(charged - refunded)}; ` +
        `the ${counted(fulfilled, "fulfilled order")} ${fulfilled === 1 ? "comes" : "come"} to ${euros(owed)}`,
      `${counted(steps, "step")} took ${counted(attempts.length, "attempt")}; ` +
        `${counted(
          count(({ unanswered }) => unanswered > 0),
          "order",
        )} had a worker die under them; ` +
        `${counted(again, "step")} ran again after their result was recorded`,
    ],
  };
}

const isLost = ({ account, workflow }: OrderEvidence): boolean => workflow === "open" || account.status === "pending";

/** Steps that were attempted again although the server had their result. */
const repeatedSteps = ({ attempts, recorded }: OrderEvidence): readonly Attempt[] =>
  attempts.filter(({ activityId, attempt }) => attempt > (recorded.get(activityId) ?? Number.POSITIVE_INFINITY));

function faultsOfOrder(order: OrderEvidence): string[] {
  const { account } = order;
  const { orderId, status, charges, shipments } = account;
  const fault = (holds: boolean, text: string) => (holds ? [] : [`${orderId}: ${text}`]);
  const always = [
    ...fault(!isLost(order), `lost: its workflow is ${order.workflow}, the shop says ${status}`),
    ...fault(charges <= 1, `charged ${charges} times`),
    ...repeatedSteps(order).map(
      ({ activity, attempt }) => `${orderId}: ${activity} ran again (attempt ${attempt}) after its result was recorded`,
    ),
  ];
  if (isLost(order)) return always;
  if (status === "fulfilled")
    return [
      ...always,
      ...fault(account.chargedCents === account.totalCents, `charged ${euros(account.chargedCents)} of ${euros(account.totalCents)}`),
      ...fault(account.refunds === 0, "fulfilled and refunded"),
      ...fault(shipments === 1, `shipped ${shipments} times`),
      ...fault(account.notifications === 2, `${account.notifications} of 2 messages sent`),
    ];
  return [
    ...always,
    ...fault(
      account.chargedCents === account.refundedCents,
      `${status}, and ${euros(account.chargedCents - account.refundedCents)} were kept`,
    ),
    ...fault(shipments === 0, `${status} and shipped`),
    ...fault(account.reserved === 0, `${status}, and ${counted(account.reserved, "unit")} stay reserved`),
  ];
}

const faultsOfShelf = ({ sku, received, onHand, reserved }: ShelfCount): string[] =>
  received === onHand + reserved ? [] : [`${sku}: ${received} came in, ${onHand} on the shelf and ${reserved} set aside`];
