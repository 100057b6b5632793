import * as z from "zod/mini";
import { type DurationMs, dayMs, hourMs } from "../base/time.ts";
import { duration, filledText, secretSetting, setting } from "./setting.ts";

/** Encryption of what is stored. Without a key there is none. */
export type EncryptionConfig = {
  /** Master keys, the newest first. They are secrets: set them in the environment rather than in a file with other settings. */
  readonly key: string | null;
  /** File with master keys, the newest first. */
  readonly keyFile: string | null;
  /** How long a data key encrypts what is new. */
  readonly dataKeyAge: DurationMs;
};

export const defaultEncryption: EncryptionConfig = { key: null, keyFile: null, dataKeyAge: 30 * dayMs };

export const encryptionSchema = z.strictObject({
  key: secretSetting("keys of 32 bytes in base64 or hexadecimal, as a text", (value) => (value === null ? null : filledText(value))),
  keyFile: setting("a file name", (value) => (value === null ? null : filledText(value))),
  dataKeyAge: duration,
});

/** Data keys are kept for good, so that there should not be many. */
const dataKeyAgeMin: DurationMs = hourMs;

/** What is wrong with settings that are each well-formed. */
export function encryptionProblems({ key, keyFile, dataKeyAge }: EncryptionConfig): readonly {
  readonly path: readonly string[];
  readonly problem: string;
}[] {
  if (key !== null && keyFile !== null)
    return [{ path: ["encryption", "keyFile"], problem: "`encryption.key` is set as well, expected one of them" }];
  return dataKeyAge < dataKeyAgeMin ? [{ path: ["encryption", "dataKeyAge"], problem: "expected at least 1h" }] : [];
}
