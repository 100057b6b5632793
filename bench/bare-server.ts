// The least that answers a gRPC call, at once and empty: what a client reaches against it is the client's own ceiling.
import { once } from "node:events";
import { createServer } from "node:http2";

const server = createServer();
server.on("stream", (stream) => {
  stream.resume();
  stream.on("end", () => {
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(Buffer.alloc(5));
  });
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const address = server.address();
if (address !== null && typeof address === "object") process.send?.(`127.0.0.1:${address.port}`);
