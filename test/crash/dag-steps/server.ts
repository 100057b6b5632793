import { Holdfast } from "../../../src/main.ts";
import { say } from "./counting-sqlite.ts";

// The server under test: `server.js DATABASE GRPC_PORT HTTP_PORT`.

const [db = "", port, httpPort] = process.argv.slice(2);
await Holdfast.start({
  db,
  port: Number(port),
  httpPort: Number(httpPort),
  log: { level: "warn" },
  routes: { "job.*": "crash-steps" },
  http: { allowPrivate: ["127.0.0.1"] },
  notify: { allowPrivate: ["127.0.0.1"] },
});
say({ ready: true });
