"""The witness's units: read by systemd where it is there, and by the command itself."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli.main import main
from gateway.endings import NEEDS_REPAIR
from tests.support.sources import PROJECT

SYSTEMD = PROJECT / "deploy" / "systemd"
PROGRAM = "/opt/medaid/.venv/bin/medaid"
UNITS = ["medaid-witness.service", "medaid-witness-serve.service"]


def text_of(name: str) -> str:
    """The unit as it is handed out."""
    return (SYSTEMD / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*UNITS, "medaid-witness.timer"])
def test_systemd_takes_the_witness_units(name: str, tmp_path: Path) -> None:
    """`systemd-analyze verify`, with a program that exists in place of ours."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd-analyze here: its file was not checked")
    for each in (*UNITS, "medaid-witness.timer"):
        (tmp_path / each).write_text(text_of(each).replace(PROGRAM, "/bin/true"))

    done = subprocess.run(
        [program, "verify", "--man=no", str(tmp_path / name)],
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip

    said = done.stdout + done.stderr
    assert "medaid" not in said, said


@pytest.mark.parametrize("name", UNITS)
def test_unit_starts_a_command_that_there_is(name: str) -> None:
    """Every option is one of the command's; in capitals only what is to be changed."""
    (begun,) = re.findall(rf"^ExecStart={PROGRAM} (.*)$", text_of(name), re.MULTILINE)
    words = shlex.split(begun)
    options = {word for word in words if word.startswith("--")}

    shown = CliRunner().invoke(main, [*words[:2], "--help"])

    assert shown.exit_code == 0
    assert {option for option in options if option not in shown.output} == set()
    assert re.findall(r"[A-Z.]{4,}", begun) in ([], ["GATEWAY.EXAMPLE"])
    for line in ("LimitCORE=0", "NoNewPrivileges=true", "UMask=0077"):
        assert f"\n{line}\n" in text_of(name)


def test_witness_stays_down_where_somebody_must_mend_it() -> None:
    """A witness that has forgotten must not come back by itself."""
    given = re.findall(r"^Restart.*=.*$", text_of(UNITS[1]), re.MULTILINE)

    assert given == [
        "Restart=always",
        "RestartSec=5",
        f"RestartPreventExitStatus={NEEDS_REPAIR}",
    ]
