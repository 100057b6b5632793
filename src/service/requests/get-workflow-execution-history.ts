import { err, ok, type Result } from "../../base/result.ts";
import { isRunning, type MutableState } from "../../execution/execution.ts";
import { eventsOutsideHistory } from "../../execution/workflow-task-events.ts";
import { encode, make } from "../../protocol/codec.ts";
import { HistoryEventFilterType } from "../../protocol/generated/temporal/api/enums/v1/workflow.ts";
import { History } from "../../protocol/generated/temporal/api/history/v1/message.ts";
import {
  type GetWorkflowExecutionHistoryRequest,
  GetWorkflowExecutionHistoryResponse,
  GetWorkflowExecutionHistoryReverseResponse,
} from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { invalidArgument, type Refusal } from "../../protocol/refusal.ts";
import type { Engine } from "../engine.ts";
import type { RunCell } from "../runs.ts";
import type { Caller, Services, WithHistory } from "../services.ts";
import { awaitRun, patienceFor } from "./await-run.ts";
import { decodePageToken, encodePageToken, type HistoryPageToken, historyPageEventsMax, readPage } from "./history-pages.ts";

type Answer = Result<WithHistory<GetWorkflowExecutionHistoryResponse>, Refusal>;

const lastEventId = ({ core }: MutableState): number => core.nextEventId - 1;

/**
 * A run's history by pages, or as it grows: with `wait_new_event` the answer waits for events past the token, 20 s at most, and the token stays
 * set until the run has closed. The close-event filter answers with the last event alone.
 */
export const getWorkflowExecutionHistory =
  (engine: Engine): Services["getWorkflowExecutionHistory"] =>
  async (request, caller) => {
    const found = await locate(engine, request);
    if (!found.ok) return found;
    const { cell, token } = found.value;
    if (request.historyEventFilterType === HistoryEventFilterType.CLOSE_EVENT) return closeEvent(engine, request, caller, cell);
    return request.waitNewEvent ? follow(engine, request, caller, cell, token) : page(engine, request, caller, cell, token);
  };

async function locate(
  { namespaces, runs }: Engine,
  request: Pick<GetWorkflowExecutionHistoryRequest, "namespace" | "execution" | "nextPageToken">,
): Promise<Result<{ cell: RunCell; token: HistoryPageToken | null }, Refusal>> {
  const namespace = namespaces.get(request.namespace);
  if (!namespace.ok) return namespace;
  const { workflowId = "", runId = "" } = request.execution ?? {};
  const token = request.nextPageToken.length === 0 ? null : decodePageToken(request.nextPageToken);
  if (request.nextPageToken.length > 0 && token === null) return err(invalidArgument("Invalid NextPageToken."));
  if (token !== null && runId !== "" && runId !== token.runId)
    return err(invalidArgument("RunId in the request does not match the NextPageToken."));
  const found = await runs.find({ namespaceId: namespace.value.id, workflowId, runId: token?.runId ?? runId });
  if (!found.ok) return found;
  await found.value.settled;
  return ok({ cell: found.value, token });
}

const pageSize = (asked: number): number => (asked > 0 ? Math.min(asked, historyPageEventsMax) : historyPageEventsMax);

async function page(
  { store }: Engine,
  request: GetWorkflowExecutionHistoryRequest,
  caller: Caller,
  cell: RunCell,
  token: HistoryPageToken | null,
): Promise<Answer> {
  const { state } = cell;
  const toEventId = token?.toEventId ?? lastEventId(state);
  const { bytes, nextEventId } = await readPage(store, cell.key, {
    fromEventId: token?.nextEventId ?? 1,
    toEventId,
    eventsMax: pageSize(request.maximumPageSize),
  });
  const more = nextEventId !== 0;
  // A worker that lost its cache in the middle of a task asks for all of it; people look at what is recorded.
  const showTask = !more && caller.clientName !== "temporal-cli" && caller.clientName !== "temporal-ui" && toEventId === lastEventId(state);
  const tail = showTask ? eventsOutsideHistory(state) : [];
  return ok({
    response: make(GetWorkflowExecutionHistoryResponse, {
      nextPageToken: more ? encodePageToken({ runId: cell.key.runId, nextEventId, toEventId }) : new Uint8Array(0),
    }),
    history: tail.length === 0 ? bytes : Buffer.concat([bytes, encode(History, { events: [...tail] })]),
  });
}

async function follow(
  { store, runs, longPoll }: Engine,
  request: GetWorkflowExecutionHistoryRequest,
  caller: Caller,
  cell: RunCell,
  token: HistoryPageToken | null,
): Promise<Answer> {
  const fromEventId = token?.nextEventId ?? 1;
  const news = ({ state }: RunCell) => (lastEventId(state) >= fromEventId || !isRunning(state) ? state : null);
  const state = await awaitRun(runs, cell, news, { patience: patienceFor(caller, longPoll.history), signal: caller.signal });
  if (state === null) {
    const nextPageToken = encodePageToken({ runId: cell.key.runId, nextEventId: fromEventId, toEventId: null });
    return ok({ response: make(GetWorkflowExecutionHistoryResponse, { nextPageToken }), history: new Uint8Array(0) });
  }
  const { bytes, nextEventId } = await readPage(store, cell.key, {
    fromEventId,
    toEventId: lastEventId(state),
    eventsMax: pageSize(request.maximumPageSize),
  });
  const next = nextEventId !== 0 ? nextEventId : lastEventId(state) + 1;
  const over = nextEventId === 0 && !isRunning(state);
  const nextPageToken = over ? new Uint8Array(0) : encodePageToken({ runId: cell.key.runId, nextEventId: next, toEventId: null });
  return ok({ response: make(GetWorkflowExecutionHistoryResponse, { nextPageToken }), history: bytes });
}

async function closeEvent(
  { store, runs, longPoll }: Engine,
  request: GetWorkflowExecutionHistoryRequest,
  caller: Caller,
  cell: RunCell,
): Promise<Answer> {
  const closed = ({ state }: RunCell) => (isRunning(state) ? null : state);
  const patience = request.waitNewEvent ? patienceFor(caller, longPoll.history) : 0;
  const state = await awaitRun(runs, cell, closed, { patience, signal: caller.signal });
  if (state === null && request.waitNewEvent) {
    const nextPageToken = encodePageToken({ runId: cell.key.runId, nextEventId: 1, toEventId: null });
    return ok({ response: make(GetWorkflowExecutionHistoryResponse, { nextPageToken }), history: new Uint8Array(0) });
  }
  const last = lastEventId(state ?? cell.state);
  const { bytes } = await readPage(store, cell.key, { fromEventId: last, toEventId: last, eventsMax: 1 });
  return ok({ response: make(GetWorkflowExecutionHistoryResponse), history: bytes });
}

/** The same by pages, newest event first. */
export const getWorkflowExecutionHistoryReverse =
  (engine: Engine): Services["getWorkflowExecutionHistoryReverse"] =>
  async (request) => {
    const found = await locate(engine, request);
    if (!found.ok) return found;
    const { cell, token } = found.value;
    const toEventId = token?.nextEventId ?? lastEventId(cell.state);
    const eventsMax = pageSize(request.maximumPageSize);
    const batches = await engine.store.readHistoryReverse(cell.key, { fromEventId: 1, toEventId, eventsMax });
    const events = batches.flatMap(({ bytes }) => History.decode(bytes).events.reverse()).filter(({ eventId }) => eventId <= toEventId);
    const pageEvents = events.slice(0, eventsMax);
    const next = (pageEvents.at(-1)?.eventId ?? 1) - 1;
    const nextPageToken = next > 0 ? encodePageToken({ runId: cell.key.runId, nextEventId: next, toEventId: null }) : new Uint8Array(0);
    return ok({
      response: make(GetWorkflowExecutionHistoryReverseResponse, { nextPageToken }),
      history: encode(History, { events: pageEvents }),
    });
  };
