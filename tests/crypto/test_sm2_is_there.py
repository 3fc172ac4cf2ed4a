"""Where there is a wheel of the SM2 library it is installed, and nothing is skipped."""

from __future__ import annotations

import platform

import pytest

from crypto import sm2


@pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="there is no wheel of gmssl-pyx for this machine",
)
def test_library_is_there() -> None:
    """Else every test of wrapped bodies would be left out without a word."""
    assert sm2.is_available()
