import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { Holdfast, type StartOptions } from "../../src/main.ts";
import { setup, until } from "./kit.ts";
import { tryActivity } from "./workflows/governance.ts";

// People hear of an approval in their channel when it is asked for, and others when it escalates, whatever crashes in between.

describe("with `approvals.notify`", () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-notices-"));
  const received: { readonly key: string; readonly status: number; readonly text: string; readonly body: string }[] = [];
  let status = 200;
  const hook = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => {
      received.push({ key: String(request.headers["idempotency-key"]), status, text: JSON.parse(body).text, body });
      response.writeHead(status).end();
    });
  });
  let options: StartOptions;
  const compat = setup({
    workflows: "governance",
    launch: async () => {
      await new Promise<void>((listening) => hook.listen(0, "127.0.0.1", listening));
      options = {
        db: join(folder, "holdfast.db"),
        port: 0,
        httpPort: 0,
        log: { level: "silent" },
        approvals: { notify: "ops" },
        notify: { channels: { ops: `http://127.0.0.1:${(hook.address() as AddressInfo).port}` }, allowPrivate: true },
      };
      return Holdfast.start(options);
    },
  });
  afterAll(async () => {
    await new Promise((closed) => hook.close(closed).closeAllConnections());
    rmSync(folder, { recursive: true });
  });

  const ask = (input: object) =>
    compat.start(tryActivity, { args: ["holdfast.approval", [input], { taskQueue: "holdfast", startToCloseTimeout: "10s" }] });
  const about = (text: string) => received.filter((one) => one.text.includes(text));

  test("people are told what waits, and cannot be shouted at", async () => {
    const handle = await ask({ title: "Deploy 7", reason: "<!channel> now & here", approvers: { roles: ["ops"] } });
    const { body } = await until(() => about("Deploy 7")[0]);
    expect(body).toContain("&lt;!channel&gt; now &amp; here");
    expect(body).not.toContain("<!channel>");
    expect(body).toContain("role ops");
    expect(body).toContain(handle.workflowId);
    await handle.terminate();
  });

  test("others are told when it escalates", async () => {
    const handle = await ask({ title: "Deploy 8", approvers: { roles: ["ops"] }, escalation: [{ after: "50ms", roles: ["leads"] }] });
    const { body } = await until(() => about("Escalated: Deploy 8")[0]);
    expect(body).toContain("role leads");
    expect(new Set(about("Deploy 8").map(({ key }) => key)).size).toBe(2);
    await handle.terminate();
  });

  test("what nobody heard is told again, after a restart too, under the same key; once it was heard, no more", async () => {
    status = 503;
    await ask({ title: "Deploy nine" });
    await until(() => about("Deploy nine").length === 2);
    const port = Number(compat.server.address.split(":")[1]);
    await compat.server.stop();
    status = 200;
    for (const title of ["Deploy ten", "Deploy eleven"]) {
      const next = await Holdfast.start({ ...options, port });
      await ask({ title });
      // They are told in turn: by now the one before is done with.
      await until(() => about(title).length > 0);
      await next.stop();
    }
    const heard = about("Deploy nine").filter((one) => one.status === 200);
    expect(heard).toHaveLength(1);
    expect(new Set(about("Deploy nine").map(({ key }) => key)).size).toBe(1);
  });
});
