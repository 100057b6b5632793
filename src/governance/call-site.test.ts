import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readCallSite } from "./call-site.ts";

const utf8 = new TextEncoder();
const header = (data: string | Uint8Array, encoding = "json/plain") => ({
  metadata: { encoding: utf8.encode(encoding) },
  data: typeof data === "string" ? utf8.encode(data) : data,
});

test("everything that a caller can say", () => {
  const said = {
    v: 1,
    topic: "job.deploy.apply",
    labels: { env: "prod", team: "shop" },
    capability: "deploy.write",
    risk_tags: ["prod"],
    requires: ["network"],
    pack_id: "deploys",
    actor: "deploy-bot",
    idempotency_key: "deploy-7",
  };
  expect(readCallSite(header(JSON.stringify(said)))).toEqual({
    ok: true,
    value: {
      topic: "job.deploy.apply",
      labels: new Map([
        ["env", "prod"],
        ["team", "shop"],
      ]),
      capability: "deploy.write",
      riskTags: ["prod"],
      requires: ["network"],
      packId: "deploys",
      actor: "deploy-bot",
    },
  });
});

test("nothing but the version", () => {
  const empty = { topic: "", labels: new Map(), capability: "", riskTags: [], requires: [], packId: "", actor: "" };
  expect(readCallSite(header('{"v":1}'))).toEqual({ ok: true, value: empty });
});

describe("what is not understood is refused", () => {
  const many = (count: number) => JSON.stringify(Array.from({ length: count }, (_, index) => `t${index}`));
  const labelled = (count: number) => JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, index) => [`l${index}`, ""])));
  test.each([
    ["", "says to be JSON and is not"],
    ["{", "says to be JSON and is not"],
    ["[]", "is no JSON object"],
    ["null", "is no JSON object"],
    ["{}", "has another version than 1"],
    ['{"v":2}', "has another version than 1"],
    ['{"v":"1"}', "has another version than 1"],
    ['{"v":1,"riskTags":["prod"]}', "cannot be read: `riskTags` is not known"],
    ['{"v":1,"__proto__":{}}', "cannot be read: `__proto__` is not known"],
    ['{"v":1,"topic":7}', "cannot be read: `topic` is no text"],
    ['{"v":1,"topic":null}', "cannot be read: `topic` is no text"],
    [`{"v":1,"capability":"${"x".repeat(1025)}"}`, "cannot be read: `capability` is longer than 1024 letters"],
    ['{"v":1,"risk_tags":"prod"}', "cannot be read: `risk_tags` is no list"],
    ['{"v":1,"risk_tags":["prod",1]}', "cannot be read: `risk_tags` has an entry that is no text"],
    [`{"v":1,"requires":${many(65)}}`, "cannot be read: `requires` has more than 64 entries"],
    ['{"v":1,"labels":["env"]}', "cannot be read: `labels` is no object"],
    ['{"v":1,"labels":{"env":true}}', "cannot be read: `labels` has an entry `env` that is no text"],
    ['{"v":1,"labels":{"":"x"}}', "cannot be read: `labels` has an entry `` that has no name or too long a one"],
    [`{"v":1,"labels":${labelled(65)}}`, "cannot be read: `labels` has more than 64 entries"],
    [`{"v":1${" ".repeat(17_000)}}`, "has 17007 bytes, and at most 16384 are read"],
  ])("%.60s", (written, why) => {
    expect(readCallSite(header(written))).toEqual({ ok: false, error: `the header \`holdfast-action\` ${why}` });
  });

  test("what is encrypted, or no UTF-8", () => {
    expect(readCallSite(header("{}", "binary/encrypted"))).toMatchObject({ error: expect.stringContaining("binary/encrypted") });
    expect(readCallSite({ metadata: {}, data: utf8.encode("{}") })).toMatchObject({ error: expect.stringContaining("is no JSON") });
    expect(readCallSite(header(Uint8Array.of(0x22, 0xff, 0x22)))).toMatchObject({ error: expect.stringContaining("is not") });
  });
});

test("whatever is sent, reading it never throws", () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string(), fc.uint8Array()), (data) => {
      readCallSite(header(data));
    }),
  );
});
