import { useQuery } from "@tanstack/react-query";
import { Outlet, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { lazy, Suspense, useCallback, useMemo, useRef } from "react";
import { reasonOf, useCancelCreation, useCreateWorkspace, useVerb } from "../api/mutations";
import { workspacesQuery } from "../api/queries";
import type { Workspace, WorkspaceAction, WorkspaceConfig } from "../api/types";
import { ApiError } from "../api/client";
import { keptStore, useStore } from "../shared/Store";
import { LazyDeleteDialog } from "./LazyDeleteDialog";
import { useDeleteDialog } from "./useDeleteDialog";
import { ListStateContext } from "./listState";
import { WorkspaceListComponent } from "./WorkspaceListComponent";

const WorkspaceCreationModal = lazy(() => import("./WorkspaceCreationModal"));

export interface WorkspaceState {
  workspaces: Workspace[];
  loading: boolean;
  error: string | null;
  selectedWorkspace: Workspace | null;
  showCreateModal: boolean;
}

const isBoolean = (value: unknown): value is boolean => typeof value === "boolean";

/** Whether the list stands beside the chosen workspace; a terminal may want its room. */
export const listHidden = keptStore("nixws.listHidden", false, isBoolean);

const NONE: Workspace[] = [];

function useWorkspaceState(): WorkspaceState {
  const { data, isPending, error } = useQuery(workspacesQuery);
  const { workspaceId } = useParams({ strict: false });
  const search = useSearch({ strict: false });
  const workspaces = data ?? NONE;
  return {
    workspaces,
    loading: isPending,
    error: error ? reasonOf(error) : null,
    selectedWorkspace: workspaces.find((one) => one.id === workspaceId || one.name === workspaceId) ?? null,
    showCreateModal: search.new === true,
  };
}

/** The list beside the chosen workspace. */
export function WorkspacesView() {
  const state = useWorkspaceState();
  const navigate = useNavigate();
  const { mutate: perform } = useVerb();
  const { mutate: cancel } = useCancelCreation();
  const create = useCreateWorkspace();
  const { workspaceId } = useParams({ strict: false });
  const hidden = useStore(listHidden) && workspaceId !== undefined;
  const deleting = useDeleteDialog();
  const { ask } = deleting;

  const select = useCallback(
    (workspace: Workspace) =>
      void navigate({ to: "/workspaces/$workspaceId", params: { workspaceId: workspace.id }, search: true }),
    [navigate],
  );
  const act = useCallback(
    (action: WorkspaceAction, workspace: Workspace) => {
      const params = { workspaceId: workspace.id };
      if (action === "delete") ask([workspace]);
      else if (action === "cancel") cancel(workspace);
      else if (action === "terminal" || action === "files" || action === "logs" || action === "settings") {
        void navigate({ to: `/workspaces/$workspaceId/${action}`, params, search: true });
      } else perform({ verb: action, workspace });
    },
    [navigate, perform, cancel, ask],
  );
  const closeModal = () => {
    create.reset();
    void navigate({ to: ".", search: ({ new: _, ...rest }: Record<string, unknown>) => rest });
  };
  // The key stays until a workspace was made: sending the form again after a lost answer makes no second one.
  const key = useRef("");
  const submit = (config: WorkspaceConfig) => {
    key.current ||= crypto.randomUUID();
    create.mutate(
      { config, key: key.current },
      {
        onSuccess: (made) => {
          key.current = "";
          create.reset();
          void navigate({
            to: "/workspaces/$workspaceId",
            params: { workspaceId: made.id },
            search: ({ new: _, ...rest }: Record<string, unknown>) => rest,
          });
        },
        onError: (failure) => {
          if (!(failure instanceof ApiError) || !failure.isOffline) key.current = "";
        },
      },
    );
  };
  const { loading, error } = state;
  const listState = useMemo(() => ({ loading, error }), [loading, error]);
  return (
    <ListStateContext value={listState}>
      <div className="workspaces-view" data-detail={workspaceId !== undefined} data-list-hidden={hidden}>
        {!hidden && (
          <WorkspaceListComponent
            workspaces={state.workspaces}
            onWorkspaceSelect={select}
            onWorkspaceAction={act}
          />
        )}
        <section className="workspace-detail-pane">
          <Outlet />
        </section>
      </div>
      {state.showCreateModal && (
        <Suspense>
          <WorkspaceCreationModal
            isOpen
            onClose={closeModal}
            onCreateWorkspace={submit}
            isBusy={create.isPending}
            failure={create.error}
          />
        </Suspense>
      )}
      <LazyDeleteDialog workspaces={deleting.asked} onClose={deleting.close} />
    </ListStateContext>
  );
}
