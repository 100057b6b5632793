import { fileURLToPath } from "node:url";
import { Client, Connection, WorkflowExecutionAlreadyStartedError, type WorkflowHandleWithFirstExecutionRunId } from "@temporalio/client";
import { orderTaskQueue, workflowIdOf } from "./order.ts";
import { readOrdersFile } from "./orders-file.ts";
import { openShop } from "./shop.ts";
import { cancelOrder, getStatus, orderFulfillment } from "./workflows.ts";

export type OrderHandle = WorkflowHandleWithFirstExecutionRunId<typeof orderFulfillment>;

/** Starts the order's workflow. An order that was ever started is refused, however often the button is pressed. */
export const startOrder = (client: Client, orderId: string): Promise<OrderHandle> =>
  client.workflow.start(orderFulfillment, {
    taskQueue: orderTaskQueue,
    workflowId: workflowIdOf(orderId),
    workflowIdReusePolicy: "REJECT_DUPLICATE",
    args: [orderId],
  });

const usage = `usage: client.ts submit [orders.json]   put the file's orders into the shop and start them
       client.ts status ORDER          ask the workflow how far it is
       client.ts cancel ORDER [REASON] send the signal
       client.ts result ORDER          wait for the end
environment: TEMPORAL_ADDRESS (127.0.0.1:7233), SHOP_DB (.holdfast/shop.db)`;

async function main([command, subject = "", ...words]: readonly string[]): Promise<void> {
  const connection = await Connection.connect({ address: process.env.TEMPORAL_ADDRESS ?? "127.0.0.1:7233" });
  const client = new Client({ connection });
  const handle = client.workflow.getHandle<typeof orderFulfillment>(workflowIdOf(subject));
  const commands: Readonly<Record<string, () => Promise<unknown>>> = {
    submit: async () => {
      const { orders, stock } = readOrdersFile(subject || fileURLToPath(new URL("./orders.json", import.meta.url)));
      const shop = openShop(process.env.SHOP_DB ?? ".holdfast/shop.db");
      shop.takeIn(orders, stock);
      shop.close();
      const starts = await Promise.allSettled(orders.map(({ orderId }) => startOrder(client, orderId)));
      const refused = starts.flatMap((start) => (start.status === "rejected" ? [start.reason] : []));
      for (const reason of refused) if (!(reason instanceof WorkflowExecutionAlreadyStartedError)) throw reason;
      return `${orders.length - refused.length} orders started, ${refused.length} refused because they were started before`;
    },
    status: () => handle.query(getStatus),
    cancel: async () => {
      await handle.signal(cancelOrder, { reason: words.join(" ") || "the customer changed their mind" });
      return "signal sent";
    },
    result: () => handle.result(),
  };
  console.log(await (commands[command ?? ""] ?? (async () => usage))());
  await connection.close();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
