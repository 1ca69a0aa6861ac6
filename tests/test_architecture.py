"""The size and shape of the code: every bound here can only be tightened (design section 3)."""

import ast
import itertools
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "nixos_workspaces"
FILES = sorted(PACKAGE.rglob("*.py"))

LONGEST_FILE = 500
MEDIAN_FILE = 200
LONGEST_FUNCTION = 60
MOST_PUBLIC_METHODS = 10
FIELDS_OF_A_RECORD = 4

MOST_LOOSE_FILES = 8
MOST_FILES_OF_A_FOLDER = 12
CLAUSE_WORDS = ("What", "Whose", "Whoever", "Who", "Whatever", "Somebody")
FORBIDDEN_NAMES = ("Manager", "Helper")
FORBIDDEN_FILES = {"utils.py", "helpers.py", "common.py", "misc.py"}

type_nodes = (ast.FunctionDef, ast.AsyncFunctionDef)


@cache
def parsed() -> tuple[tuple[Path, ast.Module], ...]:
    """Return every file with its syntax tree; no test changes one."""
    return tuple((path, ast.parse(path.read_text())) for path in FILES)


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    long = {path.name: lines(path) for path in FILES if lines(path) > LONGEST_FILE}
    assert long == {}


def test_the_median_file_is_short() -> None:
    sizes = sorted(lines(path) for path in FILES)
    assert sizes[len(sizes) // 2] < MEDIAN_FILE


def test_few_files_lie_loose_at_the_top() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= MOST_LOOSE_FILES


def test_folders_are_small_enough_to_look_through() -> None:
    """All but that of the migrations: they stand in the order of their numbers, and one is made for each change."""
    folders = {path.parent for path in FILES} - {PACKAGE / "database" / "migrations" / "versions"}
    full = {folder: len(list(folder.glob("*.py"))) for folder in folders}
    assert {str(folder): count for folder, count in full.items() if count > MOST_FILES_OF_A_FOLDER} == {}


def test_functions_fit_on_a_screen() -> None:
    long = {
        f"{path.name}:{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path, tree in parsed()
        for node in ast.walk(tree)
        if isinstance(node, type_nodes) and (node.end_lineno or 0) - node.lineno + 1 > LONGEST_FUNCTION
    }
    assert long == {}


def is_own_verb(method: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Tell whether a method widens its class's interface: properties read as data, overrides belong to the base."""
    marks = {ast.unparse(mark).rsplit(".", 1)[-1] for mark in method.decorator_list}
    return not method.name.startswith("_") and not marks & {"property", "cached_property", "override"}


def test_classes_have_small_interfaces() -> None:
    wide = {}
    for _, tree in parsed():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                public = [m.name for m in node.body if isinstance(m, type_nodes) and is_own_verb(m)]
                if len(public) > MOST_PUBLIC_METHODS:
                    wide[node.name] = len(public)
    assert wide == {}


def fields(node: ast.ClassDef) -> frozenset[str]:
    return frozenset(
        item.target.id for item in node.body if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    )


def test_every_record_stands_once() -> None:
    """Two dataclasses of the same fields are one record that will drift apart."""
    homes: dict[frozenset[str], list[str]] = {}
    for path, tree in parsed():
        for node in ast.walk(tree):
            marked = isinstance(node, ast.ClassDef) and any("dataclass" in ast.unparse(m) for m in node.decorator_list)
            if isinstance(node, ast.ClassDef) and marked and len(fields(node)) >= FIELDS_OF_A_RECORD:
                homes.setdefault(fields(node), []).append(f"{path.relative_to(PACKAGE)}:{node.name}")
    assert [names for names in homes.values() if len(names) > 1] == []


def test_every_name_rule_stands_once() -> None:
    """A regular expression that stands twice is one rule that will drift apart."""
    homes: dict[str, list[str]] = {}
    for path, tree in parsed():
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and re.search(r"\[[^\]]+\][*+{?]", node.value)
            ):
                rule = node.value.replace("(?:", "(").removeprefix("^").removesuffix("$")
                homes.setdefault(rule, []).append(str(path.relative_to(PACKAGE)))
    assert {rule: paths for rule, paths in homes.items() if len(paths) > 1} == {}


def test_names_say_what_things_are() -> None:
    classes = [node.name for _, tree in parsed() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    assert [name for name in classes if name.endswith(FORBIDDEN_NAMES)] == []
    assert [path for path in FILES if path.name in FORBIDDEN_FILES] == []


def test_every_module_says_why_it_exists() -> None:
    assert [str(path) for path, tree in parsed() if not ast.get_docstring(tree)] == []


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and text of every docstring: of modules, classes, functions and, behind an assignment, attributes."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield node.lineno, text


def test_summaries_say_plainly_what_things_are() -> None:
    """A summary is imperative, or a noun phrase: no clause that leaves its noun out ("What is kept", "Who asks")."""
    clauses = [
        f"{path.relative_to(PACKAGE)}:{line}"
        for path, tree in parsed()
        for line, text in docstrings(tree)
        if re.match(rf"\s*(?:{'|'.join(CLAUSE_WORDS)})\b", text)
    ]
    assert clauses == []


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, tree: ast.Module, modules: set[str]) -> set[str]:
    """Modules of ours that a file imports anywhere, deferred imports included."""
    found = set()
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found |= {name for name in names if name in modules}
    own = module_name(path)
    # A package's own ``__init__`` is not an import of its modules' neighbours.
    return {name for name in found if name != own and not own.startswith(f"{name}.")}


def test_no_module_is_in_an_import_cycle() -> None:
    modules = {module_name(path) for path in FILES}
    graph = {module_name(path): imports(path, tree, modules) for path, tree in parsed()}
    reach = {name: set(direct) for name, direct in graph.items()}
    changed = True
    while changed:
        changed = False
        for name, direct in reach.items():
            wider = direct.union(*(reach[other] for other in direct))
            changed |= wider != direct
            reach[name] = wider
    assert sorted(name for name, direct in reach.items() if name in direct) == []


def test_the_documented_layers_are_the_enforced_ones() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    enforced = [{module.strip() for module in layer.split("|")} for layer in contract["layers"]]
    page = (ROOT / "docs" / "architecture.md").read_text().partition("| Layer | Modules |")[2].partition("\n\n")[0]
    rows = [line.split("|")[2] for line in page.splitlines()[2:]]
    assert [set(re.findall(r"`([a-z_]+)`", row)) for row in rows] == enforced


KEYED = {
    "files/service.py": {"stat", "list", "download", "archive", "write", "batch"},
    "files/trees/tree.py": {"make_directory", "make_link", "move", "change_mode", "delete", "copy", "search"},
    "files/writes/uploads.py": {"create", "get", "append", "abort"},
    "terminals/ssh_bridge.py": {
        *("create_terminal_session", "attach_terminal", "list_terminals", "rename_terminal", "close_terminal"),
        "open_tunnel",
    },
}
"""The ways to a workspace's files and terminals."""
UNKEYED = {"sweep", "close"}
"""Work of the service for itself: removing what a crash left, letting go of connections."""


def test_files_and_terminals_open_to_what_was_authorised_only() -> None:
    """An id alone leads nowhere below the web: the types ask for the key that authorising returns."""
    for name, ways in KEYED.items():
        tree = ast.parse((PACKAGE / name).read_text())
        found = {
            method.name: ast.unparse(argument.annotation)
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef)
            for method in node.body
            if isinstance(method, type_nodes) and not method.name.startswith("_")
            for argument in method.args.args
            if argument.arg == "workspace_id" and argument.annotation is not None
        }
        assert {way: kind for way, kind in found.items() if way not in UNKEYED} == dict.fromkeys(ways, "AuthorisedId")
    made = {
        module_name(path)
        for path, tree in parsed()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("AuthorisedId")
    }
    assert made == {"nixos_workspaces.auth.policy"}


def test_only_the_client_reaches_into_the_node() -> None:
    allowed = {
        "nixos_workspaces.runtimes.local",
        "nixos_workspaces.cli.operate.confine",
    }
    modules = {module_name(path) for path in FILES}
    offenders = {
        (module_name(path), name)
        for path, tree in parsed()
        for name in imports(path, tree, modules)
        if name.startswith("nixos_workspaces.node")
        and not module_name(path).startswith("nixos_workspaces.node")
        and module_name(path) not in allowed
    }
    assert offenders == set()


def test_the_node_imports_nothing_of_the_control_plane() -> None:
    allowed = {"nixos_workspaces", "nixos_workspaces.errors", "nixos_workspaces.model", "nixos_workspaces.process"}
    # What a line of the node's log belongs to, and its form, are those of the control plane's.
    allowed |= {f"nixos_workspaces.logs{part}" for part in ("", ".context", ".form", ".recent")}
    modules = {module_name(path) for path in FILES}
    allowed |= {name for name in modules if name.startswith("nixos_workspaces.model.")}
    node = ((path, tree) for path, tree in parsed() if module_name(path).startswith("nixos_workspaces.node"))
    foreign = {
        (module_name(path), name)
        for path, tree in node
        for name in imports(path, tree, modules)
        if name not in allowed and not name.startswith("nixos_workspaces.node")
    }
    assert foreign == set()


INNER_PARTS = {"asyncssh", "fastapi", "uvicorn", "websockets"}
"""Libraries whose private or undocumented parts we subclass or call: none but these, each pinned exactly."""
INNER_MODULES = (
    *("asyncssh.encryption", "asyncssh.packet", "asyncssh.sftp", "fastapi.dependencies", "uvicorn.protocols"),
    *("websockets.frames", "websockets.speedups"),
)


def test_libraries_whose_inner_parts_are_used_are_pinned_exactly() -> None:
    """A wheel is installed without our lock: another version may have other inner parts."""
    lines = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    pins = {name: version for name, _, version in (line.partition("==") for line in lines) if version}
    assert set(pins) == INNER_PARTS | {"aiosqlite"}  # database/sqlite.py reads private attributes of its cursors
    lock = "\n" + (ROOT / "requirements.lock").read_text()
    assert [name for name, version in pins.items() if f"\n{name}=={version} " not in lock] == []


def test_no_other_library_is_reached_into() -> None:
    """Modules that a library does not document, or that it marks as private."""
    reached = set()
    for _, tree in parsed():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and not node.module.startswith("nixos_workspaces"):
                names = [node.module, *(alias.name for alias in node.names)]
                if node.module.startswith(INNER_MODULES) or any(
                    part.startswith("_") and part != "__future__" for name in names for part in name.split(".")
                ):
                    reached.add(node.module.split(".")[0])
    assert reached == INNER_PARTS


TEXTS = [
    path
    for path in itertools.chain(ROOT.glob("*.md"), ROOT.glob("docs/**/*.md"), FILES, ROOT.glob("nix/**/*.*"))
    if path.is_file() and path.suffix != ".pyc" and path.name != "package-lock.json"  # hashes are no words
]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_left_open(path: Path) -> None:
    text = path.read_text()
    assert [word for word in ("TODO", "FIXME", "XXX", "NotImplementedError") if word in text] == []
