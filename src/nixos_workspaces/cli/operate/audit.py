"""``nixws audit``: what was done, and the proof that nobody changed what the log tells."""

from __future__ import annotations

import json
import os
import time
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nixos_workspaces.cli.target import Target, emit, printable, target_of
from nixos_workspaces.errors import InvalidInput, RuntimeFailed

if TYPE_CHECKING:
    from nixos_workspaces.audit.notes import Checkpoint
    from nixos_workspaces.audit.verify import Verified
    from nixos_workspaces.schemas.access.audit import AuditEntryAnswer

DATABASE = "nixws.db"
_FOLLOW_SECONDS = 2.0

app = typer.Typer(no_args_is_help=True)

Actor = Annotated[str, typer.Option(help="Only what this user did, by id.")]
Action = Annotated[str, typer.Option(help="Only this action, such as create or login.")]
Workspace = Annotated[str, typer.Option(help="Only about the workspace of this id.")]
Outcome = Annotated[str, typer.Option(help="Only this outcome: accepted, or the code of a refusal.")]
Key = Annotated[
    str | None, typer.Option(help="Public key of the log (NAME+ID+KEY), as it was written down.", show_default=False)
]
CheckpointFile = Annotated[
    Path | None,
    typer.Option("--checkpoint", help="File with checkpoints that a witness keeps, or one.", show_default=False),
]


@app.command()
def tail(
    context: typer.Context,
    *,
    count: Annotated[int, typer.Option("-n", min=1, max=200, help="How many of the last entries.")] = 20,
    follow: Annotated[bool, typer.Option("-f", help="Go on with what comes.")] = False,
    actor: Actor = "",
    action: Action = "",
    workspace: Workspace = "",
    outcome: Outcome = "",
) -> None:
    """Print the last entries."""
    target = target_of(context)
    query = _query(actor, action, workspace, outcome)
    with target.client() as client:
        seen = 0
        while True:
            found = [one for one in client.audit.list({**query, "limit": count}).entries if one.seq > seen]
            for one in reversed(found):
                _show(target, one)
            seen = max([seen, *(one.seq for one in found)])
            if not follow:
                return
            time.sleep(_FOLLOW_SECONDS)


@app.command()
def export(
    context: typer.Context,
    *,
    form: Annotated[str, typer.Option("--format", help="jsonl, ocsf or cloudevents.")] = "jsonl",
    actor: Actor = "",
    action: Action = "",
    workspace: Workspace = "",
    outcome: Outcome = "",
) -> None:
    """Print every entry, oldest first, one JSON object a line."""
    with target_of(context).client() as client:
        for line in client.audit.export({**_query(actor, action, workspace, outcome), "format": form}):
            print(json.dumps(line, ensure_ascii=False))


@app.command()
def checkpoint(context: typer.Context) -> None:
    """Print a signed checkpoint of now, to be kept elsewhere; with --json also the public key."""
    target = target_of(context)
    with target.client() as client:
        signed = client.audit.checkpoint()
    if target.as_json:
        emit(signed.model_dump(mode="json"))
    else:
        print(signed.note, end="")


@app.command()
def proof(
    context: typer.Context, seq: Annotated[int, typer.Argument(min=1, help="The entry's number.")], *, key: Key = None
) -> None:
    """Prove that an entry stands in the log, against a signed checkpoint; print entry, path and checkpoint as JSON."""
    from nixos_workspaces.audit.notes import open_note
    from nixos_workspaces.audit.tree import root_of
    from nixos_workspaces.errors import NotFound

    with target_of(context).client() as client:
        signed = client.audit.checkpoint()
        told = client.audit.proof(seq, signed.size)
        try:
            entry = client.audit.entry(seq)
        except NotFound:
            entry = None
    checkpoint_ = open_note(signed.note, key or signed.key)
    leaf, path = _hashes(told.leaf)[0], _hashes(told.path)
    _same_leaf(entry, leaf)
    if root_of(leaf, seq - 1, checkpoint_.size, path) != checkpoint_.root:
        raise RuntimeFailed(f"The path of entry {seq} does not lead to the checkpoint's root.", code="audit_broken")
    emit({"entry": entry, "proof": told.model_dump(), "checkpoint": signed.note, "key": signed.key})


@app.command()
def verify(
    context: typer.Context,
    *,
    database: Annotated[
        Path | None, typer.Option(help="A copy of the database; not given: that of --data, or over the API.")
    ] = None,
    checkpoint: CheckpointFile = None,
    key: Key = None,
) -> None:
    """Verify that nobody changed, removed or added entries; name the first bad one.

    Reads a database's file where there is one (give --key too if the keys are elsewhere). Else the service proves that
    its log, as it is signed now, begins with the witness's checkpoint.
    """
    target = target_of(context)
    path = database or target.data / DATABASE
    if database is not None or path.exists():
        _verify_file(target, path, checkpoint, key)
    else:
        _verify_service(target, checkpoint, key)


def _verify_file(target: Target, path: Path, checkpoint: Path | None, key: str | None) -> None:
    from nixos_workspaces.cli.operate.owner import as_owner
    from nixos_workspaces.database.audit.copies import open_copy, verify_copy

    public = key or _own_key(path.parent)
    if checkpoint is not None and public is None:
        raise InvalidInput("Give --key, the public key of the log, to read the checkpoints.", field="key")
    witnessed = _witnessed(checkpoint, public) if public is not None else []
    # SQLite writes beside what it reads: in somebody's directory only as that somebody.
    directory = path.absolute().parent
    is_writable = path.exists() and os.access(directory, os.W_OK)
    with as_owner(directory) if is_writable else nullcontext(), open_copy(path) as copy:
        outcome = verify_copy(copy, public, witnessed)
    _tell(target, outcome, signed=public is not None)


def _own_key(data: Path) -> str | None:
    """Return the public key out of a data directory; None where its keys are not."""
    from nixos_workspaces.audit.notes import Signer
    from nixos_workspaces.cli.operate.owner import as_owner
    from nixos_workspaces.keys.store import open_keys

    if not (data / "keys" / "authority-audit.json").exists():
        return None
    with as_owner(data):
        return Signer(open_keys(data).authority("audit")).verifier_key


def _verify_service(target: Target, path: Path | None, key: str | None) -> None:
    from nixos_workspaces.audit.notes import open_note
    from nixos_workspaces.audit.tree import is_consistent

    with target.client() as client:
        signed = client.audit.checkpoint()
        now = open_note(signed.note, key or signed.key)
        for before in _witnessed(path, key or signed.key):
            if before.size > now.size:
                raise _bad(f"the log has {now.size} entries, the witness saw {before.size}")
            path_ = _hashes(client.audit.consistency(before.size, now.size).path) if before.size else ()
            if before.size and not is_consistent(before.size, now.size, (before.root, now.root), path_):
                raise _bad(f"the first {before.size} entries are not those that the witness saw")
        verified = client.audit.list({"limit": 1}).verified
    if verified.first_bad is not None:
        raise _bad(f"the service itself finds entry {verified.first_bad} bad ({verified.flaw})")
    if target.as_json:
        emit({"size": now.size, "verified": verified.model_dump(mode="json")})
    else:
        print(f"{now.size} entries, signed; the service has verified the first {verified.size} of them itself.")


def _witnessed(path: Path | None, key: str) -> Sequence[Checkpoint]:
    from nixos_workspaces.audit.notes import open_note, split_notes

    if path is None:
        return []
    notes = split_notes(path.read_text(encoding="utf-8", errors="replace"))
    if not notes:
        raise InvalidInput(f"{path} has no checkpoint.", code="checkpoint_invalid", field="checkpoint")
    return [open_note(one, key) for one in notes]


def _tell(target: Target, outcome: Verified, *, signed: bool) -> None:
    finding = outcome.finding
    if finding is not None:
        which = f"entry {finding.first}" if finding.first == finding.last else f"{finding.first} to {finding.last}"
        raise _bad(f"{which}: {finding.flaw.value}")
    if target.as_json:
        emit({"size": outcome.size, "root": outcome.root.hex(), "checkpoints": outcome.checkpoints})
        return
    against = f"{outcome.checkpoints} checkpoints" if signed else "no checkpoint: give --key and --checkpoint"
    print(f"{outcome.size} entries agree, with {against}.")


def _bad(why: str) -> RuntimeFailed:
    return RuntimeFailed(f"The audit log is not what it was: {why}.", code="audit_broken")


def _hashes(text: str) -> tuple[bytes, ...]:
    from nixos_workspaces.audit.tree import split_hashes

    try:
        return split_hashes(b64decode(text, validate=True))
    except (NotBase64, ValueError) as wrong:
        raise RuntimeFailed("The service's proof cannot be read.", code="audit_broken") from wrong


def _same_leaf(entry: object, leaf: bytes) -> None:
    from nixos_workspaces.audit.canonical import canonical
    from nixos_workspaces.audit.tree import leaf_hash

    if entry is not None and leaf_hash(canonical(entry)) != leaf:
        raise RuntimeFailed("The entry has not the hash that the proof is of.", code="audit_broken")


def _query(actor: str, action: str, workspace: str, outcome: str) -> dict[str, str]:
    given = {"actor": actor, "action": action, "workspace": workspace, "outcome": outcome}
    return {name: value for name, value in given.items() if value}


def _show(target: Target, one: AuditEntryAnswer) -> None:
    if target.as_json:
        print(one.model_dump_json())
        return
    about = " ".join(part for part in (one.workspace_id, one.target) if part)
    print(printable(f"{one.seq}  {one.at:%Y-%m-%d %H:%M:%S}  {one.actor}  {one.action}  {about}  {one.outcome}"))
