/** What went wrong when a browser came back from an OpenID provider, in English: its address has the code only. */
export const openid: Readonly<Record<string, string>> = {
  oidc_unavailable:
    "The OpenID provider does not answer as it should. Try again later, or sign in in another way.",
  oidc_state: "This sign-in was begun in another browser, was used already, or took too long. Begin again.",
  oidc_denied: "The OpenID provider did not sign you in, or you refused it there. Begin again.",
  oidc_answer:
    "What the OpenID provider has answered does not prove who you are. Sign in again; if it goes on, tell an administrator: the service's log says more.",
  oidc_unknown_user:
    "The provider knows you, but there is no user for you here. If you have one, sign in in another way and connect this account on the page Account; otherwise ask an administrator.",
  oidc_suspended: "Your user is suspended here; ask an administrator.",
  identity_taken: "This account signs somebody else in here. That user has to disconnect it first.",
  too_many_attempts: "There were too many attempts. Try again in a minute.",
};
