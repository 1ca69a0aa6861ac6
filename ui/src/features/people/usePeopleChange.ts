import { type QueryKey, useMutation, useQueryClient } from "@tanstack/react-query";
import { reasonOf } from "../../api/mutations";
import { tell } from "../../shared/toasts";

/** A change that says how it went, and has what it concerns read again; a form says itself what is wrong with it. */
export function usePeopleChange<V, R = void>(
  change: (given: V) => Promise<R>,
  key: QueryKey,
  done?: (given: V) => string,
  isForm = false,
) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSuccess: (_, given) => {
      if (done) tell("success", done(given));
    },
    onError: (failure) => {
      if (!isForm) tell("error", reasonOf(failure));
    },
    onSettled: () => client.invalidateQueries({ queryKey: key }),
  });
}
