import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { OrdersFileError, readOrdersFile } from "./orders-file.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-orders-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const good = {
  orderId: "A-1",
  customer: { name: "Ingrid Solberg", email: "ingrid@example.org" },
  card: "tok_visa_4242",
  shipTo: { street: "Lindenstraße 14", postcode: "50674", city: "Köln", country: "DE" },
  items: [{ sku: "MUG", quantity: 1, unitPriceCents: 900 }],
};
const stock = [{ sku: "MUG", name: "Mug", onHand: 3 }];

function problemsOf(text: string): readonly string[] {
  const file = join(folder, "orders.json");
  writeFileSync(file, text);
  try {
    readOrdersFile(file);
    return [];
  } catch (error) {
    if (error instanceof OrdersFileError) return error.problems;
    throw error;
  }
}

describe("an orders file", () => {
  test("that ships with the example is good", () => {
    const { orders, stock } = readOrdersFile(fileURLToPath(new URL("./orders.json", import.meta.url)));
    expect([orders.length, stock.length]).toEqual([12, 8]);
  });

  test.each([
    // the second order                                                         the problem names entry, order and field
    [{ ...good, orderId: "A-2" }, []],
    [good, ["orders[1] (A-1) orderId: is the same as in orders[0]"]],
    [{ ...good, orderId: "A 2" }, ["orders[1] (A 2) orderId: must be 1 to 40 letters, digits, `-` or `_`"]],
    [{ ...good, orderId: "A-2", card: "4242 4242" }, ["orders[1] (A-2) card: must be a token of the card vault, such as `tok_visa_4242`"]],
    [
      { ...good, orderId: "A-2", items: [{ sku: "CUP", quantity: 1, unitPriceCents: 900 }] },
      ["orders[1] (A-2) items[0].sku: `CUP` is not in the stock list"],
    ],
    [
      { ...good, orderId: "A-2", items: [{ sku: "MUG", quantity: "two", unitPriceCents: 900 }] },
      ["orders[1] (A-2) items[0].quantity: Invalid input: expected number, received string"],
    ],
    [{ ...good, orderId: "A-2", coupon: "X" }, ['orders[1] (A-2): Unrecognized key: "coupon"']],
    ["A-2", ["orders[1]: Invalid input: expected object, received string"]],
  ])("with a second order %j", (second, problems) => {
    expect(problemsOf(JSON.stringify({ stock, orders: [good, second] }))).toEqual(problems);
  });

  test.each([
    ["{", /^not JSON: /],
    ["[]", /^the whole file: /],
    [JSON.stringify({ stock, orders: [] }), /^orders: /],
    [JSON.stringify({ orders: [good] }), /^stock: /],
  ])("%s is refused as a whole", (text, problem) => {
    expect(problemsOf(text)).toEqual([expect.stringMatching(problem)]);
  });

  test("that does not exist is refused by its name", () => {
    expect(() => readOrdersFile(join(folder, "missing.json"))).toThrow(
      /cannot use the orders file .*missing\.json:\n {2}- not readable: ENOENT/,
    );
  });
});
