"""Alert rules of a test's own: the program's document, changed and numbered anew."""

from __future__ import annotations

import re
from pathlib import Path

from settlement import alert_rules

_VERSION = re.compile(r"^version: .*$", re.MULTILINE)


def rules_text(version: str = "9", **actions: str) -> str:
    """The document with other actions of some detectors."""
    text = alert_rules.read(alert_rules.DEFAULT).decode()
    text = _VERSION.sub(f"version: '{version}'", text, count=1)
    for name, action in actions.items():
        changed, count = re.subn(
            rf"(?m)^(  {name}:\n    action: )\w+", rf"\g<1>{action}", text
        )
        assert count == 1, name
        text = changed
    return text


def with_action(folder: Path, version: str = "9", **actions: str) -> Path:
    """The same as a file."""
    path = folder / f"rules-{version}-{len(actions)}.yaml"
    path.write_text(rules_text(version, **actions), "utf-8")
    return path
