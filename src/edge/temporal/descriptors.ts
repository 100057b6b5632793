import { readFile } from "node:fs/promises";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import type {
  DescriptorProto,
  EnumDescriptorProto,
  FieldDescriptorProto,
  FileDescriptorProto,
} from "../../protocol/generated/google/protobuf/descriptor.ts";

/** The `.proto` files of the protocol, compiled, to be looked up by what is in them. Names are fully qualified, without a leading dot. */
export type Descriptors = {
  /** The encoded file of this name and then all files that it depends on; empty if there is no such file. */
  files(fileName: string): readonly Uint8Array[];
  /** The file that defines a message, field, enum, service or method. */
  fileOfSymbol(symbol: string): string | undefined;
  /** Field number → file, for each extension of a message. */
  extensionsOf(message: string): ReadonlyMap<number, string>;
};

/** Reads about 1 MB and indexes it, in some 50 ms. The codec it takes is loaded only here. */
export async function loadDescriptors(): Promise<Descriptors> {
  const [{ FileDescriptorProto: codec }, set] = await Promise.all([
    import("../../protocol/generated/google/protobuf/descriptor.ts"),
    readFile(new URL("../../protocol/generated/descriptors.binpb", import.meta.url)),
  ]);
  return indexOf([...messagesOf(set)].map((bytes) => ({ bytes, file: codec.decode(bytes) })));
}

/** The encoded members of a `FileDescriptorSet`, which is its one repeated field. */
function* messagesOf(set: Uint8Array): Generator<Uint8Array> {
  const reader = new BinaryReader(set);
  while (reader.pos < reader.len) {
    const [fieldNumber, wireType] = reader.tag();
    if (fieldNumber === 1) yield reader.bytes();
    else reader.skip(wireType);
  }
}

function indexOf(entries: readonly { readonly bytes: Uint8Array; readonly file: FileDescriptorProto }[]): Descriptors {
  const files = new Map<string, { readonly bytes: Uint8Array; readonly dependencies: readonly string[] }>();
  const symbols = new Map<string, string>();
  const extensions = new Map<string, Map<number, string>>();
  for (const { bytes, file } of entries) {
    const fileName = file.name ?? "";
    files.set(fileName, { bytes, dependencies: file.dependency });
    for (const symbol of symbolsOf(file)) symbols.set(symbol, fileName);
    for (const { extendee = "", number = 0 } of extensionsIn(file)) {
      const numbers = extensions.get(extendee.slice(1)) ?? new Map<number, string>();
      extensions.set(extendee.slice(1), numbers.set(number, fileName));
    }
  }
  return {
    files(fileName) {
      const wanted = new Set([fileName]);
      // A set visits what is added to it on the way.
      for (const name of wanted) for (const dependency of files.get(name)?.dependencies ?? []) wanted.add(dependency);
      return [...wanted].flatMap((name) => files.get(name)?.bytes ?? []);
    },
    fileOfSymbol: (symbol) => symbols.get(symbol),
    extensionsOf: (message) => extensions.get(message) ?? new Map(),
  };
}

function* symbolsOf(file: FileDescriptorProto): Generator<string> {
  const scope = file.package ?? "";
  for (const message of file.messageType) yield* messageSymbols(scope, message);
  for (const enumeration of file.enumType) yield* enumSymbols(scope, enumeration);
  for (const extension of file.extension) yield within(scope, extension.name);
  for (const service of file.service) {
    const name = within(scope, service.name);
    yield name;
    for (const method of service.method) yield within(name, method.name);
  }
}

function* messageSymbols(scope: string, message: DescriptorProto): Generator<string> {
  const name = within(scope, message.name);
  yield name;
  for (const { name: member } of [...message.field, ...message.oneofDecl, ...message.extension]) yield within(name, member);
  for (const nested of message.nestedType) yield* messageSymbols(name, nested);
  for (const enumeration of message.enumType) yield* enumSymbols(name, enumeration);
}

/** Values of an enum are named beside it, not in it. */
function* enumSymbols(scope: string, enumeration: EnumDescriptorProto): Generator<string> {
  yield within(scope, enumeration.name);
  for (const value of enumeration.value) yield within(scope, value.name);
}

function* extensionsIn(scope: FileDescriptorProto | DescriptorProto): Generator<FieldDescriptorProto> {
  yield* scope.extension;
  for (const message of "messageType" in scope ? scope.messageType : scope.nestedType) yield* extensionsIn(message);
}

const within = (scope: string, name = ""): string => (scope === "" ? name : `${scope}.${name}`);
