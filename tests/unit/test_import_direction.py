"""Imports point one way, SQL has one home, the environment one door, and reports one voice."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

MAY_IMPORT = {
    "provenance_store": set(),
    "flows": {"provenance_store"},
    "hpc": {"provenance_store"},
    "action_provider": {"provenance_store", "flows"},
    "braid": {"provenance_store", "flows", "hpc", "action_provider"},
}
"""Each of our packages, and which of the others it may import."""

SQL_ROOMS = ("provenance_store/sql/", "provenance_store/migrations/")
SQL_STATEMENT = re.compile(
    r"^\s*(SELECT\s.+\sFROM|INSERT\s+(OR\s+\w+\s+)?INTO|UPDATE\s+\S+\s+SET|DELETE\s+FROM|"
    r"CREATE\s+(UNIQUE\s+)?(TABLE|INDEX|VIEW)|ALTER\s+TABLE|DROP\s+(TABLE|INDEX)|PRAGMA\s|"
    r"WITH\s+(RECURSIVE\s+)?\w+\s*(\(.*?\))?\s+AS\s)",
    re.IGNORECASE | re.DOTALL,
)

EXCHANGE = ("prov.model", "rocrate.rocrate")
"""Modules of the libraries that only an exchange needs."""

READS_THE_ENVIRONMENT = {
    "provenance_store/settings.py": "Setting.get, the door",
    "flows/sandbox/environment.py": "a child process is given what this one has, and no proxy "
    "is asked for this machine",
    "braid/commands/serve.py": "a server waits less for another writer, unless it is told to",
}
"""Modules that may touch os.environ, and why."""


def modules() -> list[Path]:
    return sorted(
        path for package in MAY_IMPORT for path in (ROOT / package).rglob("*.py") if path.is_file()
    )


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def strings(tree: ast.AST) -> Iterator[str]:
    """String constants and the constant beginnings of f-strings, docstrings left out."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docstrings
        ):
            yield node.value


def called(tree: ast.AST, function: str) -> bool:
    """Whether a function of that name is called, bare or off the sqlalchemy package."""
    return any(
        isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id == function)
            or (
                isinstance(node.func, ast.Attribute)
                and node.func.attr == function
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id in {"sa", "sqlalchemy"}
            )
        )
        for node in ast.walk(tree)
    )


def imports_name(tree: ast.AST, module: str, name: str) -> bool:
    return any(
        isinstance(node, ast.ImportFrom)
        and (node.module or "").split(".")[0] == module
        and name in {alias.name for alias in node.names}
        for node in ast.walk(tree)
    )


@pytest.mark.parametrize("package", [name for name in MAY_IMPORT if (ROOT / name).is_dir()])
def test_imports_point_one_way(package: str) -> None:
    foreign = set(MAY_IMPORT) - MAY_IMPORT[package] - {package}
    offences = [
        f"{name_of(path)} imports {module}"
        for path in (ROOT / package).rglob("*.py")
        for module in imported(parse(path))
        if module.split(".")[0] in foreign | {"tests"}
    ]
    assert offences == []


def test_imports_are_absolute() -> None:
    offences = [
        f"{name_of(path)} imports {module}"
        for path in modules()
        for module in imported(parse(path))
        if module.startswith(".")
    ]
    assert offences == []


def test_sql_is_built_in_one_place() -> None:
    offences = []
    for path in modules():
        if name_of(path).startswith(SQL_ROOMS):
            continue
        tree = parse(path)
        offences += [
            f"{name_of(path)}: {found[:60]!r}"
            for found in strings(tree)
            if SQL_STATEMENT.match(found)
        ]
        if imports_name(tree, "sqlalchemy", "text") and called(tree, "text"):
            offences.append(f"{name_of(path)}: text()")
        if imports_name(tree, "sqlalchemy", "literal_column") or called(tree, "literal_column"):
            offences.append(f"{name_of(path)}: literal_column()")
    assert offences == []


def test_only_the_store_knows_its_database_library() -> None:
    offences = [
        name_of(path)
        for path in modules()
        if not name_of(path).startswith("provenance_store/")
        and {module.split(".")[0] for module in imported(parse(path))}
        & {"sqlalchemy", "alembic", "sqlite3", "psycopg"}
    ]
    assert offences == []


def test_the_libraries_of_the_exchange_are_loaded_in_one_place() -> None:
    named = [
        name_of(path) for path in modules() for text in strings(parse(path)) if text in EXCHANGE
    ]
    assert set(named) == {"provenance_store/exchange/libraries.py"}
    offences = [
        name_of(path)
        for path in modules()
        if {module.split(".")[0] for module in imported(parse(path))} & {"prov", "rocrate"}
    ]
    assert offences == []


def test_the_environment_is_read_through_settings() -> None:
    offences = [
        name_of(path)
        for path in modules()
        if name_of(path) not in READS_THE_ENVIRONMENT
        for node in ast.walk(parse(path))
        if (isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv", "environb"})
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
    ]
    assert offences == []


def test_only_the_command_line_prints() -> None:
    offences = [
        f"{name_of(path)}:{node.lineno}"
        for path in modules()
        if not name_of(path).startswith("braid/")
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert offences == []


def test_every_module_postpones_annotations_and_says_what_it_is_for() -> None:
    offences = []
    for path in modules():
        tree = parse(path)
        if not tree.body or "versions/" in name_of(path):
            continue
        if ast.get_docstring(tree) is None:
            offences.append(f"{name_of(path)}: no docstring")
        defines = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.AnnAssign)
        if any(isinstance(node, defines) for node in tree.body) and not any(
            isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body
        ):
            offences.append(f"{name_of(path)}: no `from __future__ import annotations`")
    assert offences == []


def test_every_folder_with_modules_is_a_package_and_so_gets_installed() -> None:
    offences = {name_of(path.parent) for path in modules()} - {
        name_of(path.parent) for path in modules() if path.name == "__init__.py"
    }
    assert offences == set()


LAYERS = {
    "provenance_store": (
        ("", "validation", "redaction", "results"),
        ("sql",),
        ("sinks", "migrations"),
        ("recording",),
        ("queries",),
        ("transfer",),
        ("statement", "exchange"),
        ("store",),
        ("opening", "service"),
        ("transfer.backup", "transfer.condition"),
    ),
    "flows": (("", "language"), ("definition",), ("steps", "sandbox"), ("harvest", "examples")),
    "hpc": (("", "spooling"), ("remote_sink", "mpi"), ("mascot",)),
    "action_provider": (
        ("",),
        ("providers",),
        ("api", "recording_process", "lanes"),
        ("app",),
        ("lanes.lane_process",),
    ),
    "braid": (
        ("",),
        ("cli", "web_server"),
        ("pictures",),
        ("diagnosis",),
        ("commands",),
        ("demo",),
        ("reference",),
    ),
}
"""The rooms of each package, the lowest first: a module imports from its own room and from those
below. A room is a folder or a single module; `""` are the package's other modules."""


def layer_of(module: str) -> tuple[str, int]:
    """The room of a module, and how high it lies."""
    package, _, inside = module.partition(".")
    rooms = {room: layer for layer, names in enumerate(LAYERS[package]) for room in names}
    found = [room for room in rooms if f"{inside}.".startswith(f"{room}.")]
    room = max(found, key=len, default="")
    return f"{package}.{room}", rooms[room]


@cache
def loaded_first() -> dict[str, set[str]]:
    """Which of our modules each one imports when it is imported itself."""
    names = {module_of(path): path for path in modules()}
    graph: dict[str, set[str]] = {}
    for module, path in names.items():
        wanted = graph.setdefault(module, set())
        for node in parse(path).body:
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    child = f"{node.module}.{alias.name}"
                    wanted.add(child if child in names else node.module)
        wanted.intersection_update(names)
    return graph


def module_of(path: Path) -> str:
    return name_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@pytest.mark.parametrize("package", list(LAYERS))
def test_rooms_import_from_rooms_below_them(package: str) -> None:
    offences = []
    for module, wanted in loaded_first().items():
        for other in wanted if module.startswith(f"{package}.") else ():
            if not other.startswith(f"{package}."):
                continue
            (room, layer), (its_room, its_layer) = layer_of(module), layer_of(other)
            if room != its_room and its_layer >= layer and not (layer == its_layer == 0):
                offences.append(f"{module} imports {other}")
    assert offences == []


def test_no_module_waits_for_itself_to_be_imported() -> None:
    left = {module: set(wanted) for module, wanted in loaded_first().items()}
    while free := [module for module, wanted in left.items() if not wanted]:
        for module in free:
            del left[module]
        for wanted in left.values():
            wanted.difference_update(free)
    assert left == {}
