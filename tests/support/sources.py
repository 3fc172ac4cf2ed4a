"""The project's files as git lists them, and what the tidy tests read from them."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
PACKAGES = ("gateway", "settlement", "eligibility_cache", "crypto")

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def tracked_files() -> list[Path]:
    """Every file that git tracks or would track, relative to the project."""
    listed = subprocess.run(
        [  # whichever git made the checkout, as whoever owns it
            *("git", "-c", "safe.directory=*", "ls-files", "-z"),
            *("--cached", "--others", "--exclude-standard"),
        ],
        cwd=PROJECT,
        capture_output=True,
        check=True,
        text=True,
    )
    paths = (Path(name) for name in listed.stdout.split("\0") if name)
    return sorted(path for path in paths if (PROJECT / path).is_file())


def read_text(path: Path) -> str | None:
    """Text of a tracked file, `None` where it is not text."""
    try:
        return (PROJECT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def python_files(*packages: str) -> list[Path]:
    """Tracked Python files of these top-level folders; of our packages by default."""
    roots = packages or PACKAGES
    return [
        path
        for path in tracked_files()
        if path.suffix == ".py" and path.parts[0] in roots
    ]


@dataclass(frozen=True, slots=True)
class Function:
    """A function as the tidy test sees it."""

    path: Path
    name: str
    lines: int
    """Of its body: signature and docstring are welcome to be long."""

    def __str__(self) -> str:
        return f"{self.path}:{self.name} ({self.lines} lines)"


def functions(path: Path) -> Iterator[Function]:
    """Every function of a file, methods named by their class."""
    yield from _functions(path, ast.parse(read_text(path) or ""), "")


def _functions(path: Path, node: ast.AST, prefix: str) -> Iterator[Function]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (*_FUNCTIONS, ast.ClassDef)):
            name = f"{prefix}{child.name}"
            if isinstance(child, _FUNCTIONS):
                yield Function(path, name, _length(child))
            yield from _functions(path, child, f"{name}.")
        else:
            yield from _functions(path, child, prefix)


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    is_documented = ast.get_docstring(function, clean=False) is not None
    body = function.body[1:] if is_documented else function.body
    if not body:
        return 0
    return (body[-1].end_lineno or body[-1].lineno) - body[0].lineno + 1
