"""The rules of backend/README.md, checked on the source: who imports whom, and what stays in one place."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*ROOT.glob("backend/**/*.py"), *ROOT.glob("studio/**/*.py"), ROOT / "launcher.py"])
TREES = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}
ENTRY_POINTS = ("launcher.py", "backend/cli.py", "backend/doctor.py")

MAX_FUNCTION_LINES = 60
MAX_FILE_LINES = 400
MAX_ARGUMENTS = 8


def module_of(name: str) -> str:
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


MODULES = {module_of(name): tree for name, tree in TREES.items()}


def is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def run_time_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield `node` and everything under it that is not for the type checker alone."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield from run_time_nodes(child)


def imports(tree: ast.AST) -> set[str]:
    """Return the modules that `tree` imports at run time, wherever in the file."""
    found = set()
    for node in run_time_nodes(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in names}
    return found


def read_table() -> dict[str, tuple[set[str], str]]:
    """Return package -> (what it may import, what is said of torch) as backend/README.md has it."""
    text = (ROOT / "backend" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.+?) \| (.+?) \| (no|yes|only .+?) \|$", text, re.M)
    return {
        package: ({qualified(name) for name in re.findall(r"`([\w.]+)`", allowed)}, torch)
        for packages, allowed, torch in rows
        for package in map(qualified, re.findall(r"`([\w.]+)`", packages))
    }


def qualified(name: str) -> str:
    return name if name.startswith("studio") else f"backend.{name}"


TABLE = read_table()


def row_of(module: str) -> str:
    """Return the narrowest package of the table that `module` belongs to."""
    return max((package for package in TABLE if is_within(module, package)), key=len, default="")


RULED = [module for module in MODULES if module not in ("launcher", "backend")]


@pytest.mark.parametrize("module", RULED)
def test_module_imports_only_what_its_row_allows(module: str) -> None:
    row = row_of(module)
    assert row, f"backend/README.md has no row for {module}"
    ours = {name for name in imports(MODULES[module]) if name.startswith(("backend.", "studio."))}
    allowed = {row, *TABLE[row][0], *(["studio"] if row.startswith("studio") else [])}
    assert not {name for name in ours if not any(is_within(name, package) for package in allowed)}


@pytest.mark.parametrize("module", RULED)
def test_module_imports_torch_only_where_its_row_says(module: str) -> None:
    row = row_of(module)
    torch = TABLE[row][1]
    may_import = torch == "yes" or any(
        is_within(module, f"{row}.{name}") for name in re.findall(r"`(\w+)`", torch)
    )
    roots = {name.partition(".")[0] for name in imports(MODULES[module])}
    assert may_import or not roots & {"torch", "diffusers", "transformers", "accelerate", "peft"}


def test_front_is_free_of_torch() -> None:
    front = "backend.api, backend.cli, backend.jobs.dispatcher, studio.app, studio.__main__"
    code = f"import sys, {front}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_rendered_world_never_reaches_generation() -> None:
    for module, tree in MODULES.items():
        if module.startswith(("backend.pipelines", "backend.models", "backend.guidance", "studio")):
            assert not [name for name in imports(tree) if is_within(name, "backend.training")], module


def test_gradio_stays_in_the_studio() -> None:
    users = {
        module for module, tree in MODULES.items() if any(is_within(name, "gradio") for name in imports(tree))
    }
    assert users
    assert all(is_within(module, "studio") for module in users)


def test_sql_stays_in_the_store() -> None:
    statement = re.compile(
        r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|PRAGMA|BEGIN|COMMIT|ROLLBACK|VACUUM)\b"
    )
    users = {
        module
        for module, tree in MODULES.items()
        if imports(tree) & {"sqlite3", "sqlite_utils"}
        or any(isinstance(node, ast.Constant) and statement.match(str(node.value)) for node in ast.walk(tree))
    }
    assert users
    assert all(is_within(module, "backend.store") for module in users)


def test_environment_is_read_in_one_place() -> None:
    users = {
        name for name, tree in TREES.items() if re.search(r"\bos\.(environ|getenv)\b", ast.unparse(tree))
    }
    # Gradio takes some settings from the environment only, so the studio's entry point sets them there.
    assert users <= {"backend/config.py", "studio/__main__.py", "launcher.py"}


def test_only_entry_points_print() -> None:
    users = {name for name, tree in TREES.items() if any(is_print(node) for node in ast.walk(tree))}
    assert {name for name in users if not name.endswith("__main__.py")} <= set(ENTRY_POINTS)


def is_print(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"


def test_nothing_is_global() -> None:
    assert not [
        name for name, tree in TREES.items() if any(isinstance(node, ast.Global) for node in ast.walk(tree))
    ]


def test_imported_packages_are_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    roots = {name.partition(".")[0] for tree in MODULES.values() for name in imports(tree)}
    foreign = roots - sys.stdlib_module_names - {"backend", "studio"}
    distributions = metadata.packages_distributions()
    assert not {
        root for root in foreign if not declared_names(distributions[root]) & {*project["dependencies"]}
    }


def declared_names(distributions: list[str]) -> set[str]:
    return {name.lower().replace("_", "-") for name in distributions}


@pytest.mark.parametrize("name", TREES)
def test_files_and_functions_stay_short(name: str) -> None:
    assert len((ROOT / name).read_text(encoding="utf-8").splitlines()) <= MAX_FILE_LINES
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < MAX_FUNCTION_LINES, node.name
            assert is_configuration(node) or number_of_arguments(node) <= MAX_ARGUMENTS, node.name


def number_of_arguments(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return len([argument for argument in arguments if argument.arg != "self"])


def is_configuration(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Return whether diffusers writes the arguments of `node` into config.json, which must be flat."""
    return any(ast.unparse(decorator) == "register_to_config" for decorator in node.decorator_list)
