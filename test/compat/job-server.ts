import { Holdfast } from "../../src/main.ts";

// A server in a process of its own, so that it can be killed. It prints the address of its HTTP port and runs until it is.

const server = await Holdfast.start({
  db: process.argv[2] ?? ":memory:",
  port: 0,
  httpPort: 0,
  push: { allowPrivate: true },
  log: { level: "error" },
});
process.stdout.write(`${server.httpAddress}\n`);
