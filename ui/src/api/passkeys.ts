import { queryOptions } from "@tanstack/react-query";
import { request } from "./client";
import { ask } from "./people";
import type { components } from "./schema";

type Schemas = components["schemas"];
export type Passkey = Schemas["PasskeyAnswer"];
export type Assertion = Schemas["AssertionRequest"];
export type Proof = Schemas["ProofRequest"];
type Attestation = Schemas["AttestationRequest"];

/** Why the browser made or used no passkey. */
export type PasskeyFailure = "cancelled" | "timeout" | "taken" | "unable";

export class PasskeyError extends Error {
  constructor(readonly kind: PasskeyFailure) {
    super(kind);
  }
}

/** Whether passkeys work on this page: browsers want TLS or localhost, and a name instead of an address in numbers. */
export function passkeysHere(): "yes" | "insecure" | "numbers" | "no" {
  if (!window.isSecureContext) return "insecure";
  if (typeof PublicKeyCredential === "undefined") return "no";
  return /^\[|^[\d.]+$/.test(location.hostname) ? "numbers" : "yes";
}

export const passkeysQuery = queryOptions({
  queryKey: ["me", "passkeys"],
  queryFn: ({ signal }) => request<Schemas["PasskeyList"]>("GET", "/api/nixos/me/passkeys", { signal }),
});

/** What the browser asks its authenticators with; null where nobody has a passkey for this address. */
export const beginPasskeySignIn = async (): Promise<Options | null> =>
  (await request<{ options: Options | null }>("POST", "/api/nixos/passkey-login/challenge")).options;

export const signInWithPasskey = (answer: Assertion): Promise<unknown> =>
  request("POST", "/api/nixos/passkey-login", { body: { ...answer } });

/** What confirms a change of the account: the password where one is given, else a passkey where there are any. */
export async function proofOf(current: string, passkeys: readonly Passkey[]): Promise<Proof> {
  if (current || !passkeys.some(({ is_for_this }) => is_for_this)) return { current, passkey: null };
  const { options } = await ask<{ options: Options }>("POST", ["me", "passkeys", "confirmation"]);
  return { current: "", passkey: await showPasskey(options) };
}

/** Makes a passkey in the browser and registers it. */
export async function addPasskey(name: string, proof: Proof): Promise<void> {
  const { options } = await ask<{ options: Options }>("POST", ["me", "passkeys", "options"], { ...proof });
  await ask("POST", ["me", "passkeys"], { name, made: await makePasskey(options) });
}

interface Credential {
  type: "public-key";
  id: string;
}

/** The options of a ceremony as the service has them: bytes in base64url. */
export interface Options {
  challenge: string;
  timeout: number;
  rpId?: string;
  user?: { id: string; name: string; displayName: string };
  excludeCredentials?: Credential[];
  allowCredentials?: Credential[];
}

const bytes = (text: string) =>
  Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const text = (content: ArrayBuffer) =>
  btoa(String.fromCharCode(...new Uint8Array(content)))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .replace(/=+$/, "");
const known = (credentials: Credential[] = []) => credentials.map((one) => ({ ...one, id: bytes(one.id) }));

/** Runs a ceremony; browsers do not tell a person who says no from one who does nothing, but the time does. */
async function ceremony<C>(timeout: number, run: () => Promise<unknown>): Promise<C> {
  const begun = Date.now();
  try {
    return (await run()) as C;
  } catch (failure) {
    const name = failure instanceof DOMException ? failure.name : "";
    if (name === "AbortError") throw failure;
    if (name === "InvalidStateError") throw new PasskeyError("taken");
    if (name !== "NotAllowedError") throw new PasskeyError("unable");
    throw new PasskeyError(Date.now() - begun >= timeout ? "timeout" : "cancelled");
  }
}

async function makePasskey(options: Options): Promise<Attestation> {
  const { user } = options;
  if (!user) throw new PasskeyError("unable");
  const publicKey = {
    ...options,
    challenge: bytes(options.challenge),
    user: { ...user, id: bytes(user.id) },
    excludeCredentials: known(options.excludeCredentials),
  } as unknown as PublicKeyCredentialCreationOptions;
  const made = await ceremony<PublicKeyCredential>(options.timeout, () =>
    navigator.credentials.create({ publicKey }),
  );
  const answer = made.response as AuthenticatorAttestationResponse;
  return {
    credential_id: made.id,
    client_data: text(answer.clientDataJSON),
    attestation_object: text(answer.attestationObject),
  };
}

/** Has an authenticator sign; with `mediation` "conditional" where the browser offers passkeys in a field. */
export async function showPasskey(
  options: Options,
  more: Omit<CredentialRequestOptions, "publicKey"> = {},
): Promise<Assertion> {
  const publicKey = {
    ...options,
    challenge: bytes(options.challenge),
    allowCredentials: known(options.allowCredentials),
  } as PublicKeyCredentialRequestOptions;
  const shown = await ceremony<PublicKeyCredential>(options.timeout, () =>
    navigator.credentials.get({ publicKey, ...more }),
  );
  const answer = shown.response as AuthenticatorAssertionResponse;
  return {
    credential_id: shown.id,
    client_data: text(answer.clientDataJSON),
    authenticator_data: text(answer.authenticatorData),
    signature: text(answer.signature),
    user_handle: answer.userHandle ? text(answer.userHandle) : "_",
  };
}
