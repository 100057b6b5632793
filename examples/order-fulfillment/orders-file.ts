import { readFileSync } from "node:fs";
import { z } from "zod";
import type { Order } from "./order.ts";
import type { StockLine } from "./shop.ts";

/** Enough for a demonstration that ends within a minute. */
export const ordersMax = 200;

/** When this customer changes their mind: as soon as the order is at this step. */
export type CustomerCancels = { readonly while: "reserving" | "charging" | "shipping"; readonly reason: string };

export type OrdersFile = {
  readonly stock: readonly StockLine[];
  readonly orders: ReadonlyArray<Order & { readonly customerCancels?: CustomerCancels }>;
};

const text = z.string().trim().min(1, "must not be empty");
const count = z.int().min(1).max(10_000);

const order = z.strictObject({
  orderId: z.string().regex(/^[\w-]{1,40}$/, "must be 1 to 40 letters, digits, `-` or `_`"),
  customer: z.strictObject({ name: text, email: z.email() }),
  card: z.string().regex(/^tok_\w+$/, "must be a token of the card vault, such as `tok_visa_4242`"),
  shipTo: z.strictObject({
    street: text,
    postcode: text,
    city: text,
    country: z.string().regex(/^[A-Z]{2}$/, "must be two capital letters, such as `DE`"),
  }),
  items: z.array(z.strictObject({ sku: text, quantity: count, unitPriceCents: z.int().min(1).max(10_000_000) })).min(1),
  customerCancels: z.strictObject({ while: z.enum(["reserving", "charging", "shipping"]), reason: text }).exactOptional(),
});

const ordersFile = z
  .strictObject({
    stock: z.array(z.strictObject({ sku: text, name: text, onHand: z.int().min(0).max(1_000_000) })).min(1),
    orders: z.array(order).min(1).max(ordersMax),
  })
  .superRefine(({ stock, orders }, context) => {
    const skus = new Set(stock.map(({ sku }) => sku));
    const seen = new Map<string, number>();
    orders.forEach(({ orderId, items }, index) => {
      const first = seen.get(orderId);
      if (first !== undefined)
        context.addIssue({ code: "custom", path: ["orders", index, "orderId"], message: `is the same as in orders[${first}]` });
      else seen.set(orderId, index);
      items.forEach(({ sku }, item) => {
        if (!skus.has(sku))
          context.addIssue({
            code: "custom",
            path: ["orders", index, "items", item, "sku"],
            message: `\`${sku}\` is not in the stock list`,
          });
      });
    });
  });

/** Thrown for an orders file that cannot be used; each problem names the entry and what is wrong with it. */
export class OrdersFileError extends Error {
  readonly problems: readonly string[];
  constructor(file: string, problems: readonly string[]) {
    super(`cannot use the orders file ${file}:\n${problems.map((problem) => `  - ${problem}`).join("\n")}`);
    this.name = "OrdersFileError";
    this.problems = problems;
  }
}

export function readOrdersFile(file: string): OrdersFile {
  let document: unknown;
  try {
    document = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new OrdersFileError(file, [
      `${error instanceof SyntaxError ? "not JSON" : "not readable"}: ${error instanceof Error ? error.message : error}`,
    ]);
  }
  const parsed = ordersFile.safeParse(document);
  if (parsed.success) return parsed.data;
  throw new OrdersFileError(
    file,
    parsed.error.issues.map(({ path, message }) => `${place(document, path)}: ${message}`),
  );
}

/** `orders[3] (HF-20414) items[0].quantity`: the entry first, by position and by name. */
function place(document: unknown, path: readonly PropertyKey[]): string {
  const [list, index, ...rest] = path;
  if (typeof index !== "number") return spell(path) || "the whole file";
  const name = z.looseObject({ orderId: z.string() }).safeParse(at(at(document, list), index));
  return [spell([list ?? "", index]) + (name.success ? ` (${name.data.orderId})` : ""), spell(rest)].filter(Boolean).join(" ");
}

const spell = (path: readonly PropertyKey[]): string =>
  path.map((key, position) => (typeof key === "number" ? `[${key}]` : `${position > 0 ? "." : ""}${String(key)}`)).join("");

const at = (value: unknown, key: PropertyKey | undefined): unknown =>
  typeof value === "object" && value !== null && key !== undefined ? Reflect.get(value, key) : undefined;
