"""Examples of `docs/his`: how they are found, and how an answer is held to one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[2] / "docs" / "his"
FENCED = re.compile(r"^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DIFFERS = "…"


def differences(path: str, shown: Any, told: Any) -> list[str]:
    """Where the answer lacks a field that is shown, or says another thing."""
    if isinstance(shown, dict):
        if not isinstance(told, dict):
            return [f"{path}: {told}"]
        found = [f"{path}.{name}: missing" for name in shown if name not in told]
        for name in shown.keys() & told.keys():
            found += differences(f"{path}.{name}", shown[name], told[name])
        return found
    if isinstance(shown, str) and shown.endswith(DIFFERS):
        is_alike = told and isinstance(told, str) and told.startswith(shown[:-1])
        return [] if is_alike else [f"{path}: {told}"]
    return [] if shown == told else [f"{path}: {told}"]
