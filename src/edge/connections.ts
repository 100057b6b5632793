import type { Server, Socket } from "node:net";
import { networkOf } from "../base/network.ts";

/** Closes what one address opens beyond `perAddressMax` connections of a port at one time, before anything of it is read. */
export function boundConnections(server: Server, perAddressMax: number, refused: () => void): void {
  const open = new Map<string, number>();
  // The bare connection, also where TLS comes after it.
  server.on("connection", (socket: Socket) => {
    const address = networkOf(socket.remoteAddress ?? "");
    const before = open.get(address) ?? 0;
    if (before >= perAddressMax) {
      refused();
      socket.destroy();
      return;
    }
    open.set(address, before + 1);
    socket.once("close", () => {
      const left = (open.get(address) ?? 1) - 1;
      if (left === 0) open.delete(address);
      else open.set(address, left);
    });
  });
}
