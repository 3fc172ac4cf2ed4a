"""Three things to try by hand: commands that work exactly as they are printed."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from gateway.demo.incidents import key_of
from gateway.demo.pilot import Pilot
from gateway.demo.steps import bill_body
from gateway.demo.visits import Fate, Visit, bill_of
from settlement.domain.bill import CareType
from settlement.domain.calendar import SHANGHAI, rfc3339

_NUMBER = 999_901
_AT = datetime(2014, 9, 1, 9, 30, tzinfo=SHANGHAI)
_IN_POLICY_FEN = 23_200


def visit_to_try(pilot: Pilot) -> Visit:
    """A visit on the day after the three months, of a person who was aided."""
    model = next(
        visit
        for visit in reversed(pilot.visits)
        if visit.fate is Fate.STAYS
        and visit.care_type is CareType.OUTPATIENT
        and visit.corrects is None
    )
    return replace(model, number=_NUMBER, service_start=_AT.date(), at=_AT)


def commands_to_try(
    visit: Visit, base_url: str, token: str, data_dir: Path
) -> list[tuple[str, str]]:
    """What each command shows, and the command, quoted for a POSIX shell."""
    bill = bill_body(bill_of(visit, _IN_POLICY_FEN))
    question = {"card": bill["card"], "service_date": visit.service_end.isoformat()}
    answer = data_dir / "answer.json"
    settle = _curl(
        f"{base_url}/v1/settlements",
        token,
        bill,
        {"Idempotency-Key": key_of(visit), "Medaid-Sandbox-Time": rfc3339(_AT)},
    )
    check = shlex.join(
        [_medaid(), "verify", _near(answer), "--trust", _near(data_dir / "trust.json")]
    )
    return [
        (
            "Ask whether the patient may receive aid, and what is left of the year",
            _curl(f"{base_url}/v1/eligibility", token, question, {}),
        ),
        (
            "Settle a bill (run it again: the same key gives the same bytes)",
            f"{settle} | tee {shlex.quote(_near(answer))}",
        ),
        (
            "Fetch the log's signed checkpoint, and verify the receipt offline",
            f"curl -s {shlex.quote(f'{base_url}/v1/log/checkpoint')} && {check}",
        ),
    ]


def _curl(
    url: str, token: str, body: Mapping[str, Any], headers: Mapping[str, str]
) -> str:
    arguments = ["curl", "-s", url, "-H", f"Authorization: Bearer {token}"]
    arguments += ["-H", "Content-Type: application/json"]
    for name, value in headers.items():
        arguments += ["-H", f"{name}: {value}"]
    arguments += ["-d", orjson.dumps(body).decode()]
    return shlex.join(arguments)


def _medaid() -> str:
    """The program beside the Python that runs this, as one would type it."""
    return _near(Path(sys.executable).parent / "medaid")


def _near(path: Path) -> str:
    """The path from the current folder where it lies below it."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
