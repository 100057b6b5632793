import Database from "better-sqlite3";

/** An order as the shop has it, with the answers that the shop's services give for it. */
export type ShopOrder = {
  readonly orderId: string;
  readonly customerId: string;
  readonly items: ReadonlyArray<{ readonly productId: string; readonly quantity: number; readonly price: number }>;
  readonly totalAmount: number;
  readonly shippingAddress: string;
  readonly status: string;
  readonly answers: {
    /** Why the inventory refuses, call by call; once the list is used up it has everything. */
    readonly inventory?: readonly string[];
    /** How long the inventory takes. */
    readonly inventoryMs?: number;
    readonly declineReason?: string;
    /** How many calls fail before the carrier takes the parcel. */
    readonly carrierFailures?: number;
  };
};

/** What the services did, in a SQLite file: a worker process may die, and the test still reads what really happened. */
export function openBooks(file: string) {
  const db = new Database(file);
  db.pragma("journal_mode = WAL");
  db.pragma("busy_timeout = 5000");
  db.exec(`
    CREATE TABLE IF NOT EXISTS orders (order_id TEXT PRIMARY KEY, document TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS calls (call_id INTEGER PRIMARY KEY, order_id TEXT NOT NULL, service TEXT NOT NULL);
  `);
  const selectOrder = db.prepare<[string], { document: string }>("SELECT document FROM orders WHERE order_id = ?");
  const replaceOrder = db.prepare<[string, string]>("INSERT OR REPLACE INTO orders VALUES (?, ?)");
  const insertCall = db.prepare<[string, string]>("INSERT INTO calls (order_id, service) VALUES (?, ?)");
  const selectCalls = db.prepare<[string], { service: string }>("SELECT service FROM calls WHERE order_id = ? ORDER BY call_id");

  const calls = (orderId: string): string[] => selectCalls.all(orderId).map(({ service }) => service);
  return {
    findOrder(orderId: string): ShopOrder | undefined {
      const row = selectOrder.get(orderId);
      return row && (JSON.parse(row.document) as ShopOrder);
    },
    putOrder: (order: ShopOrder): void => void replaceOrder.run(order.orderId, JSON.stringify(order)),
    /** Notes a call and returns how many of this service there are now. */
    noteCall(orderId: string, service: string): number {
      insertCall.run(orderId, service);
      return calls(orderId).filter((name) => name === service).length;
    },
    calls,
    close: (): void => void db.close(),
  };
}
