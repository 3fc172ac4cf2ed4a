"""A checkout installs what its lock names, whatever has come out since."""

import hashlib
import os
import subprocess
import zipfile
from pathlib import Path

import pytest

_INSTALL = Path(__file__).parents[2] / "tools" / "install"


def wheel(folder: Path, name: str, version: str, needs: str = "") -> Path:
    """An empty package."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    if needs:
        metadata += f"Requires-Dist: {needs}\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{info}/METADATA", metadata + "Provides-Extra: more\n")
        archive.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\n"
            "Tag: py3-none-any\n",
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the installer, and an index that has a newer package by now."""
    index = tmp_path / "index"
    index.mkdir()
    wheels = [
        wheel(index, "asking", "1.0", needs="asked[more]>=1.0"),
        wheel(index, "asked", "1.0"),
    ]
    wheel(index, "asked", "2.0")
    locks = tmp_path / "requirements"
    locks.mkdir()
    lines = [
        f"{path.name.split('-')[0]}==1.0"
        f" --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"
        for path in wheels
    ]
    (locks / "loadtest.txt").write_text("".join(lines))
    return tmp_path


def install(checkout: Path) -> subprocess.CompletedProcess[str]:
    """Install the kind that has nothing of ours in it."""
    environment = {
        **os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(checkout / "index")
    }  # fmt: skip
    return subprocess.run(
        [_INSTALL, ".venv", "loadtest"],
        cwd=checkout, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_newer_package_changes_nothing(checkout: Path) -> None:
    """Nor does one that another asks for with an extra, which a lock cannot name."""
    done = install(checkout)

    assert done.returncode == 0, done.stderr
    packages = checkout.glob(".venv/lib/python*/site-packages/asked-*.dist-info")
    assert [each.name for each in packages] == ["asked-1.0.dist-info"]


def test_lock_that_lacks_something_is_no_installation(checkout: Path) -> None:
    """It is named, and what stands there is not taken for whole."""
    lock = checkout / "requirements" / "loadtest.txt"
    lock.write_text(lock.read_text().splitlines()[0] + "\n")

    done = install(checkout)

    assert done.returncode != 0
    assert "asking 1.0 requires asked" in done.stderr
    assert not (checkout / ".venv" / ".place").exists()
