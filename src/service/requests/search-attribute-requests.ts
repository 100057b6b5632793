import { err, ok } from "../../base/result.ts";
import { addSearchAttributes as add, predefinedSearchAttributes, systemSearchAttributes } from "../../execution/search-attributes.ts";
import { notFound } from "../../protocol/refusal.ts";
import type { Engine } from "../engine.ts";
import { nameOf, type Services } from "../services.ts";

/** Makes attributes known to a namespace; those it has already, with the same type, stay as they are. */
export const addSearchAttributes =
  ({ namespaces }: Engine): Services["addSearchAttributes"] =>
  async (request, caller) => {
    const updated = await namespaces.update(
      request.namespace,
      "search-attributes-added",
      (body) => {
        const added = add(new Map(Object.entries(body.searchAttributes)), request.searchAttributes);
        return added.ok ? ok({ ...body, searchAttributes: Object.fromEntries(added.value) }) : added;
      },
      nameOf(caller),
    );
    return updated.ok ? ok({}) : updated;
  };

/** Values that executions carry stay with them, but can no longer be asked for. */
export const removeSearchAttributes =
  ({ namespaces }: Engine): Services["removeSearchAttributes"] =>
  async (request, caller) => {
    const updated = await namespaces.update(
      request.namespace,
      "search-attributes-removed",
      (body) => {
        const kept = { ...body.searchAttributes };
        for (const name of request.searchAttributes) {
          if (!Object.hasOwn(kept, name)) return err(notFound(`Search attribute ${name} doesn't exist.`));
          delete kept[name];
        }
        return ok({ ...body, searchAttributes: kept });
      },
      nameOf(caller),
    );
    return updated.ok ? ok({}) : updated;
  };

export const listSearchAttributes =
  ({ namespaces }: Engine): Services["listSearchAttributes"] =>
  async (request) => {
    const namespace = namespaces.get(request.namespace);
    if (!namespace.ok) return namespace;
    return ok({
      customAttributes: { ...namespace.value.body.searchAttributes },
      systemAttributes: Object.fromEntries([...systemSearchAttributes, ...predefinedSearchAttributes]),
      storageSchema: {},
    });
  };

/** All attributes of all namespaces. */
export const getSearchAttributes =
  ({ namespaces }: Engine): Services["getSearchAttributes"] =>
  async () =>
    ok({ keys: Object.fromEntries(namespaces.list().flatMap(({ attributeTypes }) => [...attributeTypes])) });
