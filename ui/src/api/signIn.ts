import { queryOptions } from "@tanstack/react-query";
import { request } from "./client";
import type { components } from "./schema";

/** The ways to sign in, for everybody. Apart from what is asked of people: the page to sign in needs no more. */
export const signInMethodsQuery = queryOptions({
  queryKey: ["sign-in-methods"],
  queryFn: ({ signal }) =>
    request<components["schemas"]["SignInMethods"]>("GET", "/api/nixos/sign-in-methods", { signal }),
  staleTime: Infinity,
});
