"""Writing the secrets of one workspace into its memory, over SFTP: no value is ever an argument or on a disk.

Everything of a delivery lies in a directory of its own below ``/run/nixws-secrets``, which is a tmpfs and the user's
alone; ``current`` is a link to it that is renamed into place, so that a reader finds the old secrets or the new ones,
whole. From the places that files were given, links lead through ``current``: a home directory never holds a value, and
a link whose secret has gone leads nowhere.
"""

from __future__ import annotations

import posixpath
import secrets
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress

import asyncssh

from nixos_workspaces.errors import RuntimeFailed
from nixos_workspaces.model.contents.secrets import HOME, RUN_SECRETS
from nixos_workspaces.secrets.rendering import Rendered

ROOT = "/run/nixws-secrets"
CURRENT = f"{ROOT}/current"
_VERSION = "v-"
_NOTES = f"{HOME}/.local/state/nixws"
_LINKS = f"{_NOTES}/secret-links"
"""Places only, one a line: they outlive the tmpfs, so that links of secrets that went meanwhile are removed."""
_MOST_NOTED = 1 << 17

_NO_FILE = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)


async def write(sftp: asyncssh.SFTPClient, wanted: Rendered) -> str:
    """Put these secrets in the place of those that are there; return what could not be done, for people.

    Safe to repeat, and to break off anywhere. Raises ``RuntimeFailed`` with code ``secrets_unsupported`` where the
    workspace's system has no place for secrets, and asyncssh's errors.
    """
    await _check_root(sftp)
    version = f"{ROOT}/{_VERSION}{secrets.token_hex(8)}"
    for directory in ("", "/files", "/git"):
        await sftp.mkdir(_bytes(version + directory), asyncssh.SFTPAttrs(permissions=0o700))
    for path, (content, mode) in wanted.files.items():
        await _write_file(sftp, f"{version}/{path}", content, mode)
    link = f"{ROOT}/.{secrets.token_hex(8)}"
    await sftp.symlink(_bytes(posixpath.basename(version)), _bytes(link))
    await sftp.posix_rename(_bytes(link), _bytes(CURRENT))
    await _sweep(sftp, keep=posixpath.basename(version))
    return await _link(sftp, wanted.links)


async def _check_root(sftp: asyncssh.SFTPClient) -> None:
    """Refuse a workspace without the directory in memory: a value must not get onto its disk instead."""
    try:
        found = await sftp.lstat(_bytes(ROOT))
    except _NO_FILE as absent:
        raise RuntimeFailed(
            "The workspace's system was built before there were secrets: rebuild it, then it gets them.",
            code="secrets_unsupported",
        ) from absent
    if found.permissions is None or not stat.S_ISDIR(found.permissions):
        raise RuntimeFailed(
            f"{ROOT} in the workspace is no directory of its system: restart the workspace.", code="secrets_unsupported"
        )


async def _write_file(sftp: asyncssh.SFTPClient, path: str, content: bytes, mode: int) -> None:
    """Make a file with this mode from the first byte on."""
    attributes = asyncssh.SFTPAttrs(permissions=mode)
    async with sftp.open(_bytes(path), "xb", attributes) as file:
        await file.write(content)


async def _sweep(sftp: asyncssh.SFTPClient, keep: str) -> None:
    """Remove earlier deliveries, and what one that broke off has left."""
    for name in await sftp.listdir(_bytes(ROOT)):
        shown = _text(name)
        if shown.startswith(_VERSION) and shown != keep:
            await _remove_version(sftp, f"{ROOT}/{shown}")
        elif shown.startswith(".") and shown not in {".", ".."}:
            with suppress(asyncssh.SFTPError):
                await sftp.remove(_bytes(f"{ROOT}/{shown}"))


async def _remove_version(sftp: asyncssh.SFTPClient, version: str) -> None:
    """Remove a delivery: two levels, as it was made; what else somebody put there stays."""
    for directory in (f"{version}/files", f"{version}/git", version):
        with suppress(asyncssh.SFTPError):
            for name in await sftp.listdir(_bytes(directory)):
                with suppress(asyncssh.SFTPError):
                    await sftp.remove(_bytes(f"{directory}/{_text(name)}"))
        with suppress(asyncssh.SFTPError):
            await sftp.rmdir(_bytes(directory))


async def _link(sftp: asyncssh.SFTPClient, links: Mapping[str, str]) -> str:
    """Have each place lead to its file and no other; return which ones could not be made, and why."""
    noted = await _noted(sftp)
    if not noted and not links:
        return ""
    if noted != set(links):
        await _note(sftp, noted | set(links))
    problems = [said for place, path in links.items() if (said := await _make_link(sftp, place, path))]
    for place in sorted(noted - set(links)):
        await _remove_link(sftp, place)
    if noted - set(links):
        await _note(sftp, links)
    return " ".join(problems)


async def _make_link(sftp: asyncssh.SFTPClient, place: str, path: str) -> str:
    """Make one link; return why it could not be made. Nothing that is not ours is replaced."""
    shown = place.replace(HOME, "~", 1)
    target = f"{CURRENT}/{path}"
    try:
        await sftp.makedirs(_bytes(posixpath.dirname(place)), asyncssh.SFTPAttrs(permissions=0o700), exist_ok=True)
        before = await _target(sftp, place)
        if before == target:
            return ""
        if (before is None and await sftp.lexists(_bytes(place))) or (before and not before.startswith(f"{ROOT}/")):
            return f"There is a file at {shown} already, which was left alone: move it away."
        link = f"{posixpath.dirname(place)}/.nixws-secret-{secrets.token_hex(8)}"
        await sftp.symlink(_bytes(target), _bytes(link))
        await sftp.posix_rename(_bytes(link), _bytes(place))
    except asyncssh.SFTPError:
        return f"The file {shown} could not be made: look at the directories that it is in."
    return ""


async def _remove_link(sftp: asyncssh.SFTPClient, place: str) -> None:
    """Remove a link that leads to our files; anything else stays."""
    with suppress(asyncssh.SFTPError):
        if ((await _target(sftp, place)) or "").startswith(f"{ROOT}/"):
            await sftp.remove(_bytes(place))


async def _target(sftp: asyncssh.SFTPClient, place: str) -> str | None:
    """Return where a link leads; None if there is no link."""
    try:
        found = await sftp.lstat(_bytes(place))
        if found.permissions is None or not stat.S_ISLNK(found.permissions):
            return None
        return _text(await sftp.readlink(_bytes(place)))
    except _NO_FILE:
        return None


async def _noted(sftp: asyncssh.SFTPClient) -> set[str]:
    """Return the places that links were made at, as far as they can be places of ours."""
    try:
        async with sftp.open(_bytes(_LINKS), "rb") as file:
            told = _text(await file.read(_MOST_NOTED))
    except asyncssh.SFTPError:
        return set()
    return {line for line in told.split("\n") if line.startswith((f"{HOME}/", f"{RUN_SECRETS}/"))}


async def _note(sftp: asyncssh.SFTPClient, places: Iterable[str]) -> None:
    """Store the places of links, before any of them is made and after the last one is removed."""
    await sftp.makedirs(_bytes(_NOTES), asyncssh.SFTPAttrs(permissions=0o700), exist_ok=True)
    temporary = f"{_NOTES}/.secret-links-{secrets.token_hex(8)}"
    await _write_file(sftp, temporary, "".join(f"{place}\n" for place in sorted(places)).encode(), 0o600)
    await sftp.posix_rename(_bytes(temporary), _bytes(_LINKS))


def _bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _text(name: bytes | str) -> str:
    return name if isinstance(name, str) else name.decode("utf-8", "surrogateescape")
