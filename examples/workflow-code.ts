import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Where a worker finds the code of its workflows: the bundle that the build made beside it (saves 0.7 s per start), else the source. */
export function workflowCode(workerUrl: string): { workflowBundle: { codePath: string } } | { workflowsPath: string } {
  const codePath = fileURLToPath(new URL("./workflow-bundle.js", workerUrl));
  return existsSync(codePath) ? { workflowBundle: { codePath } } : { workflowsPath: fileURLToPath(new URL("./workflows.ts", workerUrl)) };
}
