import { BinaryWriter } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { expect, test } from "vitest";
import { encode, make } from "../../protocol/codec.ts";
import { History } from "../../protocol/generated/temporal/api/history/v1/message.ts";
import { PollWorkflowTaskQueueResponse } from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { appendField } from "./append-field.ts";

test("equals what a protobuf writer makes of message, tag, length and bytes", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.integer({ min: 1, max: 536_870_911 >> 3 }),
      fc.oneof(
        fc.uint8Array({ maxLength: 300 }),
        fc.constantFrom(127, 128, 16_383, 16_384).map((length) => new Uint8Array(length)),
      ),
      (message, fieldNumber, bytes) => {
        const expected = new BinaryWriter()
          .raw(message)
          .uint32((fieldNumber << 3) | 2)
          .bytes(bytes)
          .finish();
        expect(appendField(message, fieldNumber, bytes)).toEqual(expected);
      },
    ),
  );
});

test("a history appended as field 8 is the history of the decoded poll answer", () => {
  const answer = make(PollWorkflowTaskQueueResponse, { taskToken: Uint8Array.of(1, 2, 3), startedEventId: 3 });
  const history = make(History, { events: [] });
  const decoded = PollWorkflowTaskQueueResponse.decode(
    appendField(encode(PollWorkflowTaskQueueResponse, answer), 8, encode(History, history)),
  );
  expect(decoded).toEqual({ ...answer, history });
});
