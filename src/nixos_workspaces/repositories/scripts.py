"""The scripts that put a repository into a workspace, run there as its user, and the reading of what they say. Pure.

A script says ``nixws:done TEXT`` or ``nixws:failed TEXT`` last. No credential is in it: Git asks the workspace's own
helper, SSH takes the keys that lie in the workspace.
"""

from __future__ import annotations

import re
import shlex
from typing import assert_never

from nixos_workspaces.model.contents.repositories import Purpose, Repository

INSTALL_SECONDS = 300
"""Time that a script of dotfiles may take."""
VERDICT = "nixws:"
LONGEST_LINE = 500
_NAMES = "install.sh install bootstrap.sh bootstrap setup.sh setup script/bootstrap script/setup"
_PERCENT = re.compile(r"(?:Receiving objects|Resolving deltas|Updating files): +(\d{1,3})%")
_UNSEEN = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")

_BEGIN = """set -u
export LC_ALL=C.UTF-8 GIT_TERMINAL_PROMPT=0 GIT_ASKPASS= SSH_ASKPASS= GIT_ALLOW_PROTOCOL=http:https:ssh
export GIT_SSH_COMMAND='ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new -o ConnectTimeout=20'
say() { printf '\\nnixws:%s\\n' "$1"; exit 0; }
cd "$HOME" || say 'failed There is no home directory.'
command -v git > /dev/null || say 'failed This workspace has no git: add the package git, then clone it again.'
"""
_CLONE = """parent=$(dirname -- "$target")
part="$parent/.nixws-clone-$(basename -- "$target")"
mkdir -p -- "$parent" || say "failed The directory $parent cannot be made."
fetch() {
  rm -rf -- "$part"
  git clone --progress --origin origin -- "$url" "$part" < /dev/null 2>&1 || { rm -rf -- "$part"; return 1; }
  [ -z "$ref" ] || git -C "$part" checkout --quiet "$ref" -- < /dev/null 2>&1 || { rm -rf -- "$part"; return 1; }
  mv -T -- "$part" "$target" 2>&1 || { rm -rf -- "$part"; return 1; }
}
there() { [ "$(git -C "$target" config --get remote.origin.url 2> /dev/null < /dev/null)" = "$url" ]; }
empty() { [ -d "$target" ] && [ ! -L "$target" ] && [ -z "$(ls -A -- "$target")" ]; }
"""
_WORK = """if there; then say "done ~/$target is there already and was left as it is."; fi
if { [ -e "$target" ] || [ -L "$target" ]; } && ! empty; then
  say "failed There is something else at ~/$target, which was left alone: move it away, or choose another directory."
fi
fetch || say 'failed'
say "done ~/$target is there."
"""
_DOTFILES = """if there; then
  git -C "$target" pull --ff-only --quiet < /dev/null 2>&1 || echo 'It was not updated: it has changes of its own.'
elif { [ -e "$target" ] || [ -L "$target" ]; } && ! empty; then
  say "failed There is something else at ~/$target, which was left alone: move it away."
else
  fetch || say 'failed'
fi
cd -- "$target" || say "failed ~/$target cannot be entered."
for name in $names; do
  [ -f "$name" ] || continue
  echo "Running $name"
  status=0
  if [ -x "$name" ]; then timeout -k 5 "$limit" "./$name" < /dev/null 2>&1 || status=$?
  else timeout -k 5 "$limit" sh "./$name" < /dev/null 2>&1 || status=$?; fi
  case $status in
    0) say "done $name has run." ;;
    124 | 137) say "failed $name did not end within $limit seconds and was stopped." ;;
    *) say "failed $name ended with exit code $status: its output is in the log." ;;
  esac
done
[ -z "$wanted" ] || say "failed There is no file $wanted in the repository."
for file in .[!.]*; do
  case $file in .git | .gitignore | .gitmodules | .github | '.[!.]*') continue ;; esac
  [ -e "$HOME/$file" ] || [ -L "$HOME/$file" ] || ln -s -- "$target/$file" "$HOME/$file"
done
say 'done It has no install script: its dotfiles are linked where there were none.'
"""


def script_of(repository: Repository, seconds: int = INSTALL_SECONDS) -> bytes:
    """Return the script of a repository."""
    source = repository.source
    told = {"target": source.directory, "url": source.url, "ref": source.ref}
    match repository.purpose:
        case Purpose.WORK:
            does = _WORK
        case Purpose.DOTFILES:
            told |= {"names": repository.script or _NAMES, "wanted": repository.script, "limit": str(seconds)}
            does = _DOTFILES
        case _ as never:
            assert_never(never)
    values = "".join(f"{name}={shlex.quote(value)}\n" for name, value in told.items())
    # In braces: a shell that reads its script from a pipe has read all of it before anything in it runs.
    return f"{{\n{values}{_BEGIN}{_CLONE}{does}}}\n".encode()


def fraction_of(line: str) -> float | None:
    """Return the progress that a line of Git's tells, from 0 to 1; None for any other."""
    found = _PERCENT.search(line)
    return None if found is None else min(int(found[1]), 100) / 100


def is_progress(line: str) -> bool:
    """Tell whether a line says no more than progress, or is the other side's, which may say anything."""
    return line.startswith(("remote:", "Receiving objects:", "Resolving deltas:", "Updating files:"))


def shown(line: str) -> str:
    """Return a line for people: without what a terminal would obey, and of bounded length."""
    return _UNSEEN.sub("", line)[:LONGEST_LINE].strip()


_ASKS = (
    "The host {host} asks for credentials: set its token or password as a secret of the kind git, in the view Secrets "
    "or by nixws secret set NAME --git {host}, then clone again."
)
_BY_PLAIN_HTTP = (
    "The host {host} asks for credentials, which a workspace gives over https:// only: clone it by its https:// "
    "address."
)
_REFUSES = (
    "The host {host} refuses the workspace's SSH keys: set a private key that it knows as a secret, in the view "
    "Secrets (kind file, path ~/.ssh/id_ed25519) or by nixws secret set NAME --file '~/.ssh/id_ed25519' < KEY, and "
    "then clone again."
)
_OTHER_KEY = (
    "The host {host} shows another host key than before: if that is right, remove the old one from ~/.ssh/known_hosts "
    "in the workspace."
)
_UNKNOWN_AUTHORITY = (
    "The certificate of {host} is signed by an authority that the workspace does not know: set that authority's "
    "certificate as a secret of the kind file, and its path as the variable GIT_SSL_CAINFO, then clone again."
)
_AWAY = "The host {host} cannot be reached from the workspace: look at its network, and at what was refused there."
_ABSENT = "There is no such repository, or none for you."
_NO_REF = "The repository has no such branch, tag or commit."
_REASONS = tuple(
    (re.compile(pattern), told)
    for pattern, told in (
        (r"could not read (Username|Password)|terminal prompts disabled|Authentication failed|error: 40[13]", _ASKS),
        (r"Permission denied \(|no mutual signature", _REFUSES),
        (r"Host key verification failed", _OTHER_KEY),
        (r"certificate verification failed|SSL certificate problem|unable to get local issuer", _UNKNOWN_AUTHORITY),
        (r"Could not resolve host|Failed to connect|Connection (refused|timed out)|Network is unreachable", _AWAY),
        (r"not found|does not appear to be a git repository", _ABSENT),
        (r"pathspec|did not match any|invalid reference", _NO_REF),
        (r"No space left", "The workspace's disk is full."),
    )
)
_LOOPBACK = re.compile(r"^(localhost|127\.0\.0\.1)(:\d+)?$")
_HOST = re.compile(r"^[a-z]+://(?:[^@/]*@)?([^/]+)/|^[^@/]*@(\[[^]]+\]|[^:/]+):")


def host_of(url: str) -> str:
    """Return the host of a repository's address, with its port if there is one, as secrets of the kind git have it."""
    found = _HOST.match(url)
    return (found[1] or found[2] or "").lower() if found else ""


def reason_of(lines: list[str], url: str = "") -> str:
    """Return why Git failed and what to do, from the last lines that it wrote about the repository at ``url``."""
    said = next((line for line in reversed(lines) if line.startswith(("fatal:", "error:", "ssh:"))), "")
    remedy = next((told for pattern, told in _REASONS if any(pattern.search(line) for line in lines)), "")
    if remedy is _ASKS and url.startswith("http://") and not _LOOPBACK.match(host_of(url)):
        remedy = _BY_PLAIN_HTTP
    remedy = " ".join(remedy.replace("{host}", host_of(url)).split())
    return " ".join(filter(None, (remedy, f"Git says: {said}" if said else ""))) or "Git failed without a reason."
