"""The files of a real workspace in a real browser."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from system.browser import Tab, chromium, drop, tab
from system.service import JSON, Service

pytestmark = pytest.mark.system

HOSTILE = '<img src=x onerror="document.title=1">.txt'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


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
    expect(page.locator(".files-main").get_by_role("button", name="made here", exact=True)).to_be_visible()
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
    expect(ui.page.locator(".files-main").get_by_role("button", name="tree", exact=True)).to_be_visible()
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
    expect(page.locator(".files-main").get_by_role("button", name="tree", exact=True)).to_be_visible()
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
    page.locator(".files-main").get_by_role("button", name="a&b;c #d", exact=True).click()
    expect(page.get_by_role("link", name="inside.txt")).to_be_visible()
    page.go_back()
    link.click()
    expect(page.get_by_role("textbox", name=f"Contents of {HOSTILE}")).to_contain_text("<script>")
    assert page.title() not in {"1", "run"}
