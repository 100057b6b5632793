import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/** The file as a user edits it; the built job runs from dist/examples. */
const shippedOrders = fileURLToPath(new URL("../../../examples/order-fulfillment/orders.json", import.meta.url));

export type Options = { readonly ordersFile: string; readonly keep: boolean; readonly port: number | undefined };

export const usage = `usage: npm start -- [options]
  --orders FILE   your orders instead of examples/order-fulfillment/orders.json
  --port PORT     where the server listens for gRPC (default: any free port)
  --keep          leave server and worker running at the end, on 7233 and 8081 if these are free`;

/** Thrown for a command line that cannot be followed. */
export class UsageError extends Error {}

export function readOptions(args: readonly string[]): Options | "help" {
  const { orders, port, keep, help } = parse(args);
  if (help) return "help";
  if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) > 0 && Number(port) < 65_536))
    throw new UsageError(`--port must be 1 to 65535, not \`${port}\``);
  return {
    ordersFile: orders === undefined ? shippedOrders : resolve(orders),
    keep: keep === true,
    port: port === undefined ? undefined : Number(port),
  };
}

function parse(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { orders: { type: "string" }, port: { type: "string" }, keep: { type: "boolean" }, help: { type: "boolean", short: "h" } },
    });
    return values;
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : error}\n${usage}`);
  }
}
