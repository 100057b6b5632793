import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const mainJob = fileURLToPath(new URL("../../dist/examples/run.js", import.meta.url));

test("the main job of `npm start` finds its own proof sound", { timeout: 70_000 }, async () => {
  const job = spawn(process.execPath, [mainJob], { stdio: ["ignore", "pipe", "inherit"] });
  const [output, [exitCode]] = await Promise.all([text(job.stdout), once(job, "exit")]);
  expect(exitCode, output).toBe(0);
});
