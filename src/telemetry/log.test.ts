import { describe, expect, test } from "vitest";
import { createLog, type LogOptions } from "./log.ts";

function recorded(options: LogOptions) {
  const lines: string[] = [];
  return { log: createLog(options, { write: (line) => lines.push(line) }), lines };
}

test("json is one object per line, with the area and the fields", () => {
  const { log, lines } = recorded({ level: "info", format: "json" });
  log.child("matching").info("task dispatched", { namespace: "default", attempt: 2 });
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({
    level: "info",
    area: "matching",
    msg: "task dispatched",
    namespace: "default",
    attempt: 2,
  });
});

test("pretty is one line for people", () => {
  const { log, lines } = recorded({ level: "debug", format: "pretty" });
  log.child("matching").warn("poll refused", { namespace: "default", open: 3 });
  expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} warn {2}matching: poll refused namespace=default open=3\n$/);
});

describe.each(["json", "pretty"] as const)("an error in %s", (format) => {
  test("is written with its causes", () => {
    const { log, lines } = recorded({ level: "info", format });
    log.error("commit failed", { changes: 3 }, new Error("store is gone", { cause: new Error("disk full") }));
    expect(lines[0]).toContain("store is gone");
    expect(lines[0]).toContain("disk full");
    expect(lines[0]).toContain("log.test.ts");
  });

  test("may be any thrown thing", () => {
    const { log, lines } = recorded({ level: "info", format });
    log.error("commit failed", {}, "a string");
    expect(lines[0]).toContain("a string");
  });
});

test.each([
  ["debug", ["d", "i", "w", "e"]],
  ["info", ["i", "w", "e"]],
  ["error", ["e"]],
  ["silent", []],
] as const)("level %s lets through %j", (level, messages) => {
  const { log, lines } = recorded({ level, format: "json" });
  log.debug("d");
  log.info("i");
  log.warn("w");
  log.error("e");
  expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(messages);
});

test.each([
  ["a\nb", "a\\u000ab"],
  ["a\r\u001b[2Jb", "a\\u000d\\u001b[2Jb"],
  ["a\u0085\u2028b", "a\\u0085\\u2028b"],
])("%j does not leave its line in pretty", (value, shown) => {
  const { log, lines } = recorded({ level: "info", format: "pretty" });
  log.info("run failed", { workflowId: value });
  expect(lines[0]).toContain(`workflowId=${shown}\n`);
  expect(lines[0]?.trimEnd()).not.toMatch(/\p{Cc}/u);
});
