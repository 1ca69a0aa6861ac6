import { useMutation } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { ApiError } from "../api/client";
import { passkeyProblem } from "../api/passkeyProblem";
import {
  type Assertion,
  beginPasskeySignIn,
  type Options,
  PasskeyError,
  passkeysHere,
  showPasskey,
  signInWithPasskey,
} from "../api/passkeys";
import { addEnglish, useT } from "../shared/i18n/messages";
import { passkeys } from "../shared/i18n/passkeys.en";

addEnglish(passkeys);

/** A challenge that lies unused is replaced before its time is over. */
const RENEW_MS = 240_000;

/** Tells the browser that a passkey is no use here, where it can be told: it offers it no more. */
function forget(answer: Assertion, rpId: string | undefined): void {
  const able = PublicKeyCredential as unknown as {
    signalUnknownCredential?: (unknown: { rpId: string; credentialId: string }) => Promise<void>;
  };
  if (rpId) void able.signalUnknownCredential?.({ rpId, credentialId: answer.credential_id }).catch(() => {});
}

interface PasskeySignInProps {
  onSignedIn: () => Promise<void>;
}

/** Signing in without a name: by a button, and in the field for the name where the browser offers it there. */
export function PasskeySignIn({ onSignedIn }: PasskeySignInProps) {
  const t = useT();
  const [isOffered, setIsOffered] = useState(false);
  const [round, setRound] = useState(0);
  const inField = useRef<AbortController>(undefined);
  const attempt = useMutation({
    mutationFn: async (shown?: { answer: Assertion; options: Options }) => {
      inField.current?.abort();
      const options = shown?.options ?? (await beginPasskeySignIn());
      if (!options) throw new PasskeyError("unable");
      const answer = shown?.answer ?? (await showPasskey(options));
      await signInWithPasskey(answer).catch((failure: unknown) => {
        if (failure instanceof ApiError && failure.code === "passkey_unknown") forget(answer, options.rpId);
        throw failure;
      });
    },
    gcTime: 0,
    onSuccess: onSignedIn,
    onError: () => setRound((before) => before + 1),
  });
  const { mutate } = attempt;
  useEffect(() => {
    if (passkeysHere() !== "yes") return undefined;
    const field = new AbortController();
    inField.current = field;
    const offer = async () => {
      const options = await beginPasskeySignIn();
      if (!options || field.signal.aborted) return;
      setIsOffered(true);
      if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
      const { signal } = field;
      if (signal.aborted) return;
      const answer = await showPasskey(options, { mediation: "conditional", signal });
      mutate({ answer, options });
    };
    // Where nothing comes of it, the other ways in are there.
    offer().catch(() => {});
    const timer = setTimeout(() => setRound((before) => before + 1), RENEW_MS);
    return () => {
      clearTimeout(timer);
      field.abort();
    };
  }, [round, mutate]);
  if (!isOffered) return null;
  return (
    <>
      <button type="button" className="button" disabled={attempt.isPending} onClick={() => mutate(undefined)}>
        {t(attempt.isPending ? "passkeys.waiting" : "signin.passkey")}
      </button>
      <p className="field-problem" aria-live="polite">
        {attempt.error && passkeyProblem(t, attempt.error)}
      </p>
    </>
  );
}
