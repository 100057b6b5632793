import { describe, expect, test } from "vitest";
import { resolveConfig } from "./config.ts";
import { isLoopback } from "./exposure.ts";

test.each([
  // address               only this machine
  ["127.0.0.1", true],
  ["127.255.255.254", true],
  ["::1", true],
  ["0:0:0:0:0:0:0:1", true],
  ["::ffff:127.0.0.1", true],
  ["localhost", true],
  ["0.0.0.0", false],
  ["::", false],
  ["::ffff:0.0.0.0", false],
  ["::ffff:10.0.0.1", false],
  ["10.0.0.1", false],
  ["192.168.1.2", false],
  ["128.0.0.1", false],
  ["fe80::1", false],
  ["2001:db8::1", false],
  // What is no address is looked up, and may be anything.
  ["0", false],
  ["127.1", false],
  ["127.999.0.1", false],
  ["localhost.example.com", false],
  ["127.0.0.1.example.com", false],
  ["my-laptop", false],
  ["[::1]", false],
])("%s is on this machine alone: %s", (address, expected) => {
  expect(isLoopback(address)).toBe(expected);
});

describe("a server that asks nobody who they are", () => {
  const problem = (ip: string, auth: object): readonly string[] => {
    const resolved = resolveConfig([{ values: { ip, auth }, nameOf: (path) => `--${path.join(".")}` }]);
    return resolved.ok ? [] : resolved.error;
  };
  test.each([
    // address      authentication                                         starts
    ["127.0.0.1", {}, true],
    ["::1", {}, true],
    ["localhost", {}, true],
    ["0.0.0.0", {}, false],
    ["::", {}, false],
    ["my-laptop", {}, false],
    ["10.0.0.1", { required: false }, false],
    ["0.0.0.0", { required: true }, true],
    ["::", { required: true }, true],
    ["0.0.0.0", { allowUnauthenticated: true }, true],
    ["my-laptop", { allowUnauthenticated: true }, true],
    ["0.0.0.0", { required: true, allowUnauthenticated: true }, true],
  ])("on %s with %j starts: %s", (ip, auth, starts) => {
    const expected = `--ip: whoever reaches ${ip} could do everything, since callers need not say who they are: set \`auth.required\`, listen on 127.0.0.1, or say --allow-unauthenticated`;
    expect(problem(ip, auth)).toEqual(starts ? [] : [expected]);
  });
});
