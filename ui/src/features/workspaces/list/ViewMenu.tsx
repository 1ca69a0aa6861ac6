import { useNavigate, useSearch } from "@tanstack/react-router";
import { Check, Columns3 } from "lucide-react";
import { DropdownMenu } from "radix-ui";
import { useT } from "../../../shared/i18n/messages";
import { useStore } from "../../../shared/Store";
import { MenuPortal } from "../../../ui/MenuPortal";
import { LAYOUTS, type Layout } from "./filter/address";
import { SORTS, sortingOf, type SortKey, sortText } from "./filter/sorting";
import { layoutStore } from "./layout";
import { chosenColumns, COLUMNS, DENSITIES, type Density, densityStore } from "./table/columns";

const isKept = (event: Event) => event.preventDefault();

const radio = (value: string, text: string) => (
  <DropdownMenu.RadioItem key={value} value={value} className="menu-item" onSelect={isKept}>
    <span className="menu-check">
      <DropdownMenu.ItemIndicator>
        <Check aria-hidden size={14} />
      </DropdownMenu.ItemIndicator>
    </span>
    {text}
  </DropdownMenu.RadioItem>
);

/** How the list is laid out, in which order and with which columns. */
export default function ViewMenu() {
  const t = useT();
  const navigate = useNavigate();
  const search = useSearch({ strict: false });
  const stored = useStore(layoutStore);
  const density = useStore(densityStore);
  const columns = useStore(chosenColumns);
  const layout = search.view ?? stored;
  const put = (name: "sort" | "view", value: string) =>
    void navigate({
      to: ".",
      replace: true,
      search: ({ [name]: _, ...rest }: Record<string, unknown>) =>
        value ? { ...rest, [name]: value } : rest,
    });
  const lay = (next: Layout) => {
    layoutStore.set(next);
    put("view", "");
  };
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger className="icon-button" aria-label={t("list.view")} data-tooltip={t("list.view")}>
        <Columns3 aria-hidden size={18} />
      </DropdownMenu.Trigger>
      <MenuPortal>
        <DropdownMenu.Content
          className="menu view-menu"
          align="end"
          sideOffset={4}
          tabIndex={0} // it scrolls in a low window
        >
          <DropdownMenu.Label className="menu-label">{t("list.layout")}</DropdownMenu.Label>
          <DropdownMenu.RadioGroup value={layout} onValueChange={(value) => lay(value as Layout)}>
            {LAYOUTS.map((one) => radio(one, t(`list.layout.${one}`)))}
          </DropdownMenu.RadioGroup>
          {layout === "table" && (
            <>
              <DropdownMenu.Separator className="menu-separator" />
              <DropdownMenu.Label className="menu-label">{t("list.density")}</DropdownMenu.Label>
              <DropdownMenu.RadioGroup
                value={density}
                onValueChange={(value) => densityStore.set(value as Density)}
              >
                {DENSITIES.map((one) => radio(one, t(`list.density.${one}`)))}
              </DropdownMenu.RadioGroup>
              <DropdownMenu.Separator className="menu-separator" />
              <DropdownMenu.Label className="menu-label">{t("list.columns")}</DropdownMenu.Label>
              {COLUMNS.map((column) => (
                <DropdownMenu.CheckboxItem
                  key={column}
                  className="menu-item"
                  checked={columns.includes(column)}
                  onSelect={isKept}
                  onCheckedChange={(isChosen) =>
                    chosenColumns.set((all) =>
                      COLUMNS.filter((one) => (one === column ? isChosen : all.includes(one))),
                    )
                  }
                >
                  <span className="menu-check">
                    <DropdownMenu.ItemIndicator>
                      <Check aria-hidden size={14} />
                    </DropdownMenu.ItemIndicator>
                  </span>
                  {t(`list.column.${column}`)}
                </DropdownMenu.CheckboxItem>
              ))}
            </>
          )}
          <DropdownMenu.Separator className="menu-separator" />
          <DropdownMenu.Label className="menu-label">{t("list.sort")}</DropdownMenu.Label>
          <DropdownMenu.RadioGroup
            value={sortingOf(search.sort).key}
            onValueChange={(value) => put("sort", sortText({ key: value as SortKey, isReversed: false }))}
          >
            {SORTS.map((one) => radio(one, t(`list.sort.${one}`)))}
          </DropdownMenu.RadioGroup>
        </DropdownMenu.Content>
      </MenuPortal>
    </DropdownMenu.Root>
  );
}
