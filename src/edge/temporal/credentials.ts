import type { ClientCertificate } from "../../access/certificate.ts";
import type { Credentials } from "../../service/access/authenticator.ts";
import type { Call } from "./grpc/call.ts";

/** What a call presents: SDKs and the temporal command line send their API key as a bearer token. */
export const credentialsOf = (call: Call): Credentials<ClientCertificate> => ({
  apiKey: call.header("x-api-key") || call.header("api-key"),
  authorization: call.header("authorization"),
  certificate: () => call.peer.certificate,
  address: call.peer.address,
});
