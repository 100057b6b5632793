import { nearest } from "../../base/nearest.ts";
import { err, ok, type Result } from "../../base/result.ts";
import {
  anyValue,
  dictionary,
  into,
  mapping,
  name,
  type Place,
  readDocument,
  report,
  scalarText,
  text,
  word,
  wordsOf,
} from "../../language/reader.ts";

/** Where named channels lead. Their URLs are secrets: whoever knows one can write to it. */
export type Channels = { readonly [channel: string]: string };

export type Notification = {
  readonly url: URL;
  /** JSON. */
  readonly body: string;
};

const severities = ["info", "warning", "error", "critical"] as const;
/** Source: the limits of Slack's header, section and context blocks. */
const titleLengthMax = 150;
const textLengthMax = 3_000;
const fieldsMax = 10;
const fieldLengthMax = 1_990;
const bodyLengthMax = 262_144;

const shortText =
  (max: number) =>
  (at: Place): string | undefined => {
    const value = text(at);
    return value !== undefined && value.length > max ? report(at, `longer than ${max} letters`) : value;
  };

const readMessage = into(
  mapping({
    url: name,
    channel: name,
    text: shortText(textLengthMax),
    title: shortText(titleLengthMax),
    fields: dictionary(scalarText),
    severity: word(wordsOf(severities)),
    body: anyValue,
  }),
  (message, at) => {
    if ((message.url === undefined) === (message.channel === undefined)) report(at, "expected either `url` or `channel`");
    const fields = [...(message.fields ?? [])];
    if (fields.length > fieldsMax) report(at, `\`fields\` has more than ${fieldsMax}`);
    if (fields.some(([label, value]) => label.length + value.length > fieldLengthMax))
      report(at, `a field is longer than ${fieldLengthMax} letters`);
    return { ...message, fields };
  },
);

/** Reads the arguments of `holdfast.notify`. Refused with a sentence that names the field. */
export function readNotification(args: readonly unknown[], channels: Channels): Result<Notification, string> {
  const [given, ...more] = args;
  if (more.length > 0) return err(`expected one object, not ${args.length} arguments`);
  if (typeof given !== "object" || given === null || Array.isArray(given)) return err("expected an object");
  const { body: ownBody, ...rest } = given as { readonly [key: string]: unknown };
  const { value: message, problems } = readDocument(JSON.stringify(rest), readMessage);
  if (message === null) {
    const [problem] = problems;
    return err(problem === undefined || problem.path === "" ? (problem?.message ?? "") : `\`${problem.path}\`: ${problem.message}`);
  }
  if (message.text === undefined && ownBody === undefined) return err("expected `text`, or a `body` of your own");
  const url = message.channel === undefined ? ok(message.url ?? "") : channelUrl(message.channel, channels);
  if (!url.ok) return url;
  const target = webhookUrl(url.value);
  if (target === null) return err("`url`: expected an http or https URL without credentials");
  const body = JSON.stringify(ownBody ?? slackMessage({ ...message, text: message.text ?? "" }));
  return body.length > bodyLengthMax ? err(`\`body\`: longer than ${bodyLengthMax} letters as JSON`) : ok({ url: target, body });
}

/** A URL to which notifications may go; null if it is none. */
export function webhookUrl(written: string): URL | null {
  if (!URL.canParse(written)) return null;
  const url = new URL(written);
  return /^https?:$/.test(url.protocol) && url.username === "" && url.password === "" ? url : null;
}

function channelUrl(channel: string, channels: Channels): Result<string, string> {
  const url = Object.hasOwn(channels, channel) ? channels[channel] : undefined;
  if (url !== undefined) return ok(url);
  const meant = nearest(channel, Object.keys(channels));
  return err(`\`channel\`: \`${channel}\` is not one of \`notify.channels\`${meant === undefined ? "" : `, did you mean \`${meant}\`?`}`);
}

export type Message = {
  readonly text: string;
  readonly title?: string;
  readonly fields: readonly (readonly [label: string, value: string])[];
  readonly severity?: (typeof severities)[number];
};

/** What Slack's incoming webhooks take; others find the sentence under `text`, and the rest under names of its own. */
export function slackMessage({ text: sentence, title, fields, severity }: Message): object {
  const plain = (value: string) => ({ type: "plain_text", text: value });
  const blocks = [
    ...(title === undefined ? [] : [{ type: "header", text: plain(title) }]),
    ...(sentence === "" ? [] : [{ type: "section", text: { type: "mrkdwn", text: sentence } }]),
    ...(fields.length === 0
      ? []
      : [{ type: "section", fields: fields.map(([label, value]) => ({ type: "mrkdwn", text: `*${label}*\n${value}` })) }]),
    ...(severity === undefined ? [] : [{ type: "context", elements: [plain(`severity: ${severity}`)] }]),
  ];
  const isPlain = title === undefined && fields.length === 0 && severity === undefined;
  const first = title === undefined ? sentence : `${title}: ${sentence}`;
  return isPlain ? { text: sentence } : { text: first, blocks };
}
