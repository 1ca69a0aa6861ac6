"""The verbs on files: cp, ls, cat, rm, edit, grep, find.

``NAME:PATH`` is a path in a workspace; a relative one begins at the home directory.
"""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nixos_workspaces.cli.target import emit, err, out, printable, target_of
from nixos_workspaces.errors import Conflict, InvalidInput, NotFound, WorkspacesError
from nixos_workspaces.model.paths import decoded

if TYPE_CHECKING:
    from nixos_workspaces.client import Client
    from nixos_workspaces.client.files import FileCalls, Local
    from nixos_workspaces.client.searches import SearchCalls
    from nixos_workspaces.schemas.files import FileAnswer, UploadResult
    from nixos_workspaces.schemas.searches import FoundLine, SearchEndLine

HOME = b"/home/nixos"
NEW_DIRECTORY_MODE = 0o755

Where = Annotated[str, typer.Argument(help="NAME:PATH in a workspace.", show_default=False)]
Recursive = Annotated[bool, typer.Option("--recursive", "-r", help="Directories with everything in them.")]


@dataclass(frozen=True, slots=True)
class Remote:
    """A path in a workspace."""

    workspace: str
    path: bytes

    def below(self, name: bytes) -> Remote:
        """Return a path below this one."""
        return Remote(self.workspace, self.path.rstrip(b"/") + b"/" + name)


def register(app: typer.Typer) -> None:
    """Add the verbs to ``app``."""
    for command in (cp, ls, cat, rm, edit, grep, find):
        app.command()(command)


def remote_of(text: str) -> Remote | None:
    """Return what ``NAME:PATH`` names; None for a local path (one with a slash before its colon, or without)."""
    name, colon, path = text.partition(":")
    if not colon or "/" in name or not name:
        return None
    raw = os.fsencode(path)
    return Remote(name, raw if raw.startswith(b"/") else b"/".join(part for part in (HOME, raw) if part))


def calls_of(client: Client, remote: Remote) -> FileCalls:
    """Return the calls on the files of the workspace that ``remote`` is in."""
    from nixos_workspaces.client.files import FileCalls

    return FileCalls(client, remote.workspace)


def cp(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="A local path, or NAME:PATH.", show_default=False)],
    target: Annotated[str, typer.Argument(help="A local path, or NAME:PATH.", show_default=False)],
    *,
    recursive: Recursive = False,
) -> None:
    """Copy files to or from a workspace, as scp does.

    From a workspace, links that lead out of a copied directory are left out, and named.
    """
    here, there = remote_of(source), remote_of(target)
    if (here is None) == (there is None):
        raise InvalidInput("One of the two has to be in a workspace: NAME:PATH.", field="target")
    with target_of(context).client() as client, _progress(shown=not target_of(context).as_json) as moved:
        if there is not None:
            _send(client, Path(source), there, recursive=recursive, moved=moved)
        elif here is not None:
            _fetch(client, here, Path(target), recursive=recursive, moved=moved)


def ls(
    context: typer.Context,
    where: Where,
    *,
    everything: Annotated[bool, typer.Option("--all", "-a", help="Names that begin with a dot too.")] = False,
) -> None:
    """List a directory of a workspace."""
    remote = required_remote(where)
    with target_of(context).client() as client:
        try:
            found = list(calls_of(client, remote).names(remote.path, hidden=everything))
        except Conflict as refused:
            if refused.code != "not_a_directory":
                raise
            found = [_entry(client, remote)]
    if target_of(context).as_json:
        emit({"files": [one.model_dump(mode="json") for one in found]})
        return
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    for one in found:
        arrow = f" -> {printable(one.link_target)}" if one.link_target is not None else ""
        kind = {"directory": "d", "link": "l", "other": "?"}.get(one.type, "-")
        when = one.modified.astimezone().strftime("%Y-%m-%d %H:%M")
        name = escape(printable(one.name) + ("/" if one.type == "directory" else "") + arrow)
        table.add_row(f"{kind}{one.mode}", one.owner or str(one.uid), str(one.size), when, name)
    out().print(table)


def cat(context: typer.Context, where: Where) -> None:
    """Print a file of a workspace."""
    remote = required_remote(where)
    with target_of(context).client() as client:
        calls_of(client, remote).download(remote.path, sys.stdout.buffer)
    sys.stdout.flush()


def rm(context: typer.Context, where: Where, *, recursive: Recursive = False) -> None:
    """Delete a file or directory of a workspace."""
    remote = required_remote(where)
    with target_of(context).client() as client:
        count = calls_of(client, remote).remove(remote.path, recursive=recursive)
    if target_of(context).as_json:
        emit({"count": count})


def edit(context: typer.Context, where: Where) -> None:
    """Edit a file of a workspace with $VISUAL or $EDITOR; what others changed meanwhile is not overwritten."""
    remote = required_remote(where)
    with target_of(context).client() as client:
        calls = calls_of(client, remote)
        directory = Path(tempfile.mkdtemp(prefix="nixws-edit-"))
        local = directory / (os.fsdecode(remote.path.rpartition(b"/")[2]) or "file")
        with local.open("wb") as file:
            try:
                tag = calls.download(remote.path, file)
            except NotFound:
                tag = ""
        before = local.read_bytes()
        editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
        try:
            done = subprocess.run([*shlex.split(editor), str(local)], check=False)
        except OSError:
            shutil.rmtree(directory)
            raise
        after = local.read_bytes()
        if after != before:
            if done.returncode:
                raise InvalidInput(f"{editor} failed: nothing was written. Your version is kept in {local}.")
            try:
                calls.write(remote.path, after, if_match=tag.removeprefix("W/") or None)
            except WorkspacesError:
                err().print(f"Your version is kept in {local}.")
                raise
        local.unlink()
        directory.rmdir()


Hidden = Annotated[bool, typer.Option("--all", "-a", help="Names that begin with a dot too.")]


def grep(
    context: typer.Context,
    text: Annotated[str, typer.Argument(help="The text, taken as it is; one line.", show_default=False)],
    where: Where,
    *,
    case: Annotated[bool, typer.Option("--case", help="Tell upper and lower case apart.")] = False,
    everything: Hidden = False,
    limit: Annotated[int, typer.Option(min=1, max=2000, help="After so many lines the search ends.")] = 500,
) -> None:
    """Look for a text in the files below a directory of a workspace; exit code 1 if nothing holds it."""
    _look(context, where, lambda calls, path: calls.text(path, text, limit=limit, case=case, hidden=everything))


def find(
    context: typer.Context,
    where: Where,
    *,
    everything: Hidden = False,
    limit: Annotated[int, typer.Option(min=1, max=50000, help="After so many names it ends.")] = 20000,
) -> None:
    """List all files below a directory of a workspace, of every depth; exit code 1 if there is none."""
    _look(context, where, lambda calls, path: calls.names(path, limit=limit, hidden=everything))


def _look(
    context: typer.Context, where: str, begin: Callable[[SearchCalls, bytes], Iterator[FoundLine | SearchEndLine]]
) -> None:
    """Print what a search finds while it is found, and say on the standard error why it ended early."""
    from nixos_workspaces.client.searches import SearchCalls
    from nixos_workspaces.schemas.searches import FoundLine

    remote, target = required_remote(where), target_of(context)
    count = 0
    with target.client() as client:
        for one in begin(SearchCalls(client, remote.workspace), remote.path):
            if target.as_json:
                emit(one.model_dump(mode="json", exclude_none=True))
            if isinstance(one, FoundLine):
                count += 1
                if not target.as_json:
                    place = printable(os.fsdecode(decoded(one.path)))
                    line = place if one.line is None else f"{place}:{one.line}:{printable(one.text or '')}"
                    sys.stdout.write(f"{line}\n")
            elif one.bound is not None:
                err().print("There may be more: " + _BOUNDS[one.bound])
    if count == 0:
        raise typer.Exit(1)


_BOUNDS = {
    "limit": "the search ended at its limit. Raise --limit, or look in a directory further down.",
    "time": "the search took too long. Look in a directory further down.",
}


def walk(root: Path) -> Iterator[Local]:
    """Yield what is below a local directory, without following links, directories first.

    What vanishes meanwhile is not yielded.
    """
    from nixos_workspaces.client.files import Local

    waiting = [(root, b"")]
    while waiting:
        directory, prefix = waiting.pop()
        try:
            entries = sorted(os.scandir(directory), key=lambda one: one.name)
        except FileNotFoundError:
            if directory == root:
                raise
            continue
        for entry in entries:
            name = prefix + os.fsencode(entry.name)
            try:
                local = Local(Path(entry.path), name, entry.stat(follow_symlinks=False))
            except FileNotFoundError:
                continue
            yield local
            if stat.S_ISDIR(local.status.st_mode):
                waiting.append((local.source, name + b"/"))


def send_tree(
    calls: FileCalls, found: list[Local], target: bytes, moved: Callable[[int], object]
) -> list[UploadResult]:
    """Send files, directories and links below a directory of a workspace; return what was not written."""
    modes: list[tuple[bytes, int]] = []
    for local in found:
        place = target.rstrip(b"/") + b"/" + local.name
        if stat.S_ISDIR(local.status.st_mode):
            if not calls.make_directory(place) or stat.S_IMODE(local.status.st_mode) != NEW_DIRECTORY_MODE:
                modes.append((place, local.status.st_mode))
        elif stat.S_ISLNK(local.status.st_mode):
            _send_link(calls, local, place)
    files = (local for local in found if stat.S_ISREG(local.status.st_mode))
    problems = calls.upload_many(files, target, moved)
    for place, mode in reversed(modes):
        calls.set_mode(place, mode)
    return problems


def _send_link(calls: FileCalls, local: Local, place: bytes) -> None:
    held = os.fsencode(local.source.readlink())
    try:
        calls.make_link(place, held)
    except Conflict as refused:
        if refused.code != "exists":
            raise
        calls.remove(place)
        calls.make_link(place, held)


def required_remote(text: str) -> Remote:
    """Return what ``NAME:PATH`` names; raise ``InvalidInput`` for a local path."""
    remote = remote_of(text)
    if remote is None:
        raise InvalidInput(f"{text!r} has to be NAME:PATH.", field="where")
    return remote


def _entry(client: Client, remote: Remote) -> FileAnswer:
    """Return what one path is, from its directory's listing."""
    directory, _, name = remote.path.rpartition(b"/")
    for one in calls_of(client, remote).names(directory or b"/"):
        if decoded(one.path).rpartition(b"/")[2] == name:
            return one
    raise NotFound(f"There is no {remote.path!r}.", code="file_not_found", field="path")


def _is_directory(client: Client, remote: Remote) -> bool:
    try:
        next(calls_of(client, remote).names(remote.path), None)
    except (Conflict, NotFound):
        return False
    return True


def _send(client: Client, source: Path, there: Remote, *, recursive: bool, moved: Callable[[int], object]) -> None:
    calls = calls_of(client, there)
    if _is_directory(client, there):
        there = there.below(os.fsencode(source.resolve().name))
    if not source.is_dir():
        calls.upload(source, there.path, moved)
        return
    if not recursive:
        raise InvalidInput(f"{source} is a directory: use --recursive.", field="source")
    calls.make_directory(there.path)
    problems = send_tree(calls, list(walk(source)), there.path, moved)
    calls.set_mode(there.path, source.stat().st_mode)
    for problem in problems:
        warn_not_written(problem)
    if problems:
        raise Conflict(f"{len(problems)} files were not written.", code="files_not_written")


def _fetch(client: Client, here: Remote, target: Path, *, recursive: bool, moved: Callable[[int], object]) -> None:
    calls = calls_of(client, here)
    name = os.fsdecode(here.path.rstrip(b"/").rpartition(b"/")[2])
    place = target / name if target.is_dir() else target
    if recursive and _is_directory(client, here):
        from rich.markup import escape

        from nixos_workspaces.client.files import unpack

        with calls.open(here.path, archive="tar") as answer:
            for path in unpack(answer, place, moved):
                err().print(f"not copied: {escape(printable(path))}")
        return
    if place.is_symlink() or (place.exists() and not place.is_file()):
        # As scp does: a device, a pipe or a link is written through, not replaced.
        with place.open("wb") as file:
            calls.download(here.path, file, moved)
        return
    temporary = place.with_name(f".{place.name}.nixws-{os.getpid()}")
    try:
        with temporary.open("xb") as file:
            calls.download(here.path, file, moved)
        temporary.replace(place)
    finally:
        temporary.unlink(missing_ok=True)


def warn_not_written(problem: UploadResult) -> None:
    """Say on the standard error that one file was not written, and why."""
    from rich.markup import escape

    assert problem.error is not None
    err().print(f"not written: {escape(printable(problem.name))}: {escape(printable(problem.error.message))}")


@contextmanager
def _progress(*, shown: bool) -> Iterator[Callable[[int], object]]:
    """Yield what is told how many bytes have moved; a bar on a terminal, nothing elsewhere."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = err()
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, disable=not (shown and console.is_terminal)) as bar:
        task = bar.add_task("copying", total=None)
        yield lambda count: bar.advance(task, count)
