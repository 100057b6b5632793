import type { Result } from "../../base/result.ts";
import type { Command } from "../../protocol/generated/temporal/api/command/v1/message.ts";
import type { WorkflowTaskFailedCause } from "../../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import type { Message } from "../../protocol/generated/temporal/api/protocol/v1/message.ts";
import type { Draft } from "../execution.ts";
import type { EventMetadata } from "../history.ts";

export type CommandAttributes = NonNullable<Command["attributes"]>;
export type CommandCase = CommandAttributes["$case"];

/** Why a command cannot be carried out. The whole completion is undone and the workflow task fails with `cause`. */
export type CommandRefusal = {
  readonly cause: WorkflowTaskFailedCause;
  readonly message: string;
  /** Retrying cannot help: the run is terminated as well. */
  readonly terminate?: boolean;
};

/** What a command's handler knows besides the run. */
export type CommandScope = {
  readonly workflowTaskCompletedEventId: number;
  readonly identity: string;
  /** User metadata and markers of the command, for its event. */
  readonly metadata: EventMetadata;
  /** Takes a message out of the completion; messages that no command asks for are handled last. */
  readonly takeMessage: (id: string) => Message | undefined;
  /** Asks for another workflow task after this one: the command itself produced news. */
  readonly wakeWorkflow: () => void;
};

export type HandleCommand<C extends CommandCase> = (
  draft: Draft,
  attributes: Extract<CommandAttributes, { $case: C }>["value"],
  scope: CommandScope,
) => Result<void, CommandRefusal>;
