import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import type { Log } from "../../telemetry/log.ts";
import { type Descriptors, loadDescriptors } from "./descriptors.ts";
import type { Handler } from "./grpc/call.ts";
import { Code } from "./grpc/code.ts";
import { status } from "./grpc/status.ts";

export const reflectionServices: readonly string[] = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];

/**
 * Server reflection, with which tools like grpcurl call a server without having its `.proto` files. The descriptors are read when somebody
 * asks for the first time. Both versions have the same messages. Source: grpc/reflection/v1/reflection.proto.
 */
export function reflectionHandlers(services: readonly string[], log: Log): ReadonlyMap<string, Handler> {
  let descriptors: Promise<Descriptors> | undefined;
  const handler: Handler = (call) => {
    // Answers keep the order of the questions: each waits for the one before it.
    let turn = Promise.resolve();
    const inTurn = (act: (descriptors: Descriptors) => void): void => {
      descriptors ??= loadDescriptors();
      const loading = descriptors;
      turn = turn.then(async () => act(await loading)).catch(fail);
    };
    const fail = (cause: unknown): void => {
      descriptors = undefined;
      log.error("descriptors cannot be read", {}, cause);
      call.refuse(status(Code.INTERNAL, "descriptors cannot be read"));
    };
    call.signal.addEventListener("abort", () => call.complete());
    return {
      message: (question) => inTurn((loaded) => call.send(answer(question, loaded, services))),
      end: () => inTurn(() => call.complete()),
    };
  };
  return new Map(reflectionServices.map((service) => [`/${service}/ServerReflectionInfo`, handler]));
}

type Question =
  | { readonly about: "file" | "symbol" | "extensions" | "services"; readonly name: string }
  | { readonly about: "extension"; readonly name: string; readonly fieldNumber: number };

/** One `ServerReflectionRequest` to one `ServerReflectionResponse`. */
function answer(request: Uint8Array, descriptors: Descriptors, services: readonly string[]): Uint8Array {
  const question = parse(request);
  const response = new BinaryWriter().uint32(tag(2)).bytes(request);
  if (question === null) return errorResponse(response, Code.INVALID_ARGUMENT, "request asks for nothing that is known");
  switch (question.about) {
    case "file":
      return filesResponse(response, descriptors, question.name, `file ${question.name}`);
    case "symbol":
      return filesResponse(response, descriptors, descriptors.fileOfSymbol(question.name), `symbol ${question.name}`);
    case "extension":
      return filesResponse(
        response,
        descriptors,
        descriptors.extensionsOf(question.name).get(question.fieldNumber),
        `extension ${question.fieldNumber} of ${question.name}`,
      );
    case "extensions": {
      response.uint32(tag(5)).fork().uint32(tag(1)).string(question.name);
      for (const fieldNumber of descriptors.extensionsOf(question.name).keys()) response.uint32(tag(2, varint)).int32(fieldNumber);
      return response.join().finish();
    }
    case "services": {
      response.uint32(tag(6)).fork();
      for (const service of services) response.uint32(tag(1)).fork().uint32(tag(1)).string(service).join();
      return response.join().finish();
    }
  }
}

function filesResponse(response: BinaryWriter, descriptors: Descriptors, fileName: string | undefined, sought: string): Uint8Array {
  const files = fileName === undefined ? [] : descriptors.files(fileName);
  if (files.length === 0) return errorResponse(response, Code.NOT_FOUND, `${sought} is not known`);
  response.uint32(tag(4)).fork();
  for (const file of files) response.uint32(tag(1)).bytes(file);
  return response.join().finish();
}

const errorResponse = (response: BinaryWriter, code: Code, message: string): Uint8Array =>
  response.uint32(tag(7)).fork().uint32(tag(1, varint)).int32(code).uint32(tag(2)).string(message).join().finish();

function parse(request: Uint8Array): Question | null {
  try {
    return parseRequest(new BinaryReader(request));
  } catch {
    return null;
  }
}

function parseRequest(reader: BinaryReader): Question | null {
  let question: Question | null = null;
  while (reader.pos < reader.len) {
    const [fieldNumber, wireType] = reader.tag();
    if (fieldNumber === 3) question = { about: "file", name: reader.string() };
    else if (fieldNumber === 4) question = { about: "symbol", name: reader.string() };
    else if (fieldNumber === 5) question = parseExtension(new BinaryReader(reader.bytes()));
    else if (fieldNumber === 6) question = { about: "extensions", name: reader.string() };
    else if (fieldNumber === 7) question = { about: "services", name: reader.string() };
    else reader.skip(wireType);
  }
  return question;
}

function parseExtension(reader: BinaryReader): Question {
  let name = "";
  let extension = 0;
  while (reader.pos < reader.len) {
    const [fieldNumber, wireType] = reader.tag();
    if (fieldNumber === 1) name = reader.string();
    else if (fieldNumber === 2) extension = reader.int32();
    else reader.skip(wireType);
  }
  return { about: "extension", name, fieldNumber: extension };
}

const varint = 0;
const lengthDelimited = 2;
const tag = (fieldNumber: number, wireType = lengthDelimited): number => (fieldNumber << 3) | wireType;
