"""Where the project asks for the SM2 library, it is installed: nothing is skipped."""

from __future__ import annotations

from importlib.metadata import requires

from packaging.requirements import Requirement

from crypto import sm2


def test_library_is_there_where_it_is_asked_for() -> None:
    """Else every test of wrapped bodies would be left out without a word."""
    asked = [Requirement(each) for each in requires("medaid-gateway") or ()]
    (library,) = [each for each in asked if each.name == "gmssl-pyx"]
    assert library.marker is not None
    assert library.marker.evaluate({"platform_machine": "x86_64"})
    assert sm2.is_available() or not library.marker.evaluate()
