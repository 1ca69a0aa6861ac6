// Makes of a good ID token one that is not to be taken, with the provider's own key or without.
import { createHmac, createPublicKey, generateKeyPairSync, sign } from "node:crypto";

export const key = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
const other = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
const KID = "of-these-tests";

export const jwks = { keys: [{ ...key.export({ format: "jwk" }), kid: KID, use: "sig", alg: "RS256" }] };

const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

function signed(claims, { by = key, header = {} } = {}) {
  const text = `${part({ alg: "RS256", kid: KID, ...header })}.${part(claims)}`;
  return `${text}.${sign("sha256", Buffer.from(text), by).toString("base64url")}`;
}

function bySecret(claims, secret) {
  const text = `${part({ alg: "HS256", kid: KID })}.${part(claims)}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

const now = () => Math.floor(Date.now() / 1000);

const FORGERIES = {
  "alg none": (claims) => `${part({ alg: "none", kid: KID })}.${part(claims)}.`,
  "public key as secret": (claims) =>
    bySecret(claims, createPublicKey(key).export({ type: "spki", format: "pem" })),
  "wrong audience": (claims) => signed({ ...claims, aud: "another" }),
  "wrong issuer": (claims) => signed({ ...claims, iss: "https://evil.example" }),
  "wrong nonce": (claims) => signed({ ...claims, nonce: "x".repeat(43) }),
  "wrong key id": (claims) => signed(claims, { header: { kid: "another" } }),
  "wrong key": (claims) => signed(claims, { by: other }),
  expired: (claims) => signed({ ...claims, iat: now() - 400, exp: now() - 61 }),
  "of the future": (claims) => signed({ ...claims, iat: now() + 120, exp: now() + 300 }),
  // A clock that is half a minute behind.
  "clock skew": (claims) => signed({ ...claims, iat: now() - 300, exp: now() - 30 }),
};

/** The token that a provider which was broken into would give instead of `token`. */
export function forged(token, how) {
  return FORGERIES[how](JSON.parse(Buffer.from(token.split(".")[1], "base64url")));
}
