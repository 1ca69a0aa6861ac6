import { en as first } from "../src/shared/i18n/en";
import { more } from "../src/shared/i18n/more.en";
import { people } from "../src/shared/i18n/people.en";
import { health } from "../src/shared/i18n/health.en";
import { files } from "../src/shared/i18n/files.en";
import { home } from "../src/shared/i18n/home.en";
import { joining } from "../src/shared/i18n/joining.en";
import { idle } from "../src/shared/i18n/idle.en";
import { passkeys } from "../src/shared/i18n/passkeys.en";
import { scaling } from "../src/shared/i18n/scaling.en";
import { sharing } from "../src/shared/i18n/sharing.en";
import { usage } from "../src/shared/i18n/usage.en";

/** All English texts. */
export const en = {
  ...first,
  ...more,
  ...people,
  ...sharing,
  ...health,
  ...files,
  ...home,
  ...joining,
  ...idle,
  ...passkeys,
  ...scaling,
  ...usage,
};
