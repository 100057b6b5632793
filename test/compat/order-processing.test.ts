import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Client, Connection, WorkflowFailedError, type WorkflowHandle } from "@temporalio/client";
import { DefaultLogger, NativeConnection, Runtime, Worker } from "@temporalio/worker";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Holdfast } from "../../src/main.ts";
import { openBooks, type ShopOrder } from "./order-processing/books.ts";
import * as researchActivities from "./order-processing/researchActivities.ts";

// A published tutorial prints an order-processing workflow with its activities, worker and client, and a research agent. The files in
// order-processing/ are that code, as printed; lines that end in "gap" supply what the print leaves out. The tutorial's text makes
// promises about the code, and the tests below are these promises.

// Failed attempts belong to these tests; the worker's account of them would drown the report.
Runtime.install({ logger: new DefaultLogger("ERROR") });

const here = (name: string) => fileURLToPath(new URL(`./order-processing/${name}`, import.meta.url));
const orderFrom = (orderId: string, answers: ShopOrder["answers"] = {}): ShopOrder => ({
  orderId,
  customerId: "customer-7",
  items: [{ productId: "mug", quantity: 2, price: 9.5 }],
  totalAmount: 19,
  shippingAddress: "1 Market St, San Francisco, CA",
  status: "pending",
  answers,
});

describe("the published order-processing tutorial code runs unchanged", () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-order-processing-"));
  const books = openBooks(join(folder, "shop.db"));
  let server: Holdfast;
  let client: Client;
  let worker: ChildProcess;

  const environment = () => ({ ...process.env, TEMPORAL_ADDRESS: server.address, SHOP_DB: join(folder, "shop.db") });
  const startWorker = (): ChildProcess =>
    spawn(process.execPath, ["--import", "tsx", here("worker.ts")], { env: environment(), stdio: "ignore" });
  const kill = async (process: ChildProcess): Promise<void> => {
    const gone = once(process, "exit");
    process.kill("SIGKILL");
    await gone;
  };
  /** Starts the workflow by its name, as another program would that does not have its code. */
  const start = (orderId: string) =>
    client.workflow.start("orderFulfillmentWorkflow", { taskQueue: "order-fulfillment", workflowId: `order-${orderId}`, args: [orderId] });
  const place = (orderId: string, answers: ShopOrder["answers"] = {}) => {
    books.putOrder(orderFrom(orderId, answers));
    return start(orderId);
  };
  /** Another process writes the books, so there is nothing to be notified by. */
  const seen = async (orderId: string, ...expected: string[]): Promise<void> => {
    while (!expected.every((call) => books.calls(orderId).includes(call))) await delay(20);
  };
  /** The server knows of two failures, and the worker holds nothing: an attempt that died with it would be waited for, two minutes. */
  const thirdAttemptAwaited = async (handle: WorkflowHandle): Promise<void> => {
    while ((await handle.describe()).raw.pendingActivities?.[0]?.attempt !== 3) await delay(20);
  };

  beforeAll(async () => {
    server = await Holdfast.start({ db: ":memory:", port: 0, httpPort: null, log: { level: "error" } });
    client = new Client({ connection: await Connection.connect({ address: server.address }) });
    worker = startWorker();
  });

  afterAll(async () => {
    await kill(worker);
    await client.connection.close();
    await server.stop();
    books.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test("an order goes through every step once, and its result has a delivery date", async () => {
    const handle = await place("plain");
    expect(await handle.result()).toEqual({
      orderId: "plain",
      transactionId: "txn-plain",
      shipmentId: "ship-plain",
      estimatedDelivery: expect.stringMatching(/^\d{4}-\d\d-\d\d$/),
    });
    expect(books.calls("plain")).toEqual(["reserve", "charge", "ship", "dispatch", "email", "status: fulfilled"]);
    expect(await handle.query("getStatus")).toBe("fulfilled");
  });

  test.each([
    ["unknown", undefined, "Order unknown not found", ["status: failed"]],
    ["shipped-before", { status: "fulfilled" }, "Order shipped-before is not in pending state", ["status: failed"]],
    ["sold-out", { answers: { inventory: ["OUT_OF_STOCK"] } }, "Inventory unavailable for order sold-out", ["reserve", "status: failed"]],
    ["declined", { answers: { declineReason: "no funds" } }, "Payment failed: no funds", ["reserve", "charge", "status: failed"]],
  ] as const)("an order that is %s fails without a retry", async (orderId, change, message, calls) => {
    if (change) books.putOrder({ ...orderFrom(orderId), ...change });
    const handle = await start(orderId);
    const failure = await handle.result().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(WorkflowFailedError);
    expect(failure).toMatchObject({ cause: { cause: { message } } });
    expect(books.calls(orderId)).toEqual(calls);
  });

  test("a transient failure is retried after the policy's interval", async () => {
    const handle = await place("hiccup", { inventory: ["TIMEOUT"] });
    await handle.result();
    expect(books.calls("hiccup").slice(0, 3)).toEqual(["reserve", "reserve", "charge"]);
  });

  test("a cancellation between steps releases the reservation and never charges", async () => {
    const handle = await place("regretted", { inventoryMs: 300 });
    await seen("regretted", "reserve");
    expect(await handle.query("getStatus")).toBe("reserving-inventory");
    await handle.signal("cancelOrder", { reason: "Customer requested cancellation" });
    expect(await handle.result()).toEqual({ orderId: "regretted", status: "cancelled", cancelReason: "Customer requested cancellation" });
    expect(books.calls("regretted")).toEqual(["reserve", "release", "status: cancelled"]);
  });

  test("a worker dies between payment and shipment: the next one goes on there and does not charge again", async () => {
    const handle = await place("survivor", { carrierFailures: 2 });
    await thirdAttemptAwaited(handle);
    await kill(worker);
    worker = startWorker();
    await handle.result();
    expect(books.calls("survivor")).toEqual(["reserve", "charge", "ship", "ship", "ship", "dispatch", "email", "status: fulfilled"]);
  });

  test("the same order twice is one workflow", async () => {
    const first = await place("pressed-twice", { inventoryMs: 300 });
    await expect(place("pressed-twice")).rejects.toThrow("Workflow execution already started");
    await first.result();
    expect(books.calls("pressed-twice").filter((call) => call === "charge")).toHaveLength(1);
  });

  test("the printed client starts, queries, cancels and waits", async () => {
    books.putOrder(orderFrom("printed", { inventoryMs: 300 }));
    const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", here("client.ts"), "printed"], {
      env: environment(),
    });
    expect(stdout).toMatch(/^Started workflow: order-printed\nCurrent status: [a-z-]+\nOrder fulfilled: \{/);
    expect(stdout).toContain("cancelReason: 'Customer requested cancellation'");
  });
});

describe("the published research agent runs unchanged", () => {
  let server: Holdfast;
  let client: Client;
  let connection: NativeConnection;
  let worker: Worker;
  let running: Promise<void>;

  beforeAll(async () => {
    server = await Holdfast.start({ db: ":memory:", port: 0, httpPort: null, log: { level: "error" } });
    client = new Client({ connection: await Connection.connect({ address: server.address }) });
    connection = await NativeConnection.connect({ address: server.address });
    worker = await Worker.create({
      connection,
      taskQueue: "research-agent",
      workflowsPath: here("workflows/researchAgent.ts"),
      activities: researchActivities,
    });
    running = worker.run();
  });

  afterAll(async () => {
    worker.shutdown();
    await running;
    await connection.close();
    await client.connection.close();
    await server.stop();
  });

  const start = (workflowId: string) =>
    client.workflow.start("researchAgentWorkflow", { taskQueue: "research-agent", workflowId, args: ["tides"] });
  const reviewed = async (workflowId: string): Promise<void> => {
    while (!researchActivities.reviews.has(workflowId)) await delay(20);
  };

  test.each([
    ["an approval publishes the draft", { approved: true }, "https://reports.example/tides%2C%20from%205%20sources"],
    ["a rejection with feedback revises it", { approved: false, feedback: "shorter" }, "tides, from 5 sources, revised: shorter"],
  ] as const)("%s", async (_name, approval, result) => {
    const handle = await start(`research-${approval.approved}`);
    await reviewed(handle.workflowId);
    expect(researchActivities.reviews.get(handle.workflowId)?.workflowId).toBe(handle.workflowId);
    await handle.signal("approveReport", approval);
    expect(await handle.result()).toBe(result);
  });

  test("while the reviewer thinks, the run is one timer of 48 hours", async () => {
    const handle = await start("research-patient");
    await reviewed(handle.workflowId);
    const timers = async () =>
      ((await handle.fetchHistory()).events ?? []).flatMap(({ timerStartedEventAttributes: timer }) => (timer ? [timer] : []));
    while ((await timers()).length === 0) await delay(20);
    expect((await timers()).map((timer) => Number(timer.startToFireTimeout?.seconds))).toEqual([48 * 60 * 60]);
    await handle.terminate();
  });
});
