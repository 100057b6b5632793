import { runCli } from "./cli.ts";
import { serve } from "./serve.ts";

const print = (text: string): void => {
  if (text !== "") process.stdout.write(`${text}\n`);
};
const complain = (text: string): void => {
  process.stderr.write(`${text}\n`);
};

const exitCode = await runCli(process.argv.slice(2), {
  environment: process.env,
  print,
  printBytes: (bytes) => void process.stdout.write(bytes),
  complain,
  serve: async (config, announce) => {
    // Loaded here, so that help and version need not wait for it.
    const { Holdfast } = await import("../main.ts");
    return serve({
      config,
      start: async (settings) => {
        const server = await Holdfast.start(settings);
        // Without a certificate, it means that the terminal is gone.
        if (settings.tls.cert !== null) process.on("SIGHUP", () => void server.reloadCertificate());
        return server;
      },
      started: (addresses) => print(announce(addresses)),
      complain,
      onSignal: (listener) => {
        process.on("SIGINT", listener);
        process.on("SIGTERM", listener);
      },
    });
  },
});
// A server that was told to stop has nothing left to say, whatever handle a library may still hold.
process.exit(exitCode);
