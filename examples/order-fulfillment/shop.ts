import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import Database from "better-sqlite3";
import { type Order, type OrderOutcome, totalCents } from "./order.ts";

export type StockLine = { readonly sku: string; readonly name: string; readonly onHand: number };

/** One start of an activity function. Without an outcome, the worker died before it could answer. */
export type Attempt = {
  readonly orderId: string;
  readonly activity: string;
  readonly activityId: string;
  readonly attempt: number;
  readonly workerPid: number;
  readonly startedAt: number;
  readonly outcome: string | null;
};

/** What the books say about one order when all is over. */
export type Account = {
  readonly orderId: string;
  readonly status: string;
  readonly note: string;
  readonly totalCents: number;
  readonly charges: number;
  readonly chargedCents: number;
  readonly refunds: number;
  readonly refundedCents: number;
  readonly shipments: number;
  readonly notifications: number;
  /** Units set aside for the order. */
  readonly reserved: number;
  readonly attempts: number;
  readonly unanswered: number;
};

/** Units of one article: what came in, what lies on the shelf, and what is set aside for orders. */
export type ShelfCount = { readonly sku: string; readonly received: number; readonly onHand: number; readonly reserved: number };

export type Shop = ReturnType<typeof openShop>;

const schema = `
  CREATE TABLE IF NOT EXISTS orders (
    order_id TEXT PRIMARY KEY, document TEXT NOT NULL, total_cents INTEGER NOT NULL, status TEXT NOT NULL, note TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS stock (
    sku TEXT PRIMARY KEY, name TEXT NOT NULL, received INTEGER NOT NULL, on_hand INTEGER NOT NULL CHECK (on_hand >= 0)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS reservations (
    order_id TEXT NOT NULL, sku TEXT NOT NULL, quantity INTEGER NOT NULL, PRIMARY KEY (order_id, sku)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS charges (
    charge_id INTEGER PRIMARY KEY, idempotency_key TEXT NOT NULL UNIQUE, order_id TEXT NOT NULL, amount_cents INTEGER NOT NULL, at INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS refunds (
    refund_id INTEGER PRIMARY KEY, idempotency_key TEXT NOT NULL UNIQUE, order_id TEXT NOT NULL, amount_cents INTEGER NOT NULL, at INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS shipments (
    shipment_id INTEGER PRIMARY KEY, idempotency_key TEXT NOT NULL UNIQUE, order_id TEXT NOT NULL, charge_id TEXT NOT NULL, state TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS notifications (
    idempotency_key TEXT PRIMARY KEY, order_id TEXT NOT NULL, recipient TEXT NOT NULL, text TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS attempts (
    attempt_id INTEGER PRIMARY KEY, order_id TEXT NOT NULL, activity TEXT NOT NULL, activity_id TEXT NOT NULL, attempt INTEGER NOT NULL,
    worker_pid INTEGER NOT NULL, started_at INTEGER NOT NULL, outcome TEXT
  ) STRICT;
  CREATE INDEX IF NOT EXISTS attempts_of_order ON attempts (order_id, activity);
`;

const chargeIdOf = (row: number | bigint): string => `CH-${String(row).padStart(5, "0")}`;
const shipmentIdOf = (row: number | bigint): string => `SH-${String(row).padStart(5, "0")}`;

/** The shop's own database, a SQLite file that Holdfast knows nothing about: what is in it really happened. Every effect is one
 *  transaction and has a key; a repeated key has no second effect. */
export function openShop(file: string) {
  mkdirSync(dirname(file), { recursive: true });
  const db = new Database(file);
  db.pragma("journal_mode = WAL");
  // The worker writes while others read.
  db.pragma("busy_timeout = 5000");
  db.exec(schema);

  const insertOrder = db.prepare<[string, string, number]>(
    "INSERT INTO orders VALUES (?, ?, ?, 'pending', '') ON CONFLICT (order_id) DO NOTHING",
  );
  const insertStock = db.prepare<[string, string, number, number]>("INSERT INTO stock VALUES (?, ?, ?, ?) ON CONFLICT (sku) DO NOTHING");
  const selectOrder = db.prepare<[string], { document: string }>("SELECT document FROM orders WHERE order_id = ?");
  const updateOrder = db.prepare<[string, string, string]>("UPDATE orders SET status = ?, note = ? WHERE order_id = ?");
  const selectOnHand = db.prepare<[string], { onHand: number }>("SELECT on_hand AS onHand FROM stock WHERE sku = ?");
  const moveStock = db.prepare<[number, string]>("UPDATE stock SET on_hand = on_hand + ? WHERE sku = ?");
  const selectReservations = db.prepare<[string], { sku: string; quantity: number }>(
    "SELECT sku, quantity FROM reservations WHERE order_id = ?",
  );
  const insertReservation = db.prepare<[string, string, number]>("INSERT INTO reservations VALUES (?, ?, ?)");
  const deleteReservations = db.prepare<[string]>("DELETE FROM reservations WHERE order_id = ?");
  const selectCharge = db.prepare<[string], { id: number }>("SELECT charge_id AS id FROM charges WHERE idempotency_key = ?");
  const insertCharge = db.prepare<[string, string, number, number]>(
    "INSERT INTO charges (idempotency_key, order_id, amount_cents, at) VALUES (?, ?, ?, ?)",
  );
  const refundCharges = db.prepare<[string, number, string]>(
    `INSERT INTO refunds (idempotency_key, order_id, amount_cents, at)
     SELECT ?, order_id, sum(amount_cents), ? FROM charges WHERE order_id = ? GROUP BY order_id ON CONFLICT (idempotency_key) DO NOTHING`,
  );
  const insertShipment = db.prepare<[string, string, string]>(
    "INSERT INTO shipments (idempotency_key, order_id, charge_id, state) VALUES (?, ?, ?, 'ready')",
  );
  const selectShipment = db.prepare<[string], { id: number }>("SELECT shipment_id AS id FROM shipments WHERE idempotency_key = ?");
  const cancelShipments = db.prepare<[string]>("UPDATE shipments SET state = 'cancelled' WHERE order_id = ?");
  const insertNotification = db.prepare<[string, string, string, string]>(
    "INSERT INTO notifications VALUES (?, ?, ?, ?) ON CONFLICT (idempotency_key) DO NOTHING",
  );
  const insertAttempt = db.prepare<[string, string, string, number, number, number]>(
    "INSERT INTO attempts (order_id, activity, activity_id, attempt, worker_pid, started_at) VALUES (?, ?, ?, ?, ?, ?)",
  );
  const endAttempt = db.prepare<[string, number | bigint]>("UPDATE attempts SET outcome = ? WHERE attempt_id = ?");
  const selectAttempts = db.prepare<[], Attempt>(
    `SELECT order_id AS orderId, activity, activity_id AS activityId, attempt, worker_pid AS workerPid, started_at AS startedAt, outcome
     FROM attempts ORDER BY attempt_id`,
  );
  const selectUnanswered = db.prepare<[], { orderId: string }>(
    `SELECT order_id AS orderId FROM charges c WHERE NOT EXISTS
       (SELECT 1 FROM attempts a WHERE a.order_id = c.order_id AND a.activity = 'chargePayment' AND a.outcome = 'done')
     ORDER BY c.charge_id`,
  );
  const selectAccounts = db.prepare<[], Account>(
    `SELECT o.order_id AS orderId, status, note, total_cents AS totalCents,
       (SELECT count(*) FROM charges c WHERE c.order_id = o.order_id) AS charges,
       (SELECT coalesce(sum(amount_cents), 0) FROM charges c WHERE c.order_id = o.order_id) AS chargedCents,
       (SELECT count(*) FROM refunds r WHERE r.order_id = o.order_id) AS refunds,
       (SELECT coalesce(sum(amount_cents), 0) FROM refunds r WHERE r.order_id = o.order_id) AS refundedCents,
       (SELECT count(*) FROM shipments s WHERE s.order_id = o.order_id AND s.state = 'ready') AS shipments,
       (SELECT count(*) FROM notifications n WHERE n.order_id = o.order_id) AS notifications,
       (SELECT coalesce(sum(quantity), 0) FROM reservations r WHERE r.order_id = o.order_id) AS reserved,
       (SELECT count(*) FROM attempts a WHERE a.order_id = o.order_id) AS attempts,
       (SELECT count(*) FROM attempts a WHERE a.order_id = o.order_id AND a.outcome IS NULL) AS unanswered
     FROM orders o ORDER BY o.rowid`,
  );
  const selectShelf = db.prepare<[], ShelfCount>(
    `SELECT sku, received, on_hand AS onHand,
       (SELECT coalesce(sum(quantity), 0) FROM reservations r WHERE r.sku = s.sku) AS reserved
     FROM stock s ORDER BY sku`,
  );

  return {
    /** Takes in orders and stock. An order or article that is there already stays as it is. */
    takeIn: db.transaction((orders: readonly Order[], stock: readonly StockLine[]): void => {
      for (const { sku, name, onHand } of stock) insertStock.run(sku, name, onHand, onHand);
      for (const order of orders) insertOrder.run(order.orderId, JSON.stringify(order), totalCents(order));
    }).immediate,

    findOrder(orderId: string): Order | undefined {
      const row = selectOrder.get(orderId);
      return row && (JSON.parse(row.document) as Order);
    },

    setStatus({ orderId, status, note }: { orderId: string; status: OrderOutcome; note: string }): void {
      updateOrder.run(status, note, orderId);
    },

    /** Sets all items aside, or none: then the answer is the first article of which there is too little. */
    reserve: db.transaction(({ orderId, items }: Order): { sku: string; onHand: number } | undefined => {
      if (selectReservations.all(orderId).length > 0) return undefined;
      for (const { sku, quantity } of items) {
        const onHand = selectOnHand.get(sku)?.onHand ?? 0;
        if (onHand < quantity) return { sku, onHand };
      }
      for (const { sku, quantity } of items) {
        moveStock.run(-quantity, sku);
        insertReservation.run(orderId, sku, quantity);
      }
      return undefined;
    }).immediate,

    release: db.transaction((orderId: string): void => {
      for (const { sku, quantity } of selectReservations.all(orderId)) moveStock.run(quantity, sku);
      deleteReservations.run(orderId);
    }).immediate,

    /** Books a charge. For a key that is booked already the answer is the first booking. */
    charge: db.transaction(
      ({ key, orderId, amountCents }: { key: string; orderId: string; amountCents: number }): { chargeId: string; repeated: boolean } => {
        const booked = selectCharge.get(key);
        if (booked) return { chargeId: chargeIdOf(booked.id), repeated: true };
        const { lastInsertRowid } = insertCharge.run(key, orderId, amountCents, Date.now());
        return { chargeId: chargeIdOf(lastInsertRowid), repeated: false };
      },
    ).immediate,

    /** Pays back whatever was charged for the order; nothing if nothing was. */
    refund({ key, orderId }: { key: string; orderId: string }): void {
      refundCharges.run(key, Date.now(), orderId);
    },

    ship: db.transaction(({ key, orderId, chargeId }: { key: string; orderId: string; chargeId: string }): string => {
      const booked = selectShipment.get(key);
      return shipmentIdOf(booked?.id ?? insertShipment.run(key, orderId, chargeId).lastInsertRowid);
    }).immediate,

    cancelShipment(orderId: string): void {
      cancelShipments.run(orderId);
    },

    notify({ key, orderId, recipient, text }: { key: string; orderId: string; recipient: string; text: string }): void {
      insertNotification.run(key, orderId, recipient, text);
    },

    /** Notes that an activity function starts; the answer ends the note. */
    attemptStarted(attempt: Omit<Attempt, "outcome" | "startedAt" | "workerPid">): (outcome: string) => void {
      const { orderId, activity, activityId, attempt: number } = attempt;
      const { lastInsertRowid } = insertAttempt.run(orderId, activity, activityId, number, process.pid, Date.now());
      return (outcome) => void endAttempt.run(outcome, lastInsertRowid);
    },

    attempts: (): Attempt[] => selectAttempts.all(),
    /** Orders whose charge is booked while no attempt has answered yet. */
    unansweredCharges: (): string[] => selectUnanswered.all().map(({ orderId }) => orderId),
    accounts: (): Account[] => selectAccounts.all(),
    shelf: (): ShelfCount[] => selectShelf.all(),
    close: (): void => void db.close(),
  };
}
