// A client of the HTTP API with connections that stay open; `fetch` costs several times the CPU.
import { Agent, request } from "node:http";

export type HttpClient = {
  /** Sends JSON and resolves with the JSON of the answer; rejects when that is none of success. */
  post<T>(path: string, body: unknown): Promise<T>;
  close(): void;
};

const connectionsMax = 64;
const idleMsMax = 1_000;

export function connectHttp(address: string): HttpClient {
  // An idle connection ends well before the server closes it, so that none is used that is just going away.
  const agent = new Agent({ keepAlive: true, maxSockets: connectionsMax, timeout: idleMsMax });
  return {
    post: <T>(path: string, body: unknown) =>
      new Promise<T>((resolve, reject) => {
        const sent = Buffer.from(JSON.stringify(body));
        const headers = { "content-type": "application/json", "content-length": sent.length };
        request(`http://${address}/api/v1${path}`, { agent, method: "POST", headers }, (answer) => {
          const chunks: Buffer[] = [];
          answer.on("data", (chunk: Buffer) => chunks.push(chunk));
          answer.on("error", reject);
          answer.on("end", () => {
            const text = Buffer.concat(chunks).toString();
            const { statusCode = 0 } = answer;
            if (statusCode >= 200 && statusCode < 300) resolve(JSON.parse(text) as T);
            else reject(new Error(`${path}: ${statusCode} ${text}`));
          });
        })
          .on("error", reject)
          .end(sent);
      }),
    close: () => agent.destroy(),
  };
}
