import type { Incident, Plan } from "./incident.ts";

/** What the monitoring has seen, and what an agent that knows these services would do about it. */
export const incidents: readonly (Incident & { readonly cause: string; readonly plan: Plan })[] = [
  {
    id: "INC-7780",
    service: "search",
    env: "prod",
    symptom: "answers ever more slowly",
    cause: "its index cache leaks",
    plan: { remedy: "restart" },
  },
  {
    id: "INC-7781",
    service: "checkout",
    env: "prod",
    symptom: "every third request waits for a connection",
    cause: "the pool is too small since Tuesday",
    plan: { remedy: "patch", file: "pool.conf", from: "connections = 4", to: "connections = 40" },
  },
  {
    id: "INC-7782",
    service: "checkout-staging",
    env: "staging",
    symptom: "cannot log in at the bank's sandbox",
    cause: "the password has expired",
    plan: { remedy: "patch", file: "secrets/bank.conf", from: "password = spring", to: "password = summer" },
  },
  {
    id: "INC-7783",
    service: "orders",
    env: "prod",
    symptom: "the disk is full",
    cause: "three years of closed orders",
    plan: { remedy: "free-disk", folder: "closed-orders" },
  },
];
