import { expect, test } from "vitest";
import { make } from "../../protocol/codec.ts";
import { Header, Payload, Payloads } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { createPayloadViewer, shownCountMax } from "./payload-view.ts";

const payload = (encoding: string, text: string): Payload =>
  make(Payload, { metadata: { encoding: Buffer.from(encoding) }, data: Buffer.from(text) });
const shown = (bytesMax: number, ...payloads: readonly Payload[]) =>
  createPayloadViewer(bytesMax).payloads(make(Payloads, { payloads: [...payloads] }));

test.each<[string, Payload, object]>([
  ["JSON", payload("json/plain", '{"a":1}'), { encoding: "json/plain", bytes: 7, value: { a: 1 } }],
  ["JSON of a message", payload("json/protobuf", "[]"), { encoding: "json/protobuf", bytes: 2, value: [] }],
  ["nothing", payload("binary/null", ""), { encoding: "binary/null", bytes: 0, value: null }],
  ["bytes", payload("binary/plain", "abc"), { encoding: "binary/plain", bytes: 3, note: "no JSON" }],
  ["no encoding", make(Payload, { data: Buffer.from("1") }), { encoding: "", bytes: 1, note: "no JSON" }],
  [
    "encrypted",
    payload("binary/encrypted", "secret"),
    { encoding: "binary/encrypted", bytes: 6, note: "encrypted: only those who have the key can read it" },
  ],
  [
    "what only says to be JSON",
    payload("json/plain", "{"),
    { encoding: "json/plain", bytes: 1, text: "{", note: "says to be JSON and cannot be read as such" },
  ],
  ...["1e999", "-1e999", "9007199254740993"].map((number): [string, Payload, object] => [
    `a number that would be shown as another: ${number}`,
    payload("json/plain", `[{"a":${number}}]`),
    {
      encoding: "json/plain",
      bytes: number.length + 8,
      text: `[{"a":${number}}]`,
      note: "has a number that is too large to be shown as a value",
    },
  ]),
  [
    "what is too long",
    payload("json/plain", JSON.stringify("x".repeat(200))),
    { encoding: "json/plain", bytes: 202, text: `"${"x".repeat(99)}`, note: "only the first 100 of 202 bytes" },
  ],
])("%s", (_, given, expected) => {
  expect(shown(100, given)).toEqual([expected]);
});

test("what is nested too deeply to be written again is a text", () => {
  const deep = "[".repeat(30_000) + "]".repeat(30_000);
  expect(shown(100_000, payload("json/plain", deep))).toMatchObject([{ text: deep }]);
});

test("all of one action share the bytes that are shown", () => {
  const viewer = createPayloadViewer(8);
  expect(viewer.payloads(make(Payloads, { payloads: [payload("json/plain", "12345"), payload("json/plain", "67890")] }))).toEqual([
    { encoding: "json/plain", bytes: 5, value: 12345 },
    { encoding: "json/plain", bytes: 5, text: "678", note: "only the first 3 of 5 bytes" },
  ]);
  expect(viewer.header(make(Header, { fields: { trace: payload("json/plain", "1") } }))).toEqual({
    trace: { encoding: "json/plain", bytes: 1, text: "", note: "only the first 0 of 1 bytes" },
  });
});

test("so many arguments", () => {
  const views = shown(10_000, ...Array.from({ length: shownCountMax + 3 }, () => payload("json/plain", "1")));
  expect([views.length, views.at(-1)]).toEqual([shownCountMax + 1, { note: "and 3 more" }]);
});
