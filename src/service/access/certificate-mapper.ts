import {
  type CertificateMapping,
  type ClientCertificate,
  matchSubject,
  namesOf,
  parseSubjectPattern,
  variablesOf,
} from "../../access/certificate.ts";
import type { AccessPrincipal } from "../../access/principal.ts";
import { isPrincipalId } from "../../access/principal-id.ts";

/**
 * Who the holder of a certificate is, by the first mapping that one of its names fits; null if there is none. Whether the certificate is to be
 * trusted, and is in date, has been checked by TLS.
 */
export function principalOfCertificate(mappings: readonly CertificateMapping[], certificate: ClientCertificate): AccessPrincipal | null {
  for (const mapping of mappings) {
    const pattern = parseSubjectPattern(mapping.subject);
    if (!pattern.ok || lacksCommonName(mapping, certificate)) continue;
    for (const name of namesOf(certificate, pattern.value.kind)) {
      // A certificate for `*.example.com` must not become whoever has all namespaces.
      const stars = name.includes("*") ? null : matchSubject(pattern.value, name);
      if (stars === null) continue;
      const fill = (template: string): string => filled(template, { name, commonName: certificate.commonName, stars });
      const id = fill(mapping.id);
      if (!isPrincipalId(id)) continue;
      const { kind, namespaces, roles, taskQueues } = mapping;
      return {
        id,
        kind,
        grants: namespaces.length === 0 || roles.length === 0 ? [] : [{ namespaces: namespaces.map(fill), roles }],
        taskQueues: taskQueues === null ? null : taskQueues.map(fill),
        credential: { kind: "certificate", id: certificate.fingerprint },
        expiresAt: certificate.expiresAt,
      };
    }
  }
  return null;
}

type Filling = { readonly name: string; readonly commonName: string; readonly stars: readonly string[] };

const filled = (template: string, { name, commonName, stars }: Filling): string =>
  template.replace(/\{([^{}]*)\}/g, (_, variable: string) =>
    variable === "name" ? name : variable === "cn" ? commonName : (stars[Number(variable) - 1] ?? ""),
  );

/** An empty common name would make `*` of `{cn}*`. */
const lacksCommonName = ({ id, namespaces, taskQueues }: CertificateMapping, { commonName }: ClientCertificate): boolean =>
  (commonName === "" || commonName.includes("*")) &&
  [id, ...namespaces, ...(taskQueues ?? [])].some((template) => variablesOf(template).includes("cn"));
