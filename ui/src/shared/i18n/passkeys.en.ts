/** Texts of passkeys: on the page of the account, and to sign in. */
export const passkeys = {
  "passkeys.title": "Passkeys",
  "passkeys.hint":
    "Sign in with the device's screen lock, a phone or a security key, without a name or password. Several are good: one that is lost is removed here.",
  "passkeys.none": "You have no passkeys.",
  "passkeys.name": "Passkey",
  "passkeys.created": "Created",
  "passkeys.elsewhere": "for {host}, not for this address",
  "passkeys.change": "Change",
  "passkeys.rename": "Rename",
  "passkeys.renameOne": "Rename {name}",
  "passkeys.newName": "Name of the passkey",
  "passkeys.nameHint": "How you know it again, such as laptop.",
  "passkeys.renamed": "The passkey is called {name}",
  "passkeys.remove": "Remove",
  "passkeys.removeOne": "Remove {name}",
  "passkeys.removeHint":
    "It signs nobody in any more. Browsers that are signed in stay so until you end them. The device keeps its half: delete it there, too.",
  "passkeys.removed": "{name} is removed",
  "passkeys.add": "Add a passkey",
  "passkeys.added": "{name} is added",
  "passkeys.password": "Password, to confirm",
  "passkeys.passwordOr": "Left empty, one of your passkeys confirms it.",
  "passkeys.waiting": "Follow what the browser asks…",
  "passkeys.insecure":
    "Browsers have passkeys only over https or at http://localhost. Open the service at such an address.",
  "passkeys.numbers":
    "Passkeys are made for a name, and this address has none. Open the service by its name; on its own machine that is localhost.",
  "passkeys.no": "This browser has no passkeys.",
  "passkeys.failed.cancelled":
    "Nothing was done: the browser's question was closed, or had no passkey to offer.",
  "passkeys.failed.timeout": "The time ran out. Try again.",
  "passkeys.failed.taken": "This device has a passkey of yours already.",
  "passkeys.failed.unable": "The browser could not do it with this device at this address.",
  "signin.passkey": "Sign in with a passkey",
} as const;
