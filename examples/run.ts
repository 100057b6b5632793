// The main job of `npm start`: real orders and research runs on a real server, through a SIGKILL of the worker and one of the server.
import { mkdirSync, rmSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Client, Connection, WorkflowFailedError, type WorkflowHandle } from "@temporalio/client";
import { type Child, ChildEndedError, childFailure, startChild } from "./main-job/children.ts";
import { type Options, readOptions, UsageError, usage } from "./main-job/options.ts";
import { dataDir, file, shown } from "./main-job/paths.ts";
import { accepting, freePort } from "./main-job/ports.ts";
import { report } from "./main-job/report.ts";
import { bold, counted, dim, listed, red, say, startTimeline, type Timeline } from "./main-job/screen.ts";
import { type OrderHandle, startOrder } from "./order-fulfillment/client.ts";
import { type OrdersFile, OrdersFileError, readOrdersFile } from "./order-fulfillment/orders-file.ts";
import { openShop, type Shop } from "./order-fulfillment/shop.ts";
import { cancelOrder, getStatus } from "./order-fulfillment/workflows.ts";
import { type ResearchHandle, startResearch } from "./research-agent/client.ts";
import { questions } from "./research-agent/questions.ts";
import { approveReport, getProgress } from "./research-agent/workflows.ts";

const beside = (name: string) => fileURLToPath(new URL(name, import.meta.url));

const jobMsMax = 60_000;
const readyMsMax = 15_000;
/** All orders arrive within this time, however many they are, and at most this far apart. */
const arrivalsMs = 1800;
const arrivalGapMsMax = 150;
/** How long the worker, and later the server, stays dead. */
const downMs = 600;
/** A job whose orders never reach the bank is killed after this time all the same. */
const killWaitMs = 8000;

type Job = {
  readonly options: Options;
  readonly orders: OrdersFile["orders"];
  readonly shop: Shop;
  readonly client: Client;
  readonly ports: { readonly grpc: number; readonly http: number };
  readonly tell: Timeline;
};

async function main(options: Options): Promise<number> {
  const { orders, stock } = readOrdersFile(options.ordersFile);
  const ports = await choosePorts(options);
  rmSync(dataDir, { recursive: true, force: true });
  mkdirSync(dataDir, { recursive: true });
  const shop = openShop(file("shop.db"));
  shop.takeIn(orders, stock);

  const overdue = setTimeout(() => fail(new Error(`the job did not end within ${jobMsMax / 1000} s`)), jobMsMax);
  const work = `${counted(orders.length, "order")} and ${counted(questions.length, "research run")}`;
  say(bold(`Holdfast: ${work}, while the worker and the server are killed`));
  say();
  say(`  orders    ${shown(options.ordersFile)}`);
  say(`  shop      ${shown(file("shop.db"))}, the database of the shop: what is in it really happened`);
  say(`  server    127.0.0.1:${ports.grpc} (gRPC), http://127.0.0.1:${ports.http}, data in ${shown(file("holdfast.db"))}`);
  say();

  const tell = startTimeline();
  let server = await startServer(ports);
  tell("server", `is up, pid ${server.pid}`);
  let worker = await startWorker(ports);
  tell("worker", `is up, pid ${worker.pid}; it runs both examples`);
  const connection = await Connection.connect({ address: address(ports) });
  const job: Job = { options, orders, shop, client: new Client({ connection }), ports, tell };

  const research = await Promise.all(questions.map(({ id, question }) => startResearch(job.client, id, question)));
  tell("research", `${counted(research.length, "question")} asked`);
  const arrivals = takeOrders(job);

  worker = await killWorkerMidway(job, worker);
  const handles = await arrivals;
  server = await killServerMidway(job, server);
  await Promise.all([askAround(job, handles), playEditor(job, research)]);
  const ended = await Promise.all(handles.map(async (handle) => ({ handle, end: await endOf(handle) })));
  tell("orders", "have all ended");
  const sound = await report({ shop, orders: ended, research });

  clearTimeout(overdue);
  if (options.keep) await stayUp(job);
  await worker.stop();
  await connection.close();
  await server.stop();
  shop.close();
  return sound ? 0 : 1;
}

async function choosePorts({ keep, port }: Options): Promise<Job["ports"]> {
  const grpc = await freePort(port === undefined ? (keep ? [7233] : []) : [port]);
  if (port !== undefined && grpc !== port) throw new UsageError(`port ${port} is in use`);
  let http = await freePort(keep ? [8081] : []);
  while (http === grpc) http = await freePort();
  return { grpc, http };
}

const address = ({ grpc }: Job["ports"]): string => `127.0.0.1:${grpc}`;

async function startServer(ports: Job["ports"]): Promise<Child> {
  const server = startChild({
    name: "server",
    args: [
      ...[beside("../../bin/holdfast.js"), "dev", "--db", file("holdfast.db"), "--port", String(ports.grpc)],
      ...["--http-port", String(ports.http), "--log-level", "warn"],
    ],
    logFile: file("server.log"),
  });
  await Promise.race([accepting(ports.grpc, readyMsMax), childFailure]);
  return server;
}

async function startWorker(ports: Job["ports"]): Promise<Child> {
  const worker = startChild({
    name: "worker",
    args: [beside("./worker.js"), address(ports), file("shop.db"), file("desk")],
    logFile: file("worker.log"),
  });
  await Promise.race([worker.ready, childFailure]);
  return worker;
}

/** Starts the orders one after the other, and sends the signals of customers who change their minds. */
async function takeOrders({ client, orders, shop, tell }: Job): Promise<OrderHandle[]> {
  const gapMs = Math.min(arrivalGapMsMax, arrivalsMs / orders.length);
  tell("orders", `arrive one every ${Math.round(gapMs)} ms, ${orders.length} in all`);
  const handles: OrderHandle[] = [];
  const cancellations: Promise<void>[] = [];
  for (const { orderId, customerCancels } of orders) {
    const handle = await startOrder(client, orderId);
    handles.push(handle);
    if (customerCancels) {
      const step = stepActivities[customerCancels.while];
      const cancel = async () => {
        await until(() => shop.attempts().some((attempt) => attempt.orderId === orderId && attempt.activity === step), jobMsMax);
        await handle.signal(cancelOrder, { reason: customerCancels.reason });
        tell("customer", `cancels ${orderId} while ${customerCancels.while}: ${customerCancels.reason}`);
      };
      cancellations.push(cancel());
    }
    await delay(gapMs);
  }
  // Nobody waits for these: an order may never get to the step, or be over when its customer calls.
  void Promise.allSettled(cancellations);
  return handles;
}

const stepActivities = { reserving: "reserveInventory", charging: "chargePayment", shipping: "createShipment" } as const;

/** Kills the worker while charges are booked that nobody has answered yet, and starts another. */
async function killWorkerMidway({ orders, ports, shop, tell }: Job, worker: Child): Promise<Child> {
  const wanted = Math.min(3, orders.length);
  await until(() => shop.unansweredCharges().length >= wanted || allEnded(shop), killWaitMs);
  await worker.kill();
  const unanswered = shop.unansweredCharges();
  tell("worker", bold(red(`killed with SIGKILL, pid ${worker.pid}`)));
  if (unanswered.length > 0) tell("bank", `has booked ${listed(unanswered)}, and nobody has heard its answer`);

  await delay(downMs);
  const next = await startWorker(ports);
  tell("worker", `is back as pid ${next.pid}; it knows nothing of what went before`);
  return next;
}

/** Kills the server while steps that the dead worker had begun are being repeated, and starts it on the same file. */
async function killServerMidway({ ports, shop, tell }: Job, server: Child): Promise<Child> {
  const repeated = () => shop.attempts().filter(({ attempt, outcome }) => attempt > 1 && outcome === null);
  await until(() => repeated().some(({ activity }) => activity === "chargePayment") || allEnded(shop), killWaitMs);
  await server.kill();
  const inFlight = repeated().map(({ orderId, activity, attempt }) => `${orderId} ${activity} (attempt ${attempt})`);
  tell("server", bold(red(`killed with SIGKILL, pid ${server.pid}`)));
  if (inFlight.length > 0) tell("worker", `now has nobody to answer to: ${listed(inFlight)}`);

  await delay(downMs);
  const startedAt = performance.now();
  const next = await startServer(ports);
  tell("server", `is back on the same file after ${((performance.now() - startedAt) / 1000).toFixed(2)} s, pid ${next.pid}`);
  return next;
}

/** Asks every workflow by query how far it is, and counts the answers. */
async function askAround({ tell }: Job, handles: readonly OrderHandle[]): Promise<void> {
  const counts = new Map<string, number>();
  for (const status of await Promise.all(handles.map((handle) => handle.query(getStatus))))
    counts.set(status, (counts.get(status) ?? 0) + 1);
  tell("orders", `say by getStatus: ${[...counts].map(([status, count]) => `${count} ${status}`).join(", ")}`);
}

/** Reads each draft and answers it by signal, as an editor would within two days. */
async function playEditor({ client, options, tell }: Job, research: readonly ResearchHandle[]): Promise<void> {
  const answered = options.keep ? questions.slice(0, -1) : questions;
  await Promise.all(
    answered.map(async ({ id, reviews }) => {
      const handle = client.workflow.getHandle(id);
      for (const [index, review] of reviews.entries()) {
        await untilAwaitingApproval(handle, index + 1);
        tell(
          "editor",
          review.approved ? `approves draft ${index + 1} of ${id}` : `sends draft ${index + 1} of ${id} back: ${review.feedback}`,
        );
        await handle.signal(approveReport, review);
      }
    }),
  );
  await Promise.all(research.filter(({ workflowId }) => answered.some(({ id }) => id === workflowId)).map((handle) => handle.result()));
}

async function untilAwaitingApproval(handle: WorkflowHandle, revision: number): Promise<void> {
  for (;;) {
    const { phase, draft } = await handle.query(getProgress);
    if (phase === "awaiting-approval" && draft?.revision === revision) return;
    await delay(100);
  }
}

async function endOf(handle: OrderHandle): Promise<"completed" | "failed"> {
  try {
    await handle.result();
    return "completed";
  } catch (error) {
    if (error instanceof WorkflowFailedError) return "failed";
    throw error;
  }
}

/** Says what to try next, and waits for Ctrl-C. */
async function stayUp({ options, orders, ports }: Job): Promise<never> {
  const env = `TEMPORAL_ADDRESS=${address(ports)}`;
  const waiting = questions.at(-1)?.id;
  const firstOrder = orders[0]?.orderId;
  say();
  say(bold("Server and worker stay up; Ctrl-C ends them. What to try next, in another terminal:"));
  say();
  say(dim("  # the editor still owes an answer to the last draft; there are 48 hours for it"));
  say(`  ${env} node dist/examples/research-agent/client.js progress ${waiting}`);
  say(`  ${env} node dist/examples/research-agent/client.js approve ${waiting}`);
  say(dim("  # an order that has ended still answers"));
  say(`  ${env} node dist/examples/order-fulfillment/client.js status ${firstOrder}`);
  say(dim("  # the shop's own books"));
  say(`  sqlite3 ${shown(file("shop.db"))} 'SELECT * FROM charges'`);
  say(dim("  # the same orders again? Refused: each order is one workflow"));
  say(`  ${env} SHOP_DB=${shown(file("shop.db"))} node dist/examples/order-fulfillment/client.js submit ${shown(options.ordersFile)}`);
  say(dim("  # the server's health and metrics"));
  say(`  curl http://127.0.0.1:${ports.http}/readyz`);
  say(`  curl http://127.0.0.1:${ports.http}/metrics`);
  return childFailure;
}

/** Nothing is left that a kill could interrupt. */
const allEnded = (shop: Shop): boolean => shop.accounts().every(({ status }) => status !== "pending");

/** Waits until `holds`, at most `waitMs`. */
async function until(holds: () => boolean, waitMs: number): Promise<void> {
  const deadline = performance.now() + waitMs;
  while (!holds() && performance.now() < deadline) await delay(20);
}

for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const)
  process.once(signal, () => {
    say(`\n${signal}: server and worker end with this job; what they did is in ${shown(dataDir)}`);
    process.exit(code);
  });

function fail(error: unknown): never {
  const unusable = error instanceof UsageError || error instanceof OrdersFileError;
  const explained = unusable || error instanceof ChildEndedError;
  process.stderr.write(`${explained ? error.message : error instanceof Error ? error.stack : error}\n`);
  process.exit(unusable ? 2 : 1);
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options === "help") say(usage);
  else process.exit(await Promise.race([main(options), childFailure]));
} catch (error) {
  fail(error);
}
