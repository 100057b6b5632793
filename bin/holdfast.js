#!/usr/bin/env node
// The `holdfast` command. Kept small, because some test environments execute this file directly and wait for the server.
import { existsSync } from "node:fs";
import module from "node:module";

const built = new URL("../dist/holdfast.js", import.meta.url);
const setup = new URL("../scripts/setup.mjs", import.meta.url);
if (!existsSync(built) && existsSync(setup)) (await import(setup.href)).setup();
// From Node 22.1 on, compiled code is kept between starts.
module.enableCompileCache?.();
await import(built.href);
