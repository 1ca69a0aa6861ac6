"""Unpacking an archive that a hostile workspace made: nothing outside of the target is read, written or changed.

The rules are those of ``tarfile``'s ``data`` filter (absolute names, names and links that lead out, devices and pipes
are not taken), kept by descriptors instead of paths: every directory on the way is opened from the one above it without
following a link, and its mode is set through its own descriptor. The filter itself looks at paths before they are used,
and is not in every Python that runs this.
"""

from __future__ import annotations

import contextlib
import os
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Self

from nixos_workspaces import errors

CHUNK_BYTES = 256 * 1024
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NOTE = ["NOT-INCLUDED.txt"]
"""The member that names what the archive lacks."""


def unpack(archive_bytes: IO[bytes], target: Path) -> list[str]:
    """Unpack a tar stream of a directory as ``target``; return what is not in it, for people.

    Raises ``InvalidInput`` for an archive that no directory can have made: names that lead out, names given twice, and
    names below what is no directory here.
    """
    left_out: list[str] = []
    seen: set[tuple[str, ...]] = set()
    with (
        tarfile.open(fileobj=archive_bytes, mode="r|", errors="surrogateescape") as archive,
        _Destination(target) as destination,
    ):
        for member in archive:
            parts = _parts(member.name)
            if tuple(parts) in seen:
                raise errors.InvalidInput(f"The archive holds a name twice: {member.name!r}.")
            seen.add(tuple(parts))
            if parts == _NOTE:
                content = archive.extractfile(member)
                left_out += content.read().decode("ascii", "replace").splitlines() if content else []
            elif member.isdir():
                destination.make_directory(parts, member.mode)
            elif member.issym() and parts:
                if _stays_inside(parts, member.linkname):
                    destination.make_link(parts, member.linkname)
                else:
                    left_out.append(f"{member.name}: it is a link that leads out of the copied directory")
            elif member.isfile() and parts:
                destination.write(parts, member.mode, archive.extractfile(member))
            else:
                left_out.append(f"{member.name}: it is neither a file, a directory nor a symbolic link")
        destination.set_modes()
    return left_out


def _parts(name: str) -> list[str]:
    """Return a member's name below the target: the first part is the directory's own."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if name.startswith("/") or not parts or ".." in parts:
        raise errors.InvalidInput(f"The archive holds a name that leads out: {name!r}.")
    return parts[1:]


def _stays_inside(parts: Iterable[str], held: str) -> bool:
    """Tell whether a link at ``parts`` leads to something below the target.

    Ways up count only before ways down: behind another link they would begin elsewhere.
    """
    room = len([*parts]) - 1
    is_down = False
    for step in (step for step in held.split("/") if step not in {"", "."}):
        if step != "..":
            is_down = True
        elif is_down or not room:
            return False
        else:
            room -= 1
    return bool(held) and not held.startswith("/")


class _Destination:
    """The target directory, reached by descriptors only."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._modes: list[tuple[list[str], int]] = []

    def __enter__(self) -> Self:
        self._target.mkdir(exist_ok=True)
        # The target itself may be a link: it is the caller's own choice.
        self._root = os.open(self._target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._root)

    def make_directory(self, parts: list[str], mode: int) -> None:
        """Make a directory, or take the one that is there; its mode is set at the end."""
        if parts:

            def make(parent: int, name: str) -> None:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, 0o700, dir_fd=parent)

            self._within(parts, make)
            os.close(self._opened(parts))
        self._modes.append((parts, mode & 0o777))

    def make_link(self, parts: list[str], held: str) -> None:
        """Make a symbolic link in the place of what is there."""

        def make(parent: int, name: str) -> None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=parent)
            os.symlink(held, name, dir_fd=parent)

        self._within(parts, make)

    def write(self, parts: list[str], mode: int, content: IO[bytes] | None) -> None:
        """Write a new file in the place of what is there."""

        def make(parent: int, name: str) -> None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=parent)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(name, flags, 0o600, dir_fd=parent), "wb") as file:
                while content is not None and (chunk := content.read(CHUNK_BYTES)):
                    file.write(chunk)
                os.fchmod(file.fileno(), mode & 0o777)

        self._within(parts, make)

    def set_modes(self) -> None:
        """Set the modes of all directories, the deepest first: one may close those below it."""
        for parts, mode in reversed(self._modes):
            directory = self._opened(parts)
            try:
                os.fchmod(directory, mode)
            finally:
                os.close(directory)

    def _within(self, parts: list[str], work: Callable[[int, str], None]) -> None:
        """Do something in the directory of a name."""
        parent = self._opened(parts[:-1])
        try:
            work(parent, parts[-1])
        finally:
            os.close(parent)

    def _opened(self, parts: list[str]) -> int:
        """Return a descriptor of a directory below the target."""
        directory = os.dup(self._root)
        for number, part in enumerate(parts):
            try:
                below = os.open(part, _DIRECTORY, dir_fd=directory)
            except PermissionError:
                raise
            except OSError as closed:
                place = self._target.joinpath(*parts[: number + 1])
                raise errors.InvalidInput(
                    f"The archive writes through what is no directory here: {str(place)!r}."
                ) from closed
            finally:
                os.close(directory)
            directory = below
        return directory
