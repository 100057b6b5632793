import { anyValue, readDocument } from "../../language/reader.ts";

/** What a definition says, which was read without an error when it was saved. */
export const writtenIn = (text: string): { readonly [key: string]: unknown } =>
  readDocument(text, anyValue).value as { readonly [key: string]: unknown };
