import { useNavigate, useRouter } from "@tanstack/react-router";

/** Opens the form for a new workspace over the list, with the list's own filter where it is shown already. */
export function useNewWorkspace(): () => void {
  const navigate = useNavigate();
  const router = useRouter();
  return () =>
    void navigate({
      to: router.state.location.pathname.startsWith("/workspaces") ? "." : "/workspaces",
      search: (before: Record<string, unknown>) => ({ ...before, new: true as const }),
    });
}
