import { useQuery } from "@tanstack/react-query";
import { usersQuery } from "../../api/people";
import { addEnglish, useT } from "../../shared/i18n/messages";
import { people } from "../../shared/i18n/people.en";
import { useTitle } from "../../shared/useTitle";
import { Skeleton } from "../../ui/Skeleton";
import { Failed } from "./Failed";
import { GroupList } from "./GroupList";
import { QuotaTable } from "./QuotaTable";
import { UserTable } from "./UserTable";

addEnglish(people);

/** Users, groups and quotas, for administrators. */
export function PeopleView() {
  const t = useT();
  const { data, error, isPending, refetch } = useQuery(usersQuery);
  useTitle(t("people.title"));
  return (
    <div className="page">
      <header className="page-head">
        <h1>{t("people.title")}</h1>
      </header>
      {isPending && <Skeleton lines={8} label={t("app.loading")} />}
      {error && !data && <Failed error={error} onRetry={() => void refetch()} />}
      {data && (
        <>
          <UserTable users={data.users} />
          <GroupList users={data.users} />
          <QuotaTable users={data.users} />
        </>
      )}
    </div>
  );
}
