import { expect, test } from "vitest";
import { newSecret, readSecret, signedHeaders } from "./webhook-signature.ts";

// The vector is that of the libraries of Standard Webhooks.
const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const sent = { id: "msg_p5jXN8AQM9LWM0D4loKWxJek", seconds: 1_614_265_330 };
const signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

test("a body is signed as libraries of Standard Webhooks expect it", () => {
  expect(signedHeaders('{"test": 2432232314}', { ...sent, secrets: [secret] })).toEqual({
    "webhook-id": sent.id,
    "webhook-timestamp": "1614265330",
    "webhook-signature": signature,
  });
});

test("with each secret that is in use, the newest first", () => {
  const { "webhook-signature": signatures = "" } = signedHeaders('{"test": 2432232314}', { ...sent, secrets: [newSecret(), secret] });
  expect(signatures.split(" ")).toEqual([expect.stringMatching(/^v1,/), signature]);
});

test.each([
  [newSecret(), true],
  [secret, true],
  ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", false],
  ["whsec_", false],
  ["whsec_c2hvcnQ=", false],
  [`whsec_${Buffer.alloc(65).toString("base64")}`, false],
  ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw ", false],
])("%s is a secret: %s", (text, isSecret) => {
  expect(readSecret(text).ok).toBe(isSecret);
});
