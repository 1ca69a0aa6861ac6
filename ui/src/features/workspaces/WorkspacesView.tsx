import { useQuery } from "@tanstack/react-query";
import { Outlet, useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useMemo } from "react";
import { mayCreate, useSession } from "../../api/abilities";
import { reasonOf, useCancelCreation, useCreateWorkspace, useVerb } from "../../api/mutations";
import { workspacesQuery } from "../../api/queries";
import type { Workspace, WorkspaceAction, WorkspaceConfig } from "../../api/types";
import { ApiError } from "../../api/client";
import { clearForm, useFormDraft } from "../../shared/formDraft";
import { lazily } from "../../shared/lazily";
import { randomName } from "../../shared/random";
import { keptStore, useStore } from "../../shared/Store";
import { tell } from "../../shared/toasts";
import { LazyDeleteDialog } from "./LazyDeleteDialog";
import { useDeleteDialog } from "./useDeleteDialog";
import { useOpenId } from "./useOpenId";
import { ListStateContext } from "./list/listState";
import { WorkspaceListComponent } from "./list/WorkspaceListComponent";

const WorkspaceCreationModal = lazily(
  async () => (await import("./creation/WorkspaceCreationModal")).default,
  {
    kind: "dialog",
  },
);
const FirstRun = lazily(async () => (await import("./home/FirstRun")).FirstRun);
const isText = (value: unknown): value is string => typeof value === "string";

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
  const workspaceId = useOpenId();
  const search = useSearch({ strict: false });
  const session = useSession();
  const workspaces = data ?? NONE;
  return {
    workspaces,
    loading: isPending,
    error: error ? reasonOf(error) : null,
    selectedWorkspace: workspaces.find((one) => one.id === workspaceId || one.name === workspaceId) ?? null,
    showCreateModal: search.new === true && mayCreate(session),
  };
}

/** The list beside the chosen workspace. */
export function WorkspacesView() {
  const state = useWorkspaceState();
  const navigate = useNavigate();
  const { mutate: perform } = useVerb();
  const { mutate: cancel } = useCancelCreation();
  const create = useCreateWorkspace();
  const workspaceId = useOpenId();
  const hidden = useStore(listHidden) && workspaceId !== undefined;
  const deleting = useDeleteDialog();
  const { ask } = deleting;

  const select = useCallback(
    (workspace: Pick<Workspace, "id">) =>
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
  // The key stays until a workspace was made, also over a reload: sending the form again after a lost answer makes no second one.
  const [kept, setKept] = useFormDraft("create-key", isText);
  const submit = (config: WorkspaceConfig) => {
    const key = kept ?? randomName();
    setKept(key);
    send(config, key);
  };
  const quick = useCreateWorkspace();
  const createAtOnce = (config: WorkspaceConfig) =>
    quick.mutate(
      { config, key: randomName() },
      {
        onSuccess: select,
        onError: (failure) => tell("error", reasonOf(failure)),
      },
    );
  const send = (config: WorkspaceConfig, key: string) =>
    create.mutate(
      { config, key },
      {
        onSuccess: (made) => {
          setKept(null);
          clearForm("create");
          create.reset();
          void navigate({
            to: "/workspaces/$workspaceId",
            params: { workspaceId: made.id },
            search: ({ new: _, ...rest }: Record<string, unknown>) => rest,
          });
        },
        onError: (failure) => {
          if (!(failure instanceof ApiError) || !failure.isOffline) setKept(null);
        },
      },
    );
  const { loading, error } = state;
  const listState = useMemo(() => ({ loading, error }), [loading, error]);
  const isFirst = !loading && !error && state.workspaces.length === 0 && workspaceId === undefined;
  return (
    <ListStateContext value={listState}>
      <div className="workspaces-view" data-detail={workspaceId !== undefined} data-list-hidden={hidden}>
        {isFirst && (
          <FirstRun busy={quick.isPending ? quick.variables.config.template : null} onCreate={createAtOnce} />
        )}
        {!hidden && !isFirst && (
          <WorkspaceListComponent
            workspaces={state.workspaces}
            onWorkspaceSelect={select}
            onWorkspaceAction={act}
          />
        )}
        {workspaceId === undefined ? (
          <Outlet />
        ) : (
          <section className="workspace-detail-pane">
            <Outlet />
          </section>
        )}
      </div>
      {state.showCreateModal && (
        <WorkspaceCreationModal
          isOpen
          onClose={closeModal}
          onCreateWorkspace={submit}
          isBusy={create.isPending}
          failure={create.error}
        />
      )}
      <LazyDeleteDialog workspaces={deleting.asked} onClose={deleting.close} />
    </ListStateContext>
  );
}
