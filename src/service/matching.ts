import type { DurationMs, EpochMs } from "../base/time.ts";
import { minuteMs, secondMs } from "../base/time.ts";
import type { BacklogTask, QueueKey, Store, TaskKey } from "../store/store.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Clock } from "./clock.ts";

/** Who asks for work. */
export type Poll = {
  readonly identity: string;
  readonly requestId: string;
  readonly buildId: string;
  /** Most tasks per second that the worker wants from this queue, over all its pollers; null for no limit. */
  readonly tasksPerSecond: number | null;
};

/** A task on its way to the poller that got it, once its start is on disk; null when it turned out to be gone. */
export type Handout = () => Promise<unknown>;

/** Work that lives in memory only: a query, or a workflow task made for an update. */
export type DirectTask = {
  /** Starts it for this poller; null when it is no longer wanted. */
  start(poll: Poll): Promise<Handout | null>;
};

/** A poller that waits, reserved for a task that is being committed. */
export type Reservation = {
  readonly poll: Poll;
  /** Its task is on disk. */
  deliver(handout: Handout): void;
  /** Nothing came of it: it looks again, and waits on. */
  release(): void;
};

export type WatchedQueue = { readonly taskQueue: string | null; readonly type: QueueKey["type"] };

export type QueueInfo = {
  readonly pollers: readonly { readonly identity: string; readonly lastAccessTime: EpochMs; readonly ratePerSecond: number }[];
  readonly backlogCount: number;
  readonly backlogAge: DurationMs;
  readonly addRate: number;
  readonly dispatchRate: number;
};

export type Matching = {
  /** Reserves a waiting poller for a task that is about to be committed; null when there is none, or others wait before it. */
  reserve(queue: QueueKey): Reservation | null;
  /** A task row was committed. */
  added(task: BacklogTask): void;
  /** Offers work that lives in memory only to the pollers of a queue. Returns how to take it back. */
  offer(queue: QueueKey, task: DirectTask): () => void;
  /** Waits for a task, at most `patience`. Null when none came, the caller went away, or the server drains. */
  poll(queue: QueueKey, poll: Poll, wait: { patience: DurationMs; signal: AbortSignal }): Promise<Handout | null>;
  /**
   * Tells of each queue of this name (null: of any), in whatever namespace, in which something is that no poller waits for: at once and from
   * then on. So a worker inside the server polls only where there is work.
   */
  watch(queue: WatchedQueue, told: (queue: QueueKey) => void): void;
  /** Whether somebody polls, or did so lately. */
  isPolled(queue: QueueKey, within: DurationMs): boolean;
  /** Queues that somebody has polled or put tasks into, as long as they are remembered. */
  queues(): readonly QueueKey[];
  /** There are rows: the store is read again before the next poll is answered. False when they are known, or about to be read anyway. */
  lookAgain(queue: QueueKey): boolean;
  /** There is room for one more activity of a namespace: those who found none look again. */
  roomFor(namespaceId: string): void;
  /** Its only worker is gone for good. */
  forget(queue: QueueKey): void;
  describe(queue: QueueKey): QueueInfo;
  /** Answers all waiting polls empty and takes no new ones. */
  drain(): void;
  /** Loads which queues have a backlog. To be awaited before the first poll. */
  recover(): Promise<void>;
};

/** A sticky queue whose worker has not polled for this long is dead. */
export const stickyAliveFor: DurationMs = 10 * secondMs;
/** The least urgent. */
export const priorityMax = 5;
/** How long a poller is remembered. */
const pollerRememberedFor: DurationMs = 5 * minuteMs;
/** Task rows held in memory per queue; the rest stays in the store until these are gone. */
const bufferedTasksMax = 1_000;
const pollersRememberedMax = 1_000;
/**
 * Of so many rows of a queue one goes out that has waited longest, whatever its priority: urgent ones come first, and nothing waits for
 * ever because there is always something urgent.
 */
export const longestWaitingEvery = 16;
/** How long a task whose start failed waits for the next look. */
const retryAfterMs: DurationMs = secondMs;
/** After so many new queues those that are forgotten are looked for. */
const sweepEvery = 64;

type Waiter = { readonly poll: Poll; resolve: (answer: Handout | "look-again" | null) => void };

/** What came of a look at the rows of a queue: nothing may go now, the row was no longer wanted, or here it is. */
type Started = Handout | "none" | "gone";

type Queue = {
  readonly key: QueueKey;
  readonly waiters: Set<Waiter>;
  readonly direct: Set<DirectTask>;
  /** The first task rows that are known, by position. */
  backlog: BacklogTask[];
  /** Whether the store holds no more rows than `backlog` and those in flight. */
  complete: boolean;
  /** Whether a row came that is not in `backlog`, since the store was last asked. */
  missed: boolean;
  loading: Promise<void> | null;
  /** Rows that went out since the last one that had waited longest. */
  turns: number;
  /** Whether a row waits because its namespace has as many activities with workers as it may. */
  lacksRoom: boolean;
  /** Rows that are being started. */
  readonly inFlight: Set<string>;
  readonly pollers: Map<string, { lastAccessTime: EpochMs; ratePerSecond: number }>;
  lastPollTime: EpochMs;
  readonly bucket: TokenBucket;
  readonly added: RateMeter;
  readonly dispatched: RateMeter;
};

export function createMatching(deps: {
  readonly store: Pick<Store, "readTasks" | "readQueues">;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Starts a stored task for a poller; null when its run no longer wants it. */
  readonly startTask: (task: BacklogTask, poll: Poll) => Promise<Handout | null>;
  /** Room for an activity of a namespace, to be given back when its start is decided and on disk; null if there is none. */
  readonly takeActivity?: (namespaceId: string) => (() => void) | null;
}): Matching {
  const { store, clock, metrics, startTask, takeActivity } = deps;
  const queues = new Map<string, Queue>();
  const watchers: (WatchedQueue & { readonly told: (queue: QueueKey) => void })[] = [];
  let draining = false;

  metrics.pollsOpen.readFrom(() => countBy(queues, (queue) => queue.waiters.size));
  metrics.backlogTasks.readFrom(() => countBy(queues, (queue) => queue.backlog.length));

  const queueOf = (key: QueueKey): Queue => {
    const name = queueName(key);
    let queue = queues.get(name);
    if (queue === undefined) {
      if (queues.size % sweepEvery === sweepEvery - 1) sweep();
      queue = newQueue(key);
      queues.set(name, queue);
    }
    return queue;
  };

  /** Every worker that starts brings a sticky queue of its own: those that nobody needs any more go. */
  const sweep = (): void => {
    const now = clock.now();
    for (const [name, queue] of queues) if (isForgotten(queue, now)) queues.delete(name);
  };

  const wakeOne = (queue: Queue): void => {
    const [waiter] = queue.waiters;
    if (waiter === undefined) tellWatchers(queue);
    else {
      queue.waiters.delete(waiter);
      waiter.resolve("look-again");
    }
  };

  const tellWatchers = ({ key }: Queue): void => {
    if (draining) return;
    for (const { told, ...watched } of watchers) if (isWatched(watched, key)) told(key);
  };

  /** Whether the queue's rate limit lets one more task go now; otherwise somebody looks again when it does. */
  const mayDispatch = (queue: Queue): boolean => {
    const waitMs = queue.bucket.take(Date.now());
    if (waitMs === 0) return true;
    if (!queue.bucket.armed) {
      queue.bucket.armed = true;
      setTimeout(() => {
        queue.bucket.armed = false;
        wakeOne(queue);
      }, waitMs).unref();
    }
    return false;
  };

  async function load(queue: Queue): Promise<void> {
    // Both may change while the store reads: more rows are started, and more come that this read does not see.
    const limit = bufferedTasksMax + queue.inFlight.size;
    queue.missed = false;
    const rows = await store.readTasks(queue.key, null, limit);
    queue.complete = rows.length < limit && !queue.missed;
    queue.backlog = rows.filter((row) => !queue.inFlight.has(taskName(row)));
  }

  const takeRoom = ({ type, namespaceId }: QueueKey): (() => void) | null =>
    type === "workflow" || takeActivity === undefined ? needsNone : takeActivity(namespaceId);

  /** Starts the next row for a poller. Rows of a namespace without room for more stay where they are, in their order. */
  async function startNext(queue: Queue, poll: Poll): Promise<Started> {
    if (queue.backlog.length === 0 && !queue.complete) {
      queue.loading ??= load(queue).finally(() => {
        queue.loading = null;
      });
      await queue.loading;
    }
    if (queue.backlog.length === 0) return "none";
    const giveBack = takeRoom(queue.key);
    queue.lacksRoom = giveBack === null;
    if (giveBack === null) return "none";
    try {
      const row = await nextRow(queue);
      return row === null ? "none" : ((await startRow(queue, row, poll)) ?? "gone");
    } finally {
      giveBack();
    }
  }

  async function nextRow(queue: Queue): Promise<BacklogTask | null> {
    if (queue.backlog.length === 0 || !mayDispatch(queue)) return null;
    const next = queue.backlog.shift() ?? null;
    queue.turns = (queue.turns + 1) % longestWaitingEvery;
    return next === null || queue.turns > 0 ? next : longestWaiting(queue, next);
  }

  /** The row that has waited longest of those that are less urgent than `next`, which goes back into its place; `next` if there is none. */
  async function longestWaiting(queue: Queue, next: BacklogTask): Promise<BacklogTask> {
    const name = taskName(next);
    queue.inFlight.add(name);
    // A store that fails says so when the task is started.
    const waiting = queue.complete ? queue.backlog : await lessUrgent(queue, next).catch(() => []);
    queue.inFlight.delete(name);
    const longest = waiting.reduce((found, row) => (row.order < found.order && !queue.inFlight.has(taskName(row)) ? row : found), next);
    if (longest === next) return next;
    queue.backlog = queue.backlog.filter((row) => taskName(row) !== taskName(longest));
    insertByPosition(queue.backlog, next);
    // Whoever found nothing meanwhile waits.
    wakeOne(queue);
    return longest;
  }

  /** The first row of each priority after that of `next`, those that do not fit into memory among them. */
  async function lessUrgent({ key }: Queue, next: BacklogTask): Promise<readonly BacklogTask[]> {
    const found: BacklogTask[] = [];
    for (let { priority } = next; priority < priorityMax; ) {
      const [first] = await store.readTasks(key, { priority, order: Number.MAX_SAFE_INTEGER }, 1);
      if (first === undefined) break;
      found.push(first);
      ({ priority } = first);
    }
    return found;
  }

  async function startRow(queue: Queue, row: BacklogTask, poll: Poll): Promise<Handout | null> {
    const name = taskName(row);
    queue.inFlight.add(name);
    try {
      const handout = await startTask(row, poll);
      if (handout !== null) {
        metrics.tasksDispatched.add(1, row.type, "backlog");
        metrics.taskWaitSeconds.observe((clock.now() - row.enqueuedAt) / 1000, row.type);
        queue.dispatched.count();
      }
      return handout;
    } catch (error) {
      // The store failed: the row is still there, and nobody has the task. Somebody else looks for it soon.
      queue.complete = false;
      queue.missed = true;
      setTimeout(() => wakeOne(queue), retryAfterMs).unref();
      throw error;
    } finally {
      queue.inFlight.delete(name);
    }
  }

  function wait(queue: Queue, poll: Poll, patience: DurationMs, signal: AbortSignal): Promise<Handout | "look-again" | null> {
    return new Promise((resolve) => {
      const finish = (answer: Handout | "look-again" | null) => {
        clearTimeout(timer);
        signal.removeEventListener("abort", giveUp);
        queue.waiters.delete(waiter);
        resolve(answer);
      };
      const giveUp = () => {
        // A reserved waiter is no longer in line: its task is being committed and will be answered.
        if (queue.waiters.has(waiter)) finish(null);
      };
      const waiter: Waiter = { poll, resolve: finish };
      const timer = setTimeout(giveUp, patience);
      signal.addEventListener("abort", giveUp);
      queue.waiters.add(waiter);
    });
  }

  return {
    reserve: (key) => {
      const queue = queues.get(queueName(key));
      if (queue === undefined || queue.backlog.length > 0 || !queue.complete) return null;
      const [waiter] = queue.waiters;
      const giveBack = waiter === undefined ? null : takeRoom(key);
      if (waiter === undefined || giveBack === null) return null;
      if (!mayDispatch(queue)) {
        giveBack();
        return null;
      }
      queue.waiters.delete(waiter);
      return {
        poll: waiter.poll,
        deliver: (handout) => {
          metrics.tasksDispatched.add(1, key.type, "sync");
          queue.added.count();
          queue.dispatched.count();
          waiter.resolve(handout);
          giveBack();
        },
        release: () => {
          waiter.resolve("look-again");
          giveBack();
        },
      };
    },

    added: (row) => {
      const queue = queueOf(row);
      queue.added.count();
      const last = queue.backlog.at(-1);
      if (queue.complete && queue.backlog.length < bufferedTasksMax) insertByPosition(queue.backlog, row);
      else if (isBefore(row, last)) {
        // The last one has to make room, and is read again.
        insertByPosition(queue.backlog, row);
        if (queue.backlog.length > bufferedTasksMax) queue.backlog.pop();
        queue.complete = false;
      } else {
        queue.complete = false;
        queue.missed = true;
      }
      wakeOne(queue);
    },

    offer: (key, task) => {
      const queue = queueOf(key);
      queue.direct.add(task);
      wakeOne(queue);
      return () => void queue.direct.delete(task);
    },

    poll: async (key, poll, { patience, signal }) => {
      const queue = queueOf(key);
      const until = Date.now() + patience;
      notePoller(queue, poll, clock.now());
      for (;;) {
        if (draining || signal.aborted) {
          // It may have been woken for a task, which somebody else has to look for now.
          wakeOne(queue);
          return null;
        }
        const [direct] = queue.direct;
        if (direct !== undefined) {
          queue.direct.delete(direct);
          const handout = await direct.start(poll);
          if (handout !== null) return handout;
          continue;
        }
        const started = await startNext(queue, poll);
        if (started === "gone") continue;
        if (started !== "none") return started;
        // What came while the rows were looked at found nobody waiting. Behind a spent rate limit a timer looks again, and whoever lacks
        // room is woken when there is some.
        if (queue.direct.size > 0 || (queue.backlog.length > 0 && !queue.bucket.armed && !queue.lacksRoom)) continue;
        const remaining = until - Date.now();
        if (remaining <= 0) return null;
        // Whoever asked may have left meanwhile.
        if (signal.aborted) continue;
        const answer = await wait(queue, poll, remaining, signal);
        queue.lastPollTime = clock.now();
        if (answer !== "look-again") return answer;
      }
    },

    watch: (watched, told) => {
      watchers.push({ ...watched, told });
      for (const { key, backlog, complete, direct } of queues.values())
        if (isWatched(watched, key) && (backlog.length + direct.size > 0 || !complete)) told(key);
    },

    isPolled: (key, within) => {
      const queue = queues.get(queueName(key));
      return queue !== undefined && (queue.waiters.size > 0 || clock.now() - queue.lastPollTime < within);
    },

    queues: () => [...queues.values()].map(({ key }) => key),

    lookAgain: (key) => {
      const queue = queueOf(key);
      if (!queue.complete || queue.backlog.length + queue.inFlight.size > 0) return false;
      queue.complete = false;
      wakeOne(queue);
      return true;
    },

    roomFor: (namespaceId) => {
      for (const queue of queues.values()) {
        const { key, backlog } = queue;
        if (backlog.length === 0 || key.type === "workflow" || key.namespaceId !== namespaceId) continue;
        queue.lacksRoom = false;
        wakeOne(queue);
      }
    },

    forget: (key) => {
      const queue = queues.get(queueName(key));
      if (queue === undefined) return;
      for (const waiter of [...queue.waiters]) waiter.resolve(null);
      queues.delete(queueName(key));
    },

    describe: (key) => {
      const queue = queueOf(key);
      const now = clock.now();
      return {
        pollers: [...queue.pollers]
          .filter(([, { lastAccessTime }]) => now - lastAccessTime < pollerRememberedFor)
          .map(([identity, poller]) => ({ identity, ...poller })),
        backlogCount: queue.backlog.length,
        backlogAge: queue.backlog[0] === undefined ? 0 : now - queue.backlog[0].enqueuedAt,
        addRate: queue.added.perSecond(),
        dispatchRate: queue.dispatched.perSecond(),
      };
    },

    drain: () => {
      draining = true;
      for (const queue of queues.values()) for (const waiter of [...queue.waiters]) waiter.resolve(null);
    },

    recover: async () => {
      for (const key of await store.readQueues()) queueOf(key).complete = false;
    },
  };
}

const needsNone = (): void => {};

const newQueue = (key: QueueKey): Queue => ({
  key,
  waiters: new Set(),
  direct: new Set(),
  backlog: [],
  complete: true,
  missed: false,
  loading: null,
  turns: 0,
  lacksRoom: false,
  inFlight: new Set(),
  pollers: new Map(),
  lastPollTime: 0,
  bucket: new TokenBucket(),
  added: new RateMeter(),
  dispatched: new RateMeter(),
});

const isForgotten = (queue: Queue, now: EpochMs): boolean =>
  queue.waiters.size + queue.direct.size + queue.backlog.length + queue.inFlight.size === 0 &&
  queue.complete &&
  queue.loading === null &&
  now - queue.lastPollTime > pollerRememberedFor;

const isWatched = ({ taskQueue, type }: WatchedQueue, key: QueueKey): boolean =>
  type === key.type && (taskQueue === null || taskQueue === key.taskQueue);

const queueName = ({ namespaceId, taskQueue, type }: QueueKey): string => `${type}\n${namespaceId}\n${taskQueue}`;
const taskName = ({ run, type, scheduledEventId }: TaskKey): string => `${type}\n${run.runId}\n${scheduledEventId}`;

function notePoller(queue: Queue, poll: Poll, now: EpochMs): void {
  queue.lastPollTime = now;
  queue.bucket.setRate(poll.tasksPerSecond);
  // Put last, so that the longest silent one goes first.
  queue.pollers.delete(poll.identity);
  queue.pollers.set(poll.identity, { lastAccessTime: now, ratePerSecond: poll.tasksPerSecond ?? 100_000 });
  if (queue.pollers.size > pollersRememberedMax) {
    const [oldest] = queue.pollers.keys();
    if (oldest !== undefined) queue.pollers.delete(oldest);
  }
}

/** Rows nearly always come last, so the place is looked for from the end. */
function insertByPosition(backlog: BacklogTask[], row: BacklogTask): void {
  let index = backlog.length;
  while (index > 0 && isBefore(row, backlog[index - 1])) index--;
  backlog.splice(index, 0, row);
}

const isBefore = (a: BacklogTask, b: BacklogTask | undefined): boolean =>
  b !== undefined && (a.priority !== b.priority ? a.priority < b.priority : a.order < b.order);

function countBy(queues: ReadonlyMap<string, Queue>, count: (queue: Queue) => number): [number, string][] {
  const totals = new Map<string, number>([
    ["workflow", 0],
    ["activity", 0],
  ]);
  for (const queue of queues.values()) totals.set(queue.key.type, (totals.get(queue.key.type) ?? 0) + count(queue));
  return [...totals].map(([type, total]) => [total, type]);
}

/** Lets `rate` tasks per second through, with bursts of at most one second's worth. */
class TokenBucket {
  /** Whether somebody is already going to look again. */
  armed = false;
  #rate: number | null = null;
  #tokens = 1;
  #at = 0;

  setRate(rate: number | null): void {
    this.#rate = rate;
  }

  /** Takes one token and returns 0, or the milliseconds until there is one. */
  take(now: number): number {
    if (this.#rate === null) return 0;
    if (this.#rate <= 0) return 1_000;
    this.#tokens = Math.min(Math.max(1, this.#rate), this.#tokens + ((now - this.#at) * this.#rate) / 1000);
    this.#at = now;
    if (this.#tokens < 1) return Math.max(1, Math.ceil(((1 - this.#tokens) * 1000) / this.#rate));
    this.#tokens--;
    return 0;
  }
}

/** Events per second over about the last half minute. */
class RateMeter {
  #value = 0;
  #at = Date.now();

  count(): void {
    this.#decay();
    this.#value += 1 / meterSeconds;
  }

  perSecond(): number {
    this.#decay();
    return this.#value;
  }

  #decay(): void {
    const now = Date.now();
    this.#value *= Math.exp(-(now - this.#at) / (meterSeconds * 1000));
    this.#at = now;
  }
}

const meterSeconds = 30;
