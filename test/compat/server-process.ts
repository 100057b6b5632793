import { Holdfast } from "../../src/main.ts";

// A server in a process of its own, so that what it takes can be measured. It prints its address and runs until it is killed.

const server = await Holdfast.start({ db: ":memory:", port: 0, httpPort: null, log: { level: "error" } });
process.stdout.write(`${server.address}\n`);
