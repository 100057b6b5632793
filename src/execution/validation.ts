import type { Limits } from "./limits.ts";

/** What is wrong with an id or a name, null if nothing is. */
export function idProblem(field: string, value: string, limits: Pick<Limits, "idLength">): string | null {
  if (value === "") return `${field} is not set`;
  return value.length > limits.idLength ? `${field} length exceeds limit` : null;
}

/** What is wrong with a task queue's name, null if nothing is. */
export function taskQueueProblem(name: string, limits: Pick<Limits, "idLength">): string | null {
  if (name.startsWith("/_sys/")) return `task queue name cannot start with reserved prefix /_sys/`;
  return idProblem("TaskQueue", name, limits);
}
