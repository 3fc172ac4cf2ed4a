"""The registry of suites: which names exist, and what each one binds.

The algorithm of a message is never taken from the message. A key id leads to a
trusted key, the key to its suite, the suite to its algorithms; what the message
says about itself only has to agree.
"""

from __future__ import annotations

from crypto.errors import MalformedKeyError
from crypto.ma1 import MA1
from crypto.schemes import Suite

DEFAULT_SUITE = MA1.name
"""What is meant where a key file names no suite."""

_suites = {MA1.name: MA1}


def suite(name: str) -> Suite:
    """The suite with this name; raises `MalformedKeyError` for an unknown one."""
    found = _suites.get(name)
    if found is None:
        raise MalformedKeyError("there is no suite of this name")
    return found


def register(added: Suite) -> None:
    """Add a suite, once and at start-up; `ValueError` when the name is taken."""
    if added.name in _suites:
        raise ValueError(f"suite {added.name} is registered already")
    _suites[added.name] = added
