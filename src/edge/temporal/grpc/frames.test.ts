import fc from "fast-check";
import { expect, test } from "vitest";
import { FrameReader, framed } from "./frames.ts";

const wire = (messages: readonly Uint8Array[]): Buffer => Buffer.concat(messages.flatMap(framed));

test("messages come out as they went in, however the network cuts them", () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 6 });
  fc.assert(
    fc.property(messages, fc.array(fc.integer({ min: 1, max: 40 })), (sent, cuts) => {
      const reader = new FrameReader(200);
      const received: Uint8Array[] = [];
      let rest = wire(sent);
      for (const cut of [...cuts, rest.length]) {
        const frames = reader.push(rest.subarray(0, cut));
        rest = rest.subarray(cut);
        if (frames.ok) received.push(...frames.value.map(({ bytes }) => new Uint8Array(bytes)));
      }
      expect(received).toEqual(sent);
      expect(reader.partial).toBe(false);
    }),
  );
});

test.each([
  ["none", Buffer.alloc(0), false],
  ["a part of its header", Buffer.from([0, 0, 0]), true],
  ["a part of its bytes", Buffer.from([0, 0, 0, 0, 2, 7]), true],
  ["all of it", Buffer.from([0, 0, 0, 0, 1, 7]), false],
])("of a message %s has arrived", (_what, chunk, partial) => {
  const reader = new FrameReader(10);
  reader.push(chunk);
  expect(reader.partial).toBe(partial);
});

test("a message that announces too many bytes is refused before they come", () => {
  expect(new FrameReader(10).push(Buffer.from([0, 0, 0, 0, 11]))).toMatchObject({
    ok: false,
    error: { message: "grpc: received message larger than max (11 vs. 10)" },
  });
});

test("a large message is not copied behind its header", () => {
  const message = new Uint8Array(100_000);
  const [head, body] = framed(message);
  expect(head).toEqual(Buffer.from([0, 0, 0x01, 0x86, 0xa0]));
  expect(body).toBe(message);
});
