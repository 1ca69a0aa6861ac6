import { en as first } from "../src/shared/i18n/en";
import { more } from "../src/shared/i18n/more.en";
import { people } from "../src/shared/i18n/people.en";
import { home } from "../src/shared/i18n/home.en";
import { joining } from "../src/shared/i18n/joining.en";
import { passkeys } from "../src/shared/i18n/passkeys.en";
import { sharing } from "../src/shared/i18n/sharing.en";

/** All English texts. */
export const en = { ...first, ...more, ...people, ...sharing, ...home, ...joining, ...passkeys };
