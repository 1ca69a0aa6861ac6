import type { Translate } from "../shared/i18n/messages";
import { reasonOf } from "./mutations";
import { PasskeyError } from "./passkeys";

/** Why a passkey was not made or did not do: the browser's reason, or the service's. */
export const passkeyProblem = (t: Translate, failure: Error): string =>
  failure instanceof PasskeyError ? t(`passkeys.failed.${failure.kind}`) : reasonOf(failure);
