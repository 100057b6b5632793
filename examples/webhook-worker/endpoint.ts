// An endpoint that needs nothing but Node: jobs are pushed to it, and it answers with what came of them.
//
//     WEBHOOK_SECRET=whsec_… npx tsx endpoint.ts 8090

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";

const secret = process.env.WEBHOOK_SECRET;
if (secret === undefined) throw new Error("set WEBHOOK_SECRET");
const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
const toleranceSeconds = 300;
const bodyBytesMax = 4 * 2 ** 20;

/** Whether Holdfast sent exactly these bytes, and lately. */
function isSigned(headers: IncomingHttpHeaders, body: Buffer): boolean {
  const moment = String(headers["webhook-timestamp"]);
  if (!/^\d+$/.test(moment) || Math.abs(Date.now() / 1000 - Number(moment)) > toleranceSeconds) return false;
  const hmac = createHmac("sha256", key).update(`${headers["webhook-id"]}.${moment}.`).update(body);
  const expected = Buffer.from(`v1,${hmac.digest("base64")}`);
  // While a secret is changed there are two.
  const given = String(headers["webhook-signature"]).split(" ");
  return given.map((one) => Buffer.from(one)).some((one) => one.length === expected.length && timingSafeEqual(one, expected));
}

type Task = { readonly attempt: number; readonly input: readonly [{ readonly name?: string }] };

/** The work itself. */
function greet({ attempt, input: [argument] }: Task): object {
  if (argument.name === undefined) throw new BadInput("whom to greet?");
  return { greeting: `Hello, ${argument.name}!`, attempt };
}
/** The input is wrong: it would be wrong again. */
class BadInput extends Error {}

function answer(headers: IncomingHttpHeaders, body: Buffer): readonly [status: number, value: unknown] {
  if (!isSigned(headers, body)) return [401, { error: { message: "not signed by Holdfast" } }];
  if (headers["holdfast-event"] === "ping") return [200, "pong"];
  try {
    return [200, greet(JSON.parse(body.toString()) as Task)];
  } catch (error) {
    const retryable = !(error instanceof BadInput);
    return [retryable ? 500 : 422, { error: { message: (error as Error).message, type: (error as Error).constructor.name, retryable } }];
  }
}

const server = createServer(async (request, response) => {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > bodyBytesMax) return response.writeHead(413).end();
    parts.push(part);
  }
  // The signature is over the bytes as they came, not over what they mean.
  const [status, value] = answer(request.headers, Buffer.concat(parts));
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
});
server.listen(Number(process.argv[2] ?? 8090), "127.0.0.1", () =>
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
);
