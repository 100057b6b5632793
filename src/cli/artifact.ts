import { readFileSync, writeFileSync } from "node:fs";
import { type Command, InvalidArgumentError, Option } from "commander";
import { type ApiOptions, addApiOptions, ask, listed, queryOf, withServer } from "./api-client.ts";
import { type CliContext, type Finish, UsageError } from "./context.ts";
import { limitFrom } from "./limit.ts";
import { oneLine, table } from "./table.ts";

type ArtifactView = {
  readonly artifact_ptr: string;
  readonly content_type: string;
  readonly size_bytes: number;
  readonly retention: string;
  readonly labels: { readonly [name: string]: string };
  readonly created_by: string;
  readonly expires_at: string;
};
type Options = ApiOptions & { readonly json?: true };
type PutOptions = Options & {
  readonly contentType?: string;
  readonly retention?: string;
  readonly label?: Labels;
  readonly maxBytes?: number;
  readonly key?: string;
};
type Labels = { readonly [name: string]: string };
type ListOptions = Options & { readonly retention?: string; readonly label?: string; readonly limit: number };

/** Files behind pointers, which jobs and people hand to each other. */
export function addArtifactCommand(program: Command, context: CliContext, finish: Finish): void {
  const artifact = program
    .command("artifact")
    .summary("files behind pointers, which jobs and people hand to each other")
    .addHelpText(
      "after",
      `
Examples:
  holdfast artifact put report.pdf --content-type application/pdf --retention audit
  pg_dump orders | holdfast artifact put - --label run=nightly
  holdfast artifact list --label run=nightly
  holdfast artifact get art:0f5e8a1c-… --output report.pdf
  holdfast artifact delete art:0f5e8a1c-…`,
    );
  const pathOf = (pointer: string): string => `/artifacts/${encodeURIComponent(pointer)}`;

  addApiOptions(artifact.command("put"))
    .summary("keep a file, and print the pointer to it")
    .argument("<file>", "any file; - for stdin")
    .option("--content-type <type>", "what it is, such as text/csv (default application/octet-stream)")
    .addOption(retention("how long it is kept (default standard)"))
    .option("--label <name=value>", "a label; repeatable", labelFrom)
    .option("--max-bytes <count>", "refuse it when it is larger", limitFrom)
    .option("--key <key>", "asked twice with one key, it is one artifact")
    .option("--as <id>", "who you are")
    .option("--json", "print JSON")
    .action((file: string, { contentType, label, maxBytes, key, ...options }: PutOptions) =>
      withServer(context, finish, async () => {
        const body = {
          content_base64: bytesIn(file).toString("base64"),
          content_type: contentType,
          retention: options.retention,
          labels: label,
        };
        const query = maxBytes === undefined ? "" : `?${queryOf({ max_bytes: String(maxBytes) })}`;
        const request = {
          method: "POST",
          path: `/artifacts${query}`,
          body,
          ...(key === undefined ? {} : { idempotencyKey: key }),
        } as const;
        const saved = (await (await ask(request, options, context)).json()) as { readonly artifact_ptr: string };
        context.print(options.json === true ? JSON.stringify(saved, null, 2) : saved.artifact_ptr);
      }),
    );

  addApiOptions(artifact.command("get"))
    .summary("the content of an artifact, byte for byte")
    .argument("<pointer>", "as it was printed, or what stands behind redis://")
    .option("--output <file>", "write to a file that is not there yet, instead of stdout")
    .option("--json", "print JSON, with the content as base64 and all there is to know")
    .action((pointer: string, { output, ...options }: Options & { readonly output?: string }) =>
      withServer(context, finish, async () => {
        const path = options.json === true ? pathOf(pointer) : `${pathOf(pointer)}/content`;
        const response = await ask({ method: "GET", path }, options, context);
        const content =
          options.json === true
            ? Buffer.from(`${JSON.stringify(await response.json(), null, 2)}\n`)
            : Buffer.from(await response.arrayBuffer());
        if (output === undefined) context.printBytes(content);
        else writeNew(output, content);
      }),
    );

  addApiOptions(artifact.command("list"))
    .summary("artifacts, the newest first")
    .addOption(retention("those of one retention"))
    .option("--label <name=value>", "those with a label; the name alone will do")
    .option("--limit <count>", "at most so many", limitFrom, 50)
    .option("--json", "print JSON")
    .action(({ retention, label, limit, ...options }: ListOptions) =>
      withServer(context, finish, async () => {
        const found = await listed<ArtifactView>("/artifacts", { retention, label }, limit, options, context);
        if (options.json === true) context.print(JSON.stringify(found, null, 2));
        else if (found.length === 0) context.print("there are no artifacts");
        else context.print(table(["ARTIFACT", "TYPE", "BYTES", "RETENTION", "UNTIL", "BY", "LABELS"], found.map(rowOf)));
      }),
    );

  addApiOptions(artifact.command("delete"))
    .summary("delete artifacts before their time is over")
    .argument("<pointers...>")
    .option("--as <id>", "who you are")
    .action((pointers: readonly string[], options: Options) =>
      withServer(context, finish, async () => {
        for (const pointer of pointers) {
          await ask({ method: "DELETE", path: pathOf(pointer) }, options, context);
          context.print(`deleted ${oneLine(pointer)}`);
        }
      }),
    );
}

const retention = (what: string): Option => new Option("--retention <class>", what).choices(["short", "standard", "audit"]);

function labelFrom(text: string, former: Labels = {}): Labels {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("expected name=value");
  return { ...former, [text.slice(0, at)]: text.slice(at + 1) };
}

function bytesIn(file: string): Buffer {
  try {
    return readFileSync(file === "-" ? 0 : file);
  } catch (error) {
    throw new UsageError([`cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`]);
  }
}

function writeNew(file: string, content: Uint8Array): void {
  try {
    writeFileSync(file, content, { flag: "wx" });
  } catch (error) {
    throw new UsageError([`cannot write ${file}: ${error instanceof Error ? error.message : String(error)}`]);
  }
}

const rowOf = ({ artifact_ptr, content_type, size_bytes, retention, expires_at, created_by, labels }: ArtifactView): readonly string[] => [
  artifact_ptr.replace("redis://", ""),
  content_type,
  String(size_bytes),
  retention,
  expires_at,
  created_by,
  Object.entries(labels)
    .filter(([name]) => name !== "tenant_id")
    .map(([name, value]) => `${name}=${value}`)
    .join(" "),
];
