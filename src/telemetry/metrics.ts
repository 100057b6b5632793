import { type Counter, createRegistry, type Gauge, type Histogram } from "./instrument.ts";

/** What the server counts about itself. Times are seconds, sizes bytes. */
export type Metrics = {
  readonly rpcs: Counter<["method", "code"]>;
  /** Long polls count with the time that they waited. */
  readonly rpcSeconds: Histogram<["method"]>;
  /** `route` is its pattern, `status` its class: `2xx`. */
  readonly authentications: Counter<readonly ["credential", "outcome"]>;
  readonly httpRequests: Counter<["method", "route", "status"]>;
  /** Until the last byte of the answer. */
  readonly httpRequestSeconds: Histogram<["route"]>;
  readonly commits: Counter;
  readonly commitSeconds: Histogram;
  /** Changes that shared one transaction and one fsync. */
  readonly commitChanges: Histogram;
  /** Changes refused because another request was first; their request decides again. */
  readonly commitConflicts: Counter;
  /** `how` is `sync` when a waiting poll took the task at once, `backlog` when it had been stored. */
  readonly tasksDispatched: Counter<["type", "how"]>;
  readonly taskWaitSeconds: Histogram<["type"]>;
  readonly backlogTasks: Gauge<["type"]>;
  readonly pollsOpen: Gauge<["type"]>;
  readonly timersFired: Counter;
  readonly runsStarted: Counter;
  /** `status` as the protocol spells it: `COMPLETED`, `FAILED`, … */
  readonly runsClosed: Counter<["status"]>;
  readonly runsCached: Gauge;
  readonly workflowTaskFailures: Counter<["cause"]>;
  /** `outcome` is `completed`, `failed`, `timed-out` or `canceled`. */
  readonly activityAttempts: Counter<["outcome"]>;
  /** `limit` is `rate`, `concurrency`, `breaker` or `spend`; `outcome` is `throttled` or `denied`. */
  readonly actionsLimited: Counter<["limit", "outcome"]>;
  readonly breakersOpen: Gauge;
  /** What has happened to approvals: `requested`, `voted`, `delegated`, `escalated`, `used`, and how they ended: `granted`, `rejected`, … */
  readonly approvals: Counter<["event"]>;
  readonly approvalsPending: Gauge<["namespace"]>;
  readonly approvalsOldestSeconds: Gauge<["namespace"]>;
  /** What should have moved and had not; `outcome` is `repaired` or `reported`. */
  readonly reconcilerFindings: Counter<["kind", "outcome"]>;
  /** Of namespaces with quotas; beyond a hundred of them, `namespace` is `other`. */
  readonly quotaRefusals: Counter<["namespace", "quota"]>;
  readonly quotaUsed: Gauge<["namespace", "quota"]>;
  readonly databaseBytes: Gauge;
  /** What is stored and is not what was encrypted there. */
  readonly storedBodiesRefused: Counter;
  /** What a bound of a port turned away. `port` is `grpc` or `http`. */
  readonly refusedByLimit: Counter<["port", "limit"]>;
  /** `port` is `grpc` or `http`. */
  readonly tlsFailures: Counter<["port", "cause"]>;
  /** `outcome` is `loaded`, or `refused` where the former certificate stays. */
  readonly tlsReloads: Counter<["outcome"]>;
  /** When the certificate in use ends, seconds since the epoch. */
  readonly tlsCertificateExpiry: Gauge;
  /** All of it for Prometheus. */
  render(): string;
};

/** From a tenth of a millisecond to longer than any long poll. */
const latencyBounds = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];
const groupBounds = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

export function createMetrics(): Metrics {
  const registry = createRegistry();
  const { counter, gauge, histogram } = registry;
  const startedAt = Date.now() / 1000 - process.uptime();

  const scraped = (name: string, help: string, read: () => number): void => gauge(name, help, []).readFrom(() => [[read()]]);
  scraped("process_start_time_seconds", "When the process started, seconds since the epoch.", () => startedAt);
  scraped("process_resident_memory_bytes", "Resident memory.", () => process.memoryUsage.rss());
  scraped("process_heap_used_bytes", "JavaScript heap in use.", () => process.memoryUsage().heapUsed);
  scraped("process_cpu_seconds_total", "CPU time, user and system.", () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  let since = performance.eventLoopUtilization();
  scraped("process_event_loop_utilization", "Share of the time since the last scrape that the event loop was busy, 0 to 1.", () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, since);
    since = now;
    return utilization;
  });

  return {
    rpcs: counter("holdfast_rpcs_total", "gRPC requests answered.", ["method", "code"]),
    rpcSeconds: histogram("holdfast_rpc_seconds", "Time to answer a gRPC request.", ["method"], latencyBounds),
    authentications: counter("holdfast_authentications_total", "Credentials that were presented.", ["credential", "outcome"]),
    httpRequests: counter("holdfast_http_requests_total", "Requests of the HTTP API.", ["method", "route", "status"]),
    httpRequestSeconds: histogram("holdfast_http_request_seconds", "Time to answer a request of the HTTP API.", ["route"], latencyBounds),
    commits: counter("holdfast_commits_total", "Transactions committed to the store.", []),
    commitSeconds: histogram("holdfast_commit_seconds", "Time of one transaction, fsync included.", [], latencyBounds),
    commitChanges: histogram("holdfast_commit_changes", "Changes that shared one transaction.", [], groupBounds),
    commitConflicts: counter("holdfast_commit_conflicts_total", "Changes that lost a race and were decided again.", []),
    tasksDispatched: counter("holdfast_tasks_dispatched_total", "Tasks handed to workers.", ["type", "how"]),
    taskWaitSeconds: histogram("holdfast_task_wait_seconds", "Time from a task's schedule to its worker.", ["type"], latencyBounds),
    backlogTasks: gauge("holdfast_backlog_tasks", "Tasks that wait for a worker.", ["type"]),
    pollsOpen: gauge("holdfast_polls_open", "Workers' polls that wait for a task.", ["type"]),
    timersFired: counter("holdfast_timers_fired_total", "Timers, time-outs and retries that came due.", []),
    runsStarted: counter("holdfast_runs_started_total", "Workflow runs started.", []),
    runsClosed: counter("holdfast_runs_closed_total", "Workflow runs closed.", ["status"]),
    runsCached: gauge("holdfast_runs_cached", "Runs held in memory.", []),
    workflowTaskFailures: counter("holdfast_workflow_task_failures_total", "Workflow tasks that failed.", ["cause"]),
    activityAttempts: counter("holdfast_activity_attempts_total", "Activity attempts that ended.", ["outcome"]),
    actionsLimited: counter("holdfast_actions_limited_total", "Actions that a limit of the policy made wait or denied.", [
      "limit",
      "outcome",
    ]),
    breakersOpen: gauge("holdfast_breakers_open", "Circuit breakers that are open or half-open.", []),
    approvals: counter("holdfast_approvals_total", "What has happened to approvals.", ["event"]),
    approvalsPending: gauge("holdfast_approvals_pending", "Approvals that wait for people.", ["namespace"]),
    approvalsOldestSeconds: gauge("holdfast_approvals_oldest_seconds", "Age of the oldest approval that waits.", ["namespace"]),
    reconcilerFindings: counter("holdfast_reconciler_findings_total", "What should have moved and had not.", ["kind", "outcome"]),
    quotaRefusals: counter("holdfast_quota_refusals_total", "Requests refused because a quota was used up.", ["namespace", "quota"]),
    quotaUsed: gauge("holdfast_quota_used", "What a namespace has taken of its quotas.", ["namespace", "quota"]),
    databaseBytes: gauge("holdfast_database_bytes", "Size of the database on disk.", []),
    storedBodiesRefused: counter("holdfast_stored_bodies_refused_total", "Stored bodies that are not what was encrypted there.", []),
    refusedByLimit: counter("holdfast_refused_by_limit_total", "What a bound of a port turned away.", ["port", "limit"]),
    tlsFailures: counter("holdfast_tls_failures_total", "Connections that failed before they were secure.", ["port", "cause"]),
    tlsReloads: counter("holdfast_tls_reloads_total", "New certificates that were found.", ["outcome"]),
    tlsCertificateExpiry: gauge("holdfast_tls_certificate_expiry_seconds", "When the certificate ends, seconds since the epoch.", []),
    render: registry.render,
  };
}
