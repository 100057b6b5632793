import { describe, expect, test } from "vitest";
import { readNotification } from "./notification.ts";

const channels = { ops: "https://hooks.example.com/T0/s3cret", deploys: "http://deploys.example.com" };

describe("what is sent", () => {
  test.each<[object, string, unknown]>([
    [{ channel: "ops", text: "it is done" }, "https://hooks.example.com/T0/s3cret", { text: "it is done" }],
    [{ url: "http://example.com", text: "it is done" }, "http://example.com/", { text: "it is done" }],
    [
      { channel: "ops", title: "Deploy 7", text: "is *live*", fields: { by: "ann", build: 7 }, severity: "warning" },
      "https://hooks.example.com/T0/s3cret",
      {
        text: "Deploy 7: is *live*",
        blocks: [
          { type: "header", text: { type: "plain_text", text: "Deploy 7" } },
          { type: "section", text: { type: "mrkdwn", text: "is *live*" } },
          {
            type: "section",
            fields: [
              { type: "mrkdwn", text: "*by*\nann" },
              { type: "mrkdwn", text: "*build*\n7" },
            ],
          },
          { type: "context", elements: [{ type: "plain_text", text: "severity: warning" }] },
        ],
      },
    ],
    [{ channel: "deploys", body: { any: ["thing"] } }, "http://deploys.example.com/", { any: ["thing"] }],
    [{ channel: "deploys", text: "passed over", body: [1] }, "http://deploys.example.com/", [1]],
  ])("%j", (input, url, body) => {
    const read = readNotification([input], channels);
    if (!read.ok) throw new Error(read.error);
    expect(read.value.url.href).toBe(url);
    expect(JSON.parse(read.value.body)).toEqual(body);
  });
});

describe("what is refused", () => {
  test.each<[unknown[], string]>([
    [[], "expected an object"],
    [["text"], "expected an object"],
    [[{}, {}], "expected one object, not 2 arguments"],
    [[{ text: "x" }], "expected either `url` or `channel`"],
    [[{ channel: "ops", url: "http://example.com", text: "x" }], "expected either `url` or `channel`"],
    [[{ channel: "ops" }], "expected `text`, or a `body` of your own"],
    [[{ channel: "deploy", text: "x" }], "`channel`: `deploy` is not one of `notify.channels`, did you mean `deploys`?"],
    [[{ channel: "toString", text: "x" }], "`channel`: `toString` is not one of `notify.channels`"],
    [[{ url: "example.com", text: "x" }], "`url`: expected an http or https URL without credentials"],
    [[{ url: "file:///etc/passwd", text: "x" }], "`url`: expected an http or https URL without credentials"],
    [[{ url: "http://a:b@example.com", text: "x" }], "`url`: expected an http or https URL without credentials"],
    [[{ chanel: "ops", text: "x" }], "`chanel`: unknown key `chanel`, did you mean `channel`?"],
    [[{ channel: "ops", text: 7 }], "`text`: expected text, not 7"],
    [[{ channel: "ops", text: "x".repeat(3_001) }], "`text`: longer than 3000 letters"],
    [[{ channel: "ops", title: "x".repeat(151), text: "x" }], "`title`: longer than 150 letters"],
    [[{ channel: "ops", text: "x", severity: "loud" }], '`severity`: expected one of info, warning, error, critical, not "loud"'],
    [[{ channel: "ops", text: "x", fields: { a: {} } }], "`fields.a`: expected text, not a mapping"],
    [[{ channel: "ops", text: "x", fields: { a: "x".repeat(2_000) } }], "a field is longer than 1990 letters"],
    [
      [{ channel: "ops", text: "x", fields: Object.fromEntries(Array.from({ length: 11 }, (_, index) => [`f${index}`, "x"])) }],
      "`fields` has more than 10",
    ],
    [[{ channel: "ops", body: "x".repeat(262_144) }], "`body`: longer than 262144 letters as JSON"],
  ])("%j: %s", (args, message) => {
    expect(readNotification(args, channels)).toEqual({ ok: false, error: message });
  });
});
