import { expect, test } from "vitest";
import { type Codec, encode, make } from "./codec.ts";
import { Payload } from "./generated/temporal/api/common/v1/message.ts";

const payload = (bytes: number) => make(Payload, { data: new Uint8Array(bytes).fill(7) });

test.each([0, 1, 100, 65_535, 65_536, 1_000_000])("a message of %d bytes leaves nothing in the one after it", (bytes) => {
  const big = encode(Payload, payload(bytes));
  const small = encode(Payload, payload(3));
  expect(Payload.decode(big)).toEqual(payload(bytes));
  expect(Payload.decode(small)).toEqual(payload(3));
});

test("a message that cannot be encoded leaves nothing in the one after it", () => {
  const failing: Codec<Payload> = {
    ...Payload,
    encode: (message, writer) => {
      Payload.encode(message, writer);
      throw new Error("no");
    },
  };
  expect(() => encode(failing, payload(3))).toThrow("no");
  expect(Payload.decode(encode(Payload, payload(5)))).toEqual(payload(5));
});

test("encoded bytes stay as they are while others are encoded", () => {
  const first = encode(Payload, payload(40));
  const copy = first.slice();
  encode(Payload, make(Payload, { data: new Uint8Array(40).fill(9) }));
  expect(first).toEqual(copy);
});
