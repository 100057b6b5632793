import { pino } from "pino";

/** Facts beside a message: names, ids, counts, times. The type leaves no room for payloads. */
export type LogFields = { readonly [name: string]: string | number | boolean | null | undefined };

/** Messages start lowercase and name no values: these are fields. `error` is written with its whole chain of causes. */
export type Log = {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields, error?: unknown): void;
  error(message: string, fields?: LogFields, error?: unknown): void;
  /** The same log for one part of the server, named in each line. */
  child(area: string): Log;
};

export type LogOptions = {
  readonly level: "trace" | "debug" | "info" | "warn" | "error" | "silent";
  /** `json` is one object per line for machines, `pretty` one line for people. */
  readonly format: "pretty" | "json";
};

type Sink = { write(line: string): void };

/** Lines go to stderr, so that stdout belongs to what a command prints. Written at once: a crash loses none. */
export function createLog(options: LogOptions, sink: Sink = pino.destination({ fd: 2, sync: true })): Log {
  const root = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.errWithCause },
    },
    options.format === "json" ? sink : { write: (line: string) => sink.write(prettyLine(line)) },
  );
  return logOf(root);
}

/** For tests and tools that want none. */
export const silentLog: Log = createLog({ level: "silent", format: "json" }, { write: () => {} });

function logOf(logger: pino.Logger): Log {
  return {
    debug: (message, fields) => logger.debug(fields ?? {}, message),
    info: (message, fields) => logger.info(fields ?? {}, message),
    warn: (message, fields, error) => logger.warn(error === undefined ? (fields ?? {}) : { ...fields, error }, message),
    error: (message, fields, error) => logger.error(error === undefined ? (fields ?? {}) : { ...fields, error }, message),
    child: (area) => logOf(logger.child({ area })),
  };
}

/** `08:15:02.031 warn  matching: poll refused namespace=default`, and an error's stack below. */
function prettyLine(json: string): string {
  const { time, level, area, msg, error, ...fields } = JSON.parse(json) as { [key: string]: unknown };
  const pairs = Object.entries(fields).map(
    ([name, value]) => ` ${name}=${typeof value === "string" ? inLine(value) : JSON.stringify(value)}`,
  );
  const where = area === undefined ? "" : `${area}: `;
  return `${String(time).slice(11, 23)} ${String(level).padEnd(5)} ${where}${msg}${pairs.join("")}\n${prettyError(error)}`;
}

/** Nobody's id begins a line of its own, or moves a terminal's cursor. */
const inLine = (text: string): string => escapeControls(text, /[\p{Cc}\u2028\u2029]/gu);
const inLines = (text: string): string => escapeControls(text, /[^\P{Cc}\n\t]/gu);
const escapeControls = (text: string, controls: RegExp): string =>
  text.replace(controls, (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`);

function prettyError(error: unknown): string {
  if (typeof error !== "object" || error === null) return error === undefined ? "" : `  ${inLine(String(error))}\n`;
  const { stack, message, cause } = error as { stack?: unknown; message?: unknown; cause?: unknown };
  const own = inLines(String(stack ?? message)).replace(/^/gm, "  ");
  return cause === undefined ? `${own}\n` : `${own}\n  caused by:\n${prettyError(cause)}`;
}
