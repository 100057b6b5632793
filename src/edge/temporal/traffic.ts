/** Where the edge tells what went wrong. A pino logger is one. */
export type EdgeLogger = { error(fields: object, message: string): void };

/** What all calls of one edge share. */
export type Traffic = {
  readonly logger: EdgeLogger;
  readonly openPollsMax: number;
  openPolls: number;
  draining: boolean;
  /** The calls in progress whose use case listens for their end. */
  readonly listening: Set<AbortController>;
};
