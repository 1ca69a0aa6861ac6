"""The files of a real workspace in a real browser."""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from system.browser import Tab, choose, drop, tab
from system.service import JSON, Service
from waiting import until

pytestmark = pytest.mark.system

HOSTILE = '<img src=x onerror="document.title=1">.txt'


@pytest.fixture(scope="module")
def workspace(service: Service) -> Iterator[JSON]:
    made = service.create("files-in-the-ui")
    yield made
    service.delete(made["id"])


@pytest.fixture
def ui(browser: Browser, service: Service, workspace: JSON) -> Iterator[Tab]:
    with tab(browser, service.url) as opened:
        opened.sign_in(service.token)
        opened.open(f"/workspaces/{workspace['id']}/files")
        opened.page.locator(".files-panel").wait_for()
        yield opened


def drop_text(page: Page, directory: Path, name: str, text: str) -> None:
    """Drop one file of this name and content."""
    (directory / name).write_text(text)
    drop(page, directory / name)


def drop_new(page: Page, directory: Path, name: str, text: str) -> None:
    """Drop one file whose name is not taken, and wait until it is there."""
    drop_text(page, directory, name, text)
    expect(page.get_by_role("link", name=name)).to_be_visible()


def menu_of(page: Page, name: str, item: str) -> None:
    page.get_by_role("button", name=f"More actions for {name}").click()
    page.get_by_role("menuitem", name=item).click()


def test_dropped_edited_downloaded_renamed_and_deleted(
    ui: Tab, service: Service, workspace: JSON, tmp_path: Path
) -> None:
    page = ui.page
    drop_new(page, tmp_path, "hello.nix", "{ }\n")
    page.get_by_role("link", name="hello.nix").click()
    editor = page.get_by_role("textbox", name="Contents of hello.nix")
    editor.click()
    page.keyboard.press("Control+End")
    page.keyboard.type("# more")
    page.keyboard.press("Control+s")
    expect(page.get_by_text("hello.nix is saved.")).to_be_visible()
    assert service.ssh(workspace, "cat hello.nix") == "{ }\n# more"
    page.go_back()
    menu_of(page, "hello.nix", "Rename")
    page.get_by_role("dialog").get_by_label("Name").fill("other.nix")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("link", name="other.nix")).to_be_visible()
    menu_of(page, "other.nix", "Permissions")
    page.get_by_role("dialog").get_by_label("Mode").fill("worldwritable")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog").locator(".field-problem")).not_to_be_empty()
    page.get_by_role("dialog").get_by_label("Mode").fill("600")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("row").filter(has_text="other.nix").get_by_text("0600")).to_be_visible()
    menu_of(page, "other.nix", "Delete")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("link", name="other.nix")).to_have_count(0)


def test_a_name_that_cannot_be_is_refused_in_its_dialog(
    ui: Tab, service: Service, workspace: JSON, tmp_path: Path
) -> None:
    page = ui.page
    drop_new(page, tmp_path, "taken.txt", "kept")
    page.get_by_role("button", name="New folder").click()
    dialog = page.get_by_role("dialog")
    save, name = dialog.get_by_role("button", name="Save"), dialog.get_by_label("Name")
    expect(save).to_be_disabled()
    for wrong in ("taken.txt", "n" * 300):
        name.fill(wrong)
        save.click()
        expect(dialog.locator(".field-problem")).not_to_be_empty()
        expect(save).to_be_enabled()
    name.fill("made here")
    save.click()
    expect(page.locator(".files-main").get_by_role("link", name="made here", exact=True)).to_be_visible()
    menu_of(page, "taken.txt", "Rename")
    name.fill("made here")
    save.click()
    expect(dialog.locator(".field-problem")).not_to_be_empty()
    dialog.get_by_role("button", name="Cancel").click()
    assert service.ssh(workspace, "cat taken.txt; rm taken.txt; rmdir 'made here'") == "kept"


def plant(tree: Path) -> None:
    """Make a tree that is deep and wide, with an empty folder and names that an address has to quote."""
    for folder in ("deep/deeper/deepest", "wide", "empty/inner", "ü & #1"):
        (tree / folder).mkdir(parents=True)
    for path in ("one.txt", "deep/two.txt", "deep/deeper/deepest/three.txt", "ü & #1/50% näme?.txt"):
        (tree / path).write_text(path)
    for number in range(130):  # a browser tells a hundred entries at a time
        (tree / "wide" / f"{number}.txt").write_text(str(number))
    (tree / "deep/nothing").touch()
    (tree / "deep/random.bin").write_bytes(os.urandom(3 << 20))


def listing(files: Iterable[tuple[str, bytes]]) -> str:
    return "\n".join(sorted(f"{hashlib.sha256(content).hexdigest()}  {name}" for name, content in files))


def test_dropped_folders_go_up_whole(ui: Tab, service: Service, workspace: JSON, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    plant(tree)
    (tmp_path / "beside.txt").write_text("beside")
    files = [path for path in tree.rglob("*") if path.is_file()]
    drop(ui.page, tree, tmp_path / "beside.txt")
    expect(ui.page.locator(".upload[data-state=done]")).to_have_count(len(files) + 1, timeout=90_000)
    expect(ui.page.locator(".files-main").get_by_role("link", name="tree", exact=True)).to_be_visible()
    expect(ui.page.get_by_role("link", name="beside.txt")).to_be_visible()
    there = service.ssh(workspace, "find tree beside.txt -type f -print0 | sort -z | xargs -0 sha256sum")
    sent = [*files, tmp_path / "beside.txt"]
    expected = listing((str(path.relative_to(tmp_path)), path.read_bytes()) for path in sent)
    assert "\n".join(sorted(there.splitlines())) == expected
    folders = sorted(str(path.relative_to(tmp_path)) for path in [tree, *tree.rglob("*")] if path.is_dir())
    assert sorted(service.ssh(workspace, "find tree -type d").splitlines()) == folders
    service.ssh(workspace, "rm -r tree beside.txt")


def test_a_chosen_folder_goes_up_whole(ui: Tab, service: Service, workspace: JSON, tmp_path: Path) -> None:
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "tree" / "one.txt").write_text("one")
    (tmp_path / "tree" / "deep" / "two.txt").write_text("two")
    page = ui.page
    page.locator("input[type=file]").last.set_input_files(tmp_path / "tree")
    expect(page.locator(".files-main").get_by_role("link", name="tree", exact=True)).to_be_visible()
    expect(page.locator(".upload[data-state=done]")).to_have_count(2)
    assert service.ssh(workspace, "cat tree/one.txt tree/deep/two.txt; rm -r tree") == "onetwo"


def test_the_same_bytes_come_back(ui: Tab, tmp_path: Path) -> None:
    """Beyond the size of one request, so that it goes up in pieces."""
    content = os.urandom(9 << 20)
    (tmp_path / "big.bin").write_bytes(content)
    page = ui.page
    page.locator("input[type=file]").first.set_input_files(tmp_path / "big.bin")
    expect(page.get_by_role("link", name="big.bin")).to_be_visible(timeout=60_000)
    with page.expect_download() as download:
        menu_of(page, "big.bin", "Download")
    back = Path(download.value.path()).read_bytes()
    assert hashlib.sha256(back).digest() == hashlib.sha256(content).digest()


def test_what_is_there_is_not_overwritten_unasked(ui: Tab, service: Service, workspace: JSON, tmp_path: Path) -> None:
    page = ui.page
    drop_new(page, tmp_path, "twice.txt", "first")
    drop_text(page, tmp_path, "twice.txt", "second")
    expect(page.get_by_text("twice.txt exists here already.")).to_be_visible()
    expect(page.get_by_role("dialog")).to_contain_text(re.compile(r"Yours has 6 .*The one here has 5 "))
    page.get_by_role("button", name="Keep both").click()
    expect(page.get_by_role("link", name="twice (2).txt")).to_be_visible()
    assert service.ssh(workspace, "cat twice.txt; cat 'twice (2).txt'") == "firstsecond"
    drop_text(page, tmp_path, "twice.txt", "third")
    page.get_by_role("button", name="Replace").click()
    expect(page.locator(".upload").filter(has_text="done")).not_to_have_count(0)
    assert service.ssh(workspace, "cat twice.txt") == "third"


def test_a_change_on_disk_is_noticed_before_it_is_overwritten(
    ui: Tab, service: Service, workspace: JSON, tmp_path: Path
) -> None:
    page = ui.page
    drop_new(page, tmp_path, "shared.txt", "mine\n")
    page.get_by_role("link", name="shared.txt").click()
    page.get_by_role("textbox", name="Contents of shared.txt").click()
    page.keyboard.press("Control+Home")
    page.keyboard.type("typed ")
    service.ssh(workspace, "echo theirs > shared.txt")
    expect(page.get_by_text("shared.txt has changed on disk.")).to_be_visible()
    page.get_by_role("button", name="Keep this one").click()
    page.locator(".cm-content").click()
    page.keyboard.press("Control+s")
    expect(page.get_by_text("changed on disk since it was opened")).to_be_visible()
    assert service.ssh(workspace, "cat shared.txt") == "theirs"
    page.get_by_role("button", name="Overwrite").click()
    expect(page.get_by_text("shared.txt is saved.")).to_be_visible()
    assert service.ssh(workspace, "cat shared.txt") == "typed mine"
    service.ssh(workspace, "echo again > shared.txt")
    page.get_by_role("button", name="Reload").click()
    expect(page.get_by_role("textbox", name="Contents of shared.txt")).to_contain_text("again")


def test_hostile_names_and_contents_are_only_text(ui: Tab, service: Service, workspace: JSON, tmp_path: Path) -> None:
    page = ui.page
    drop_text(page, tmp_path, HOSTILE, "<script>document.title = 'run'</script>")
    link = page.get_by_role("link", name=HOSTILE)
    expect(link).to_be_visible()
    service.ssh(workspace, r"touch $'not-utf8-\xff.txt'; mkdir 'a&b;c #d'; echo x > 'a&b;c #d/inside.txt'")
    page.reload()
    expect(page.get_by_role("link", name="not-utf8-�.txt")).to_be_visible()
    page.locator(".files-main").get_by_role("link", name="a&b;c #d", exact=True).click()
    expect(page.get_by_role("link", name="inside.txt")).to_be_visible()
    page.go_back()
    link.click()
    expect(page.get_by_role("textbox", name=f"Contents of {HOSTILE}")).to_contain_text("<script>")
    assert page.title() not in {"1", "run"}


FILES = {
    "Makefile": "all: x\n\n.PHONY: all\n",
    "dos.txt": "one\r\ntwo\r\n",
    "mixed.txt": "one\r\ntwo\nthree\r\nfour",
    "marked.txt": "\ufeffone\r\ntwo",
}
SHOWN = {
    "Makefile": "LF",
    "dos.txt": "CRLF",
    "mixed.txt": "CRLF, … · no newline at the end",
    "marked.txt": "CRLF · BOM · no newline at the end",
}


@pytest.mark.parametrize("name", FILES)
def test_the_editor_writes_what_it_does_not_show_as_it_was(
    ui: Tab, service: Service, workspace: JSON, tmp_path: Path, name: str
) -> None:
    page = ui.page
    (tmp_path / name).write_bytes(FILES[name].encode())
    drop(page, tmp_path / name)
    page.get_by_role("link", name=name).click()
    page.get_by_role("textbox", name=f"Contents of {name}").click()
    expect(page.locator(".editor-form")).to_have_text(SHOWN[name])
    page.keyboard.press("Control+Home")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("new")
    page.keyboard.press("Control+s")
    expect(page.get_by_text(f"{name} is saved.")).to_be_visible()
    indent = "\t" if name == "Makefile" else "  "
    first, end, rest = re.split(r"(\r?\n)", FILES[name], maxsplit=1)
    written = bytes.fromhex(service.ssh(workspace, f"od -An -v -tx1 {name}; rm {name}"))
    assert written.decode() == f"{first}{end}{indent}new{end}{rest}"


def test_saving_keeps_hard_links_and_mode(ui: Tab, service: Service, workspace: JSON) -> None:
    page = ui.page
    service.ssh(workspace, "echo old > linked.txt; chmod 640 linked.txt; ln linked.txt other-name.txt")
    page.reload()
    page.get_by_role("link", name="linked.txt").click()
    page.get_by_role("textbox", name="Contents of linked.txt").click()
    page.keyboard.press("Control+a")
    page.keyboard.type("new")
    page.keyboard.press("Control+s")
    expect(page.get_by_text("linked.txt is saved.")).to_be_visible()
    assert service.ssh(workspace, "cat other-name.txt; stat -c ' %h %a' other-name.txt") == "new 2 640"
    service.ssh(workspace, "rm linked.txt other-name.txt")


def test_the_editor_takes_the_theme_that_is_chosen(ui: Tab, tmp_path: Path) -> None:
    page = ui.page
    drop_new(page, tmp_path, "theme.nix", "# comment\n{ }\n")
    page.get_by_role("link", name="theme.nix").click()
    comment = page.locator(".cm-line span").first
    before = comment.evaluate("element => getComputedStyle(element).color")
    choose(page, "Menu", page.get_by_role("menuitemradio", name="Dark"))
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert comment.evaluate("element => getComputedStyle(element).color") != before


def shell(service: Service, workspace: JSON, command: str, page: Page) -> None:
    """Change the home directory behind the page's back, and look at it anew."""
    service.ssh(workspace, command)
    page.reload()
    page.locator(".files-panel").wait_for()


def row(page: Page, name: str) -> Locator:
    return page.locator(".files-table tbody tr").filter(has=page.get_by_label(f"Select {name}", exact=True))


def names(page: Page) -> list[str]:
    found: list[str] = page.locator(".files-table tbody .file-name a").evaluate_all(
        "links => links.map(link => link.getAttribute('aria-label'))"
    )
    return found


@pytest.fixture
def folder(ui: Tab, service: Service, workspace: JSON) -> Iterator[str]:
    """A directory of its own, shown."""
    service.ssh(workspace, "rm -rf box; mkdir box")
    ui.open(f"/workspaces/{workspace['id']}/files?path=%2Fhome%2Fnixos%2Fbox")
    ui.page.locator(".files-panel").wait_for()
    yield "box"
    service.ssh(workspace, "rm -rf box")


def test_a_new_file_is_made_and_opened(ui: Tab, service: Service, workspace: JSON, folder: str) -> None:
    page = ui.page
    page.get_by_role("button", name="New file").click()
    page.get_by_role("dialog").get_by_label("Name").fill("fresh one.nix")
    page.get_by_role("button", name="Save").click()
    editor = page.get_by_role("textbox", name="Contents of fresh one.nix")
    editor.click()
    page.keyboard.type("{ }")
    page.keyboard.press("Control+s")
    expect(page.get_by_text("fresh one.nix is saved.")).to_be_visible()
    assert service.ssh(workspace, f"cat '{folder}/fresh one.nix'") == "{ }"
    page.go_back()
    page.get_by_role("button", name="New file").click()
    page.get_by_role("dialog").get_by_label("Name").fill("fresh one.nix")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog").locator(".field-problem")).not_to_be_empty()
    assert service.ssh(workspace, f"cat '{folder}/fresh one.nix'") == "{ }"


def test_the_order_stands_in_the_address(ui: Tab, service: Service, workspace: JSON, folder: str) -> None:
    page = ui.page
    shell(
        service,
        workspace,
        f"cd {folder}; mkdir z; printf 12345 > b; printf 1 > a10; printf 12 > a9; touch -d '2 days ago' b",
        page,
    )
    expect(page.locator("time", has_text="2 days ago")).to_be_visible()
    assert names(page) == ["z", "a9", "a10", "b"]
    page.get_by_role("button", name="Size").click()
    expect(page.get_by_role("columnheader", name="Size")).to_have_attribute("aria-sort", "descending")
    assert names(page) == ["z", "b", "a9", "a10"]
    page.reload()
    expect(page.get_by_role("columnheader", name="Size")).to_have_attribute("aria-sort", "descending")
    assert names(page) == ["z", "b", "a9", "a10"]
    page.get_by_role("button", name="Modified").click()
    page.get_by_role("button", name="Modified").click()
    expect(page).to_have_url(re.compile("order=modified"))
    assert names(page)[:2] == ["z", "b"]


def test_many_are_moved_zipped_and_deleted(ui: Tab, service: Service, workspace: JSON, folder: str) -> None:
    page = ui.page
    shell(
        service,
        workspace,
        f"cd {folder}; mkdir deep; for n in 1 2 3 4 5; do echo $n > f$n; done; echo d > deep/in",
        page,
    )
    row(page, "f1").get_by_role("checkbox").check()
    row(page, "f3").get_by_role("checkbox").click(modifiers=["Shift"])
    expect(page.get_by_text("3 selected")).to_be_visible()
    page.get_by_role("button", name="Move").click()
    page.get_by_role("dialog").get_by_label("Into the directory").fill("nowhere")
    page.get_by_role("dialog").get_by_role("button", name="Move").click()
    expect(page.get_by_role("dialog").locator(".field-problem")).not_to_be_empty()
    page.get_by_role("dialog").get_by_label("Into the directory").fill("deep")
    page.get_by_role("dialog").get_by_role("button", name="Move").click()
    expect(row(page, "f1")).to_have_count(0)
    assert service.ssh(workspace, f"cd {folder}; ls; ls deep").split() == ["deep", "f4", "f5", "f1", "f2", "f3", "in"]
    row(page, "f5").get_by_role("checkbox").check()
    row(page, "deep").get_by_role("checkbox").check()
    with page.expect_download() as download:
        page.get_by_role("toolbar").get_by_role("button", name="Download as zip").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert sorted(archive.namelist()) == [
            "box/",
            *(f"box/{one}" for one in ("deep/", "deep/f1", "deep/f2", "deep/f3", "deep/in", "f5")),
        ]
    with page.expect_download() as download:
        page.get_by_role("button", name="Download this directory as zip").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert "box/f4" in archive.namelist()
    page.get_by_role("toolbar").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("dialog")).to_contain_text("Delete 2 entries?")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(row(page, "deep")).to_have_count(0)
    assert service.ssh(workspace, f"ls {folder}") == "f4"


def test_files_are_chosen_and_deleted_by_keyboard(ui: Tab, service: Service, workspace: JSON, folder: str) -> None:
    page = ui.page
    shell(service, workspace, f"cd {folder}; touch a b c d; mkdir z", page)
    row(page, "z").focus()
    keys = page.keyboard
    keys.press("ArrowDown")
    expect(row(page, "a")).to_be_focused()
    keys.press("Shift+ArrowDown")
    expect(row(page, "b")).to_be_focused()
    expect(page.get_by_text("2 selected")).to_be_visible()
    keys.press("Delete")
    page.get_by_role("dialog").get_by_role("button", name="Delete").press("Enter")
    expect(row(page, "a")).to_have_count(0)
    assert service.ssh(workspace, f"ls {folder}").split() == ["c", "d", "z"]
    row(page, "c").focus()
    keys.press("Control+a")
    expect(page.get_by_text("3 selected")).to_be_visible()
    keys.press("Escape")
    expect(page.locator(".files-bulk")).to_have_count(0)
    keys.press("F2")
    page.get_by_role("dialog").get_by_label("Name").fill("renamed")
    keys.press("Enter")
    expect(row(page, "renamed")).to_be_visible()
    row(page, "z").focus()
    keys.press("Enter")
    expect(page).to_have_url(re.compile("box%2Fz"))


PROGRESS = """([address, count]) => new Promise(resolve => {
  const start = performance.now();
  const told = [];
  history.pushState({}, '', address);
  const look = () => {
    const table = document.querySelector('.crumbs a[aria-current]')?.textContent !== '/' &&
      document.querySelector('.files-table');
    const rows = table ? Number(table.getAttribute('aria-rowcount')) : 0;
    if (rows > (told.at(-1)?.[0] ?? 0)) told.push([rows, performance.now() - start]);
    if (rows >= count) resolve(told);
    else requestAnimationFrame(look);
  };
  look();
})"""


def test_eight_thousand_names_come_as_they_are_read(ui: Tab, service: Service, workspace: JSON, folder: str) -> None:
    """The first are there before the last are read; the bound leaves room for the work of others on the machine."""
    page, files = ui.page, f"/workspaces/{workspace['id']}/files"
    service.ssh(workspace, f"cd {folder}; seq -f 'file-%04g.txt' 8000 | xargs touch")
    ui.open(f"{files}?path=%2F")
    expect(page.get_by_role("link", name="nix", exact=True)).to_be_visible()
    progress = page.evaluate(PROGRESS, [f"{files}?path=%2Fhome%2Fnixos%2Fbox", 8001])
    assert progress[0][0] == 1001
    assert progress[-1][1] <= 6000, progress
    assert page.locator(".files-table tbody tr").count() < 100
    page.locator(".files-table tbody tr").first.focus()
    page.keyboard.press("End")
    expect(row(page, "file-8000.txt")).to_be_focused()


def test_markdown_is_shown_and_cannot_do_anything(ui: Tab, service: Service, workspace: JSON, folder: str) -> None:
    page = ui.page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    text = (
        "# Title *here*\n\n- [x] done\n- one\n\n<script>document.title='run'</script>\n\n"
        "<img src=x onerror=document.title=1>\n\n![pic](https://example.invalid/pic.png) [bad](javascript:alert(1)) "
        "[good](https://example.invalid/) [beside](./other.md) [ref]\n\n[ref]: deep/x%20y.md\n\n"
        "| a | b |\n|---|---|\n| 1 | `2` |\n\n```nix\n{ }\n```\n"
    )
    service.ssh(workspace, f"cat > {folder}/read.md <<'END'\n{text}END\necho other > {folder}/other.md")
    page.reload()
    page.get_by_role("link", name="read.md").click()
    page.get_by_role("button", name="Preview").click()
    shown = page.locator(".markdown")
    expect(shown.get_by_role("heading", name="Title here")).to_be_visible()
    expect(shown.get_by_role("cell", name="2")).to_be_visible()
    expect(shown.locator("input[type=checkbox]")).to_be_checked()
    expect(shown).to_contain_text("<script>document.title='run'</script>")
    assert shown.locator("script, img, iframe, style").count() == 0
    assert (
        shown.locator("a").evaluate_all(
            "all => all.map(one => one.getAttribute('href')).filter(one => /script/.test(one))"
        )
        == []
    )
    expect(shown.get_by_role("link", name="good")).to_have_attribute("rel", "noopener noreferrer")
    assert not [url for url in asked if "example.invalid" in url]
    assert page.title() not in {"1", "run"}
    expect(shown.get_by_role("link", name="ref")).to_have_attribute("href", re.compile("x%2520y.md"))
    shown.get_by_role("link", name="beside").click()
    expect(page.get_by_role("heading", name="other.md")).to_be_visible()


SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="4000" height="40"><script>document.title="run"</script>'
    '<rect width="4000" height="40" fill="red"/></svg>'
)


def test_pictures_are_shown_within_their_place(ui: Tab, service: Service, workspace: JSON, folder: str) -> None:
    page = ui.page
    shell(service, workspace, f"cat > {folder}/wide.svg <<'END'\n{SVG}\nEND", page)
    page.get_by_role("link", name="wide.svg").click()
    expect(page.get_by_role("textbox", name="Contents of wide.svg")).to_be_visible()
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("figcaption")).to_contain_text(re.compile("4,?000 . 40"))
    picture = page.get_by_role("img", name="wide.svg")
    box = picture.bounding_box()
    assert box
    assert box["x"] + box["width"] <= page.viewport_size["width"]  # type: ignore[index]
    assert page.title() != "run"
    assert page.locator(".file-view svg script").count() == 0


def test_nix_has_colours_and_long_lines_wrap(ui: Tab, service: Service, workspace: JSON, folder: str) -> None:
    page = ui.page
    nix = 'let x = 1; in { services.nginx.enable = true; a = "s ${x}"; b = map f ./p; } # ' + "long " * 100
    shell(service, workspace, f"cat > {folder}/c.nix <<'END'\n{nix}\nEND", page)
    page.get_by_role("link", name="c.nix").click()
    colours = page.locator(".cm-line span").first
    expect(colours).to_be_visible()
    different = (
        "() => new Set([...document.querySelectorAll('.cm-line span')].map(one => getComputedStyle(one).color)).size"
    )
    until("Nix has its colours", lambda: page.evaluate(different) >= 6)
    height = "() => document.querySelector('.cm-line').getBoundingClientRect().height"
    before = page.evaluate(height)
    page.get_by_role("button", name="Wrap long lines").click()
    assert page.evaluate(height) > before
    page.get_by_role("button", name="Wrap long lines").click()


def test_a_file_is_opened_by_a_few_letters(ui: Tab, service: Service, workspace: JSON, folder: str) -> None:
    page = ui.page
    shell(
        service,
        workspace,
        f"mkdir -p '{folder}/deep & odd/src'; echo found > '{folder}/deep & odd/src/configuration.nix'",
        page,
    )
    page.keyboard.press("Control+p")
    box = page.get_by_role("combobox", name="A few letters of a file's name")
    box.fill("oddconfnix")
    expect(page.get_by_role("option").first).to_have_accessible_name("box/deep & odd/src/configuration.nix")
    expect(page.get_by_role("dialog").get_by_role("status")).to_contain_text("in the home directory")
    box.press("Enter")
    expect(page.get_by_role("textbox", name="Contents of configuration.nix")).to_contain_text("found")
    page.keyboard.press("Control+p")
    page.get_by_role("combobox").fill("zzzzqqqq")
    expect(page.get_by_text("No file is called so.")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_text_is_found_in_files(ui: Tab, service: Service, workspace: JSON, folder: str) -> None:
    page = ui.page
    shell(
        service,
        workspace,
        f"mkdir {folder}/deep; seq 100 > {folder}/deep/numbers; echo '  Needle <b>here' >> {folder}/deep/numbers",
        page,
    )
    page.get_by_role("button", name="Search in files").click()
    page.get_by_role("searchbox", name="Text to look for").fill("needle <b>")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="1 line")).to_be_visible()
    expect(page.locator("mark")).to_have_text("Needle <b>")
    page.get_by_role("button", name="101").click()
    editor = page.get_by_role("textbox", name="Contents of numbers")
    expect(editor).to_contain_text("Needle <b>here")
    expect(page.locator(".cm-activeLine")).to_contain_text("Needle")
    page.go_back()
    page.get_by_label("Match case").check()
    expect(page.get_by_text("Nothing is found.")).to_be_visible()
    page.get_by_label("Match case").uncheck()


def test_what_is_not_there_is_said_for_what_was_wanted(ui: Tab, workspace: JSON) -> None:
    page = ui.page
    ui.open(f"/workspaces/{workspace['id']}/files?path=%2Froot")
    expect(page.get_by_role("alert")).to_contain_text("may not look into /root")
    ui.open(f"/workspaces/{workspace['id']}/files?file=%2Fhome%2Fnixos%2Fno%20such")
    expect(page.get_by_role("alert")).to_contain_text("There is no /home/nixos/no such")
    expect(page.get_by_role("button", name="Download")).to_have_count(0)


def test_long_names_show_their_end_and_the_page_stays_in_its_width(
    ui: Tab, service: Service, workspace: JSON, folder: str
) -> None:
    page = ui.page
    shell(service, workspace, f"cd {folder}; touch {'long-' * 40}one.txt {'long-' * 40}two.txt", page)
    for name in ("one.txt", "two.txt"):
        end = page.locator(".end-name-end", has_text=name)
        expect(end).to_be_in_viewport(ratio=1)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
