import type { Payloads } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import type { Failure } from "../../protocol/generated/temporal/api/failure/v1/message.ts";

export type QueryAnswer =
  | { readonly answered: true; readonly result: Payloads | undefined }
  | { readonly answered: false; readonly message: string; readonly failure: Failure | undefined };

/** Queries that a worker got as a task of their own, by query id. In memory only: their callers wait. */
export type DirectQueries = Map<string, (answer: QueryAnswer) => void>;
