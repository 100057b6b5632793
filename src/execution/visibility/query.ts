import { assert } from "../../base/assert.ts";
import { err, ok, type Result } from "../../base/result.ts";
import { IndexedValueType } from "../../protocol/generated/temporal/api/enums/v1/common.ts";
import { invalidArgument, type Refusal } from "../../protocol/refusal.ts";
import { type SearchAttributeTypes, systemSearchAttributes, typeName } from "../search-attributes.ts";
import type { Comparison, VisibilityField, VisibilityFilter, VisibilityOrder, VisibilityQuery, VisibilityValue } from "./filter.ts";
import { readToken, type Token } from "./tokens.ts";
import { type Literal, literalValue } from "./value.ts";

export const queryBytesMax = 64 * 1024;
export const queryDepthMax = 100;
/** Conditions, and values in lists of `IN`. */
export const queryTermsMax = 1_000;

/**
 * * Parses and type-checks a list filter: the part of SQL after `WHERE`, with `ORDER BY` and `GROUP BY`. A query that does not mention
 * `TemporalNamespaceDivision` gets `TemporalNamespaceDivision IS NULL` before its own filter. Refused as an invalid argument that begins
 * with `invalid query: ` and names the position (counted from 1) or the search attribute. Bounds: `queryBytesMax` (64 KiB), `queryDepthMax`
 * (100), `queryTermsMax` (1,000). Source: ListWorkflowExecutionsRequest.query, temporal/api/workflowservice/v1.
 */
export function parseVisibilityQuery(text: string, attributes: SearchAttributeTypes): Result<VisibilityQuery, Refusal> {
  try {
    return ok(new QueryParser(text, attributes).query());
  } catch (error) {
    if (error instanceof QueryRefused) return err(invalidArgument(`invalid query: ${error.message}`));
    throw error;
  }
}

/** Leaves the recursive descent at once; never leaves this file. */
class QueryRefused extends Error {}

const malformed = (message: string, position: number) => new QueryRefused(`malformed SQL query: ${message} at position ${position + 1}`);
const invalid = (message: string) => new QueryRefused(`unable to convert filter expression: invalid expression: ${message}`);
const unsupported = (message: string) => new QueryRefused(`operation is not supported: ${message}`);

type Operator = Comparison | "IN" | "BETWEEN" | "STARTS_WITH";
const ordered: readonly Operator[] = ["=", "!=", "<", "<=", ">", ">=", "IN", "BETWEEN"];
/** Besides `IS NULL`, which every type has. */
const operatorsOf = new Map<IndexedValueType, readonly Operator[]>([
  [IndexedValueType.KEYWORD, [...ordered, "STARTS_WITH"]],
  [IndexedValueType.INT, ordered],
  [IndexedValueType.DOUBLE, ordered],
  [IndexedValueType.DATETIME, ordered],
  [IndexedValueType.BOOL, ["=", "!="]],
  [IndexedValueType.KEYWORD_LIST, ["=", "!=", "IN"]],
  [IndexedValueType.TEXT, ["=", "!="]],
]);
const comparisons = new Map<string, Comparison>([
  ["=", "="],
  ["!=", "!="],
  ["<>", "!="],
  ["<", "<"],
  ["<=", "<="],
  [">", ">"],
  [">=", ">="],
]);

const namespaceDivision: VisibilityField = { name: "TemporalNamespaceDivision", system: false, type: IndexedValueType.KEYWORD };
const groupable: ReadonlySet<string> = new Set(["ExecutionStatus", namespaceDivision.name]);
const unsortable: ReadonlySet<IndexedValueType> = new Set([IndexedValueType.TEXT, IndexedValueType.KEYWORD_LIST]);
const clauseWords: ReadonlySet<string> = new Set(["GROUP", "ORDER", "LIMIT"]);

class QueryParser {
  readonly #text: string;
  readonly #attributes: SearchAttributeTypes;
  #token: Token;
  #depth = 0;
  #terms = 0;
  #mentionsDivision = false;

  constructor(text: string, attributes: SearchAttributeTypes) {
    if (Buffer.byteLength(text) > queryBytesMax) throw new QueryRefused(`longer than ${queryBytesMax} bytes`);
    this.#text = text;
    this.#attributes = attributes;
    this.#token = this.#read(0);
  }

  // query = [or] ["GROUP" "BY" field] ["ORDER" "BY" field ["ASC" | "DESC"] {"," …}]
  query(): VisibilityQuery {
    const own = this.#token.kind === "end" || clauseWords.has(this.#word()) ? null : this.#or();
    const groupBy = this.#takeWord("GROUP") ? this.#groupBy() : null;
    const orderBy = this.#takeWord("ORDER") ? this.#orderBy() : [];
    if (this.#word() === "LIMIT") throw unsupported("'LIMIT' clause");
    if (this.#token.kind !== "end") throw this.#unexpected();
    if (this.#mentionsDivision) return { filter: own, orderBy, groupBy };
    const outsideDivisions: VisibilityFilter = { op: "is-null", field: namespaceDivision };
    return { filter: own === null ? outsideDivisions : { op: "and", of: [outsideDivisions, own] }, orderBy, groupBy };
  }

  #groupBy(): VisibilityField {
    this.#expectWord("BY");
    const field = this.#field();
    if (this.#isSymbol(",")) throw unsupported("'GROUP BY' clause supports only a single field");
    if (!groupable.has(field.name)) throw unsupported(`'GROUP BY' clause is not supported for search attribute ${field.name}`);
    return field;
  }

  #orderBy(): readonly VisibilityOrder[] {
    this.#expectWord("BY");
    const orders: VisibilityOrder[] = [];
    do {
      this.#countTerm();
      const field = this.#field();
      if (unsortable.has(field.type)) throw unsupported(`unable to sort by search attribute type ${typeName(field.type)}`);
      const descending = this.#takeWord("DESC");
      if (!descending) this.#takeWord("ASC");
      orders.push({ field, descending });
    } while (this.#takeSymbol(","));
    return orders;
  }

  // or = and {"OR" and}
  #or(): VisibilityFilter {
    const first = this.#and();
    const of = [first];
    while (this.#takeWord("OR") || this.#takeSymbol("||")) of.push(this.#and());
    return of.length === 1 ? first : { op: "or", of };
  }

  // and = not {"AND" not}
  #and(): VisibilityFilter {
    const first = this.#not();
    const of = [first];
    while (this.#takeWord("AND") || this.#takeSymbol("&&")) of.push(this.#not());
    return of.length === 1 ? first : { op: "and", of };
  }

  // not = "NOT" not | "(" or ")" | condition
  #not(): VisibilityFilter {
    if (++this.#depth > queryDepthMax) throw new QueryRefused(`nested deeper than ${queryDepthMax}`);
    const filter = this.#takeWord("NOT") ? negated(this.#not()) : this.#takeSymbol("(") ? this.#group() : this.#condition();
    this.#depth--;
    return filter;
  }

  #group(): VisibilityFilter {
    const filter = this.#or();
    this.#expectSymbol(")");
    return filter;
  }

  // condition = field "IS" ["NOT"] "NULL" | field comparison value | field ["NOT"] ("IN" | "BETWEEN" | "STARTS_WITH") …
  #condition(): VisibilityFilter {
    this.#countTerm();
    const field = this.#field();
    if (this.#takeWord("IS")) return this.#nullCheck(field);
    const comparison = this.#token.kind === "symbol" ? comparisons.get(this.#token.text) : undefined;
    if (comparison !== undefined) {
      this.#take();
      this.#allow(field, comparison);
      return { op: "compare", field, comparison, value: this.#value(field) };
    }
    if (this.#takeWord("NOT")) return negated(this.#wordCondition(field));
    return this.#wordCondition(field);
  }

  #nullCheck(field: VisibilityField): VisibilityFilter {
    const not = this.#takeWord("NOT");
    if (!this.#takeWord("NULL")) throw invalid("'IS' operator can only be used as 'IS NULL' or 'IS NOT NULL'");
    const isNull: VisibilityFilter = { op: "is-null", field };
    return not ? negated(isNull) : isNull;
  }

  #wordCondition(field: VisibilityField): VisibilityFilter {
    if (this.#takeWord("IN")) {
      this.#allow(field, "IN");
      return { op: "in", field, values: this.#values(field) };
    }
    if (this.#takeWord("BETWEEN")) {
      this.#allow(field, "BETWEEN");
      const low = this.#value(field);
      this.#expectWord("AND");
      return { op: "between", field, low, high: this.#value(field) };
    }
    if (this.#takeWord("STARTS_WITH")) {
      this.#allow(field, "STARTS_WITH");
      const prefix = this.#value(field);
      assert(typeof prefix === "string", "a keyword's value is a string");
      return { op: "starts-with", field, prefix };
    }
    if (this.#isSymbol("(")) throw unsupported("function expression");
    if (this.#token.kind === "end") throw invalid(`incomplete expression after ${field.name}`);
    throw this.#unexpected();
  }

  #allow(field: VisibilityField, operator: Operator): void {
    // A status is compared as its number, which begins with nothing.
    const allowed = operatorsOf.get(field.type)?.includes(operator) && !(field.name === "ExecutionStatus" && operator === "STARTS_WITH");
    if (!allowed) throw unsupported(`operator '${operator}' not supported for ${typeName(field.type)} type search attribute ${field.name}`);
  }

  #values(field: VisibilityField): readonly VisibilityValue[] {
    this.#expectSymbol("(");
    const values: VisibilityValue[] = [];
    do {
      this.#countTerm();
      values.push(this.#value(field));
    } while (this.#takeSymbol(","));
    this.#expectSymbol(")");
    return values;
  }

  #value(field: VisibilityField): VisibilityValue {
    const value = literalValue(field, this.#literal());
    if (!value.ok) throw invalid(value.error);
    return value.value;
  }

  #literal(): Literal {
    const word = this.#word();
    if (word === "TRUE" || word === "FALSE") {
      this.#take();
      return { kind: "boolean", value: word === "TRUE" };
    }
    if (word === "NULL") throw unsupported("comparison with NULL (use IS NULL)");
    const { kind, text } = this.#token;
    if (kind === "name" || kind === "quoted-name") {
      throw unsupported(`column name on the right side of comparison expression (did you forget to quote ${JSON.stringify(text)}?)`);
    }
    if (kind !== "string" && kind !== "number") throw this.#unexpected();
    this.#take();
    return { kind, text };
  }

  #field(): VisibilityField {
    const { kind, text } = this.#token;
    if (kind === "string" || kind === "number") throw invalid(`must be a column name but was ${JSON.stringify(text)}`);
    if (kind !== "name" && kind !== "quoted-name") throw this.#unexpected();
    const name = resolveName(text, this.#attributes);
    const type = name === null ? undefined : this.#attributes.get(name);
    if (name === null || type === undefined) throw invalid(`column name '${text}' is not a valid search attribute`);
    this.#take();
    this.#mentionsDivision ||= name === namespaceDivision.name;
    return { name, system: systemSearchAttributes.has(name), type };
  }

  #countTerm(): void {
    if (++this.#terms > queryTermsMax) throw new QueryRefused(`more than ${queryTermsMax} conditions and values`);
  }

  #read(from: number): Token {
    const token = readToken(this.#text, from);
    if (!token.ok) throw malformed(token.error.message, token.error.position);
    return token.value;
  }

  #take(): void {
    this.#token = this.#read(this.#token.end);
  }

  /** The current token as a keyword would be written, "" when it cannot be one. */
  #word(): string {
    return this.#token.kind === "name" ? this.#token.text.toUpperCase() : "";
  }

  #takeWord(word: string): boolean {
    const found = this.#word() === word;
    if (found) this.#take();
    return found;
  }

  #expectWord(word: string): void {
    if (!this.#takeWord(word)) throw this.#unexpected(word);
  }

  #isSymbol(symbol: string): boolean {
    return this.#token.kind === "symbol" && this.#token.text === symbol;
  }

  #takeSymbol(symbol: string): boolean {
    const found = this.#isSymbol(symbol);
    if (found) this.#take();
    return found;
  }

  #expectSymbol(symbol: string): void {
    if (!this.#takeSymbol(symbol)) throw this.#unexpected(`'${symbol}'`);
  }

  #unexpected(expected?: string): QueryRefused {
    const { kind, text, position } = this.#token;
    const found = kind === "end" ? "unexpected end" : `syntax error near ${JSON.stringify(text.slice(0, 100))}`;
    return malformed(expected === undefined ? found : `${found}, expected ${expected},`, position);
  }
}

const negated = (of: VisibilityFilter): VisibilityFilter => ({ op: "not", of });

/** The attribute that a name in a query stands for. A namespace's own attribute comes before the short form of a predefined one. */
function resolveName(name: string, attributes: SearchAttributeTypes): string | null {
  if (attributes.has(name)) return name;
  if (name === "ScheduleId") return "WorkflowId";
  if (name === "TemporalBuildIds") return "BuildIds";
  return attributes.has(`Temporal${name}`) ? `Temporal${name}` : null;
}
