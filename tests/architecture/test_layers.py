"""Imports run one way; the contracts stand in pyproject.toml."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.sources import PROJECT


def _lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--no-cache"],
        cwd=folder,
        capture_output=True,
        check=False,
        text=True,
    )


def test_import_contracts_are_kept() -> None:
    """Gateway, service, store or cache, domain or crypto: each knows those below."""
    done = _lint_imports(PROJECT)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("settlement/domain/bill.py", "import settlement.store", "Higher layers"),
        ("settlement/domain/bill.py", "import time", "The pure core"),
        ("crypto/__init__.py", "import settlement.domain", "Higher layers"),
        ("eligibility_cache/__init__.py", "import asyncpg", "Only the store"),
        ("settlement/store/__init__.py", "import eligibility_cache", "Higher layers"),
        ("settlement/service/__init__.py", "import pydantic", "HTTP, parsing"),
        ("gateway/handlers/__init__.py", "import settlement.store", "Handlers call"),
        ("gateway/his_simulator/__init__.py", "import gateway.wiring", "The simulator"),
    ],
)
def test_contract_breaks_on_a_forbidden_import(
    tmp_path: Path, module: str, line: str, contract: str
) -> None:
    """Each contract can fail: one forbidden import in a bare copy breaks it."""
    for package in (
        *("gateway/cli", "gateway/edge", "gateway/handlers", "gateway/wiring"),
        *("gateway/his/desk", "gateway/his/transactions", "gateway/his_simulator"),
        *("settlement/domain", "settlement/service"),
        *("settlement/store", "eligibility_cache", "crypto"),
    ):
        (tmp_path / package).mkdir(parents=True)
    for folder in [path for path in tmp_path.rglob("*") if path.is_dir()]:
        (folder / "__init__.py").touch()
    (tmp_path / "settlement/domain/bill.py").touch()
    settings = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(settings, encoding="utf-8")
    (tmp_path / module).write_text(f"{line}\n", encoding="utf-8")

    done = _lint_imports(tmp_path)

    assert done.returncode == 1
    broken = [text for text in done.stdout.splitlines() if text.endswith("BROKEN")]
    assert any(text.startswith(contract) for text in broken), done.stdout
