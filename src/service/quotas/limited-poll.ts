import type { Engine } from "../engine.ts";
import type { UseCase } from "../services.ts";

/** A poll that counts as one of its namespace's while it waits. */
export const limitedPoll =
  <Request extends { readonly namespace: string }, Response>(
    { namespaces, quotas }: Pick<Engine, "namespaces" | "quotas">,
    poll: UseCase<Request, Response>,
  ): UseCase<Request, Response> =>
  async (request, caller) => {
    const namespace = namespaces.get(request.namespace);
    if (!namespace.ok) return namespace;
    const counted = quotas.poll(namespace.value.id);
    if (!counted.ok) return counted;
    try {
      return await poll(request, caller);
    } finally {
      counted.value();
    }
  };
