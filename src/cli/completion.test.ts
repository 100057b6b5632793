import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { run } from "./cli.test-kit.ts";

const { printed: script } = await run(["completion", "bash"]);

/** What bash offers for the last of these words. */
const offered = (...words: string[]): readonly string[] =>
  execFileSync("bash", [
    "-c",
    `${script}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _holdfast; printf '%s\\n' "\${COMPREPLY[@]}"`,
    "bash",
    ...words,
  ])
    .toString()
    .split("\n")
    .filter((word) => word !== "");

describe("bash", () => {
  test.each([
    // words                                                    offered
    [["holdfast", "doc"], ["doctor"]],
    [["holdfast", "approval", "l"], ["list"]],
    [["holdfast", "approval", "list", "--sta"], ["--status"]],
    [["holdfast", "approval", "list", "--status", "pending", "--top"], ["--topic"]],
    [["holdfast", "policy", "lim"], ["limits"]],
    [["holdfast", "completion", "bash", "x"], []],
  ])("%j → %j", (words, expected) => {
    expect(offered(...words)).toEqual(expected);
  });

  test("what is hidden from help is not offered", () => {
    expect(offered("holdfast", "test-")).toEqual([]);
  });
});

test("zsh and fish say what each word is for", async () => {
  expect((await run(["completion", "zsh"])).printed).toContain("'doctor:what is stuck on a running server, why, and what is safe to do'");
  const { printed } = await run(["completion", "fish"]);
  expect(printed).toContain(`complete -c holdfast -n '__holdfast_at " approval"' -f -a list -d 'what waits for people, oldest first'`);
});

test("another shell is wrong usage", async () => {
  expect((await run(["completion", "cmd"])).exitCode).toBe(2);
});

test("the commands of `docs/cli.md` are there", async () => {
  const text = readFileSync(new URL("../../docs/cli.md", import.meta.url), "utf8");
  const commands = [...text.matchAll(/^\| (`holdfast [^|]+`) \|/gm)].flatMap(([, cell = ""]) => [...cell.matchAll(/`holdfast ([^`]+)`/g)]);
  expect(commands.length).toBeGreaterThan(20);
  for (const [, command = ""] of commands) {
    const words = command.split(" ");
    expect(offered("holdfast", ...words)).toContain(words.at(-1));
  }
});
