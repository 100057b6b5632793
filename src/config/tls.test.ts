import { describe, expect, test } from "vitest";
import { defaultTls, type TlsConfig, tlsProblems } from "./tls.ts";

const pair = { cert: "cert.pem", key: "key.pem" };

describe("what makes sense together", () => {
  test.each<[Partial<TlsConfig>]>([
    [{}],
    [pair],
    [{ ...pair, clientCa: "ca.pem", clientCert: "optional" }],
    [{ ...pair, clientCa: "ca.pem", clientCert: "required", reload: 1_000 }],
  ])("%j", (given) => {
    expect(tlsProblems({ ...defaultTls, ...given })).toEqual([]);
  });
});

describe("and what does not", () => {
  test.each<[Partial<TlsConfig>, keyof TlsConfig, string]>([
    [{ key: "key.pem" }, "key", "without `tls.cert` there is no certificate that it belongs to"],
    [{ cert: "cert.pem" }, "cert", "`tls.key` is missing"],
    [{ clientCa: "ca.pem" }, "clientCa", "clients can show certificates only where the server has one: `tls.cert` is missing"],
    [{ clientCert: "required" }, "clientCert", "clients can show certificates only where the server has one: `tls.cert` is missing"],
    [{ ...pair, clientCert: "optional" }, "clientCert", "`tls.clientCa` is missing, which vouches for clients"],
    [{ ...pair, clientCa: "ca.pem" }, "clientCa", "has no effect unless `tls.clientCert` is `optional` or `required`"],
    [{ reload: 999 }, "reload", "expected at least 1s"],
  ])("%j", (given, name, problem) => {
    expect(tlsProblems({ ...defaultTls, ...given })).toEqual([{ path: ["tls", name], problem }]);
  });
});
