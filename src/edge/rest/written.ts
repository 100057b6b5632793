import { parse } from "yaml";

/** What a definition says, which was read without an error when it was saved. */
export const writtenIn = (text: string): { readonly [key: string]: unknown } => parse(text) as { readonly [key: string]: unknown };
