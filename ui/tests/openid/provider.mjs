// A certified OpenID provider (the package oidc-provider) on loopback, for the system tests of the service:
// `node provider.mjs PORT`, on standard input one line of JSON: the client, and the people by the names they sign in with.
// A person's claims may be changed by a further line: {"NAME": {...}}. Any password is taken.
// {"forge": "HOW"} lets it give forged ID tokens (forgery.mjs), {"forge": null} good ones again.
import { createInterface } from "node:readline";
import { Provider } from "oidc-provider";
import { forged, jwks } from "./forgery.mjs";

const port = Number(process.argv[2]);
// Not 127.0.0.1, where the service is: to a browser these are two sites.
const issuer = `http://localhost:${port}`;
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { client, people } = JSON.parse((await lines.next()).value);

let forge = null;
const provider = new Provider(issuer, {
  clients: [client],
  jwks,
  claims: {
    openid: ["sub"],
    profile: ["name", "preferred_username"],
    email: ["email", "email_verified"],
    groups: ["groups"],
  },
  features: {
    devInteractions: { enabled: true },
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: { enabled: true },
  },
  pkce: { required: () => true },
  cookies: { keys: ["of these tests"] },
  ttl: { AccessToken: 300, IdToken: 300, Session: 3600, Grant: 3600, Interaction: 600 },
  // It keeps from addresses of this machine, where the service of the tests is.
  fetch: (url, { dispatcher: _, ...options }) => fetch(url, options),
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
});
for (const event of ["server_error", "backchannel.error", "grant.error", "authorization.error"]) {
  provider.on(event, (...told) =>
    console.error(event, ...told.map((one) => one?.cause ?? one?.error_description ?? one?.message)),
  );
}
provider.use(async (context, next) => {
  await next();
  if (forge && context.path === "/token" && context.body?.id_token)
    context.body.id_token = forged(context.body.id_token, forge);
});
provider.listen(port, "127.0.0.1", () => console.log("listening"));
for await (const line of lines) {
  const told = JSON.parse(line);
  if ("forge" in told) forge = told.forge;
  else Object.assign(people, told);
  console.log("changed");
}
process.exit(0);
