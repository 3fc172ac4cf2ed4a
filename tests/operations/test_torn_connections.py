"""A connection torn down in the middle is a database that is away, not a bug."""

import asyncpg
import pytest

from settlement.domain.errors import RequestRefused
from settlement.store.access import reaching
from settlement.store.errors import StoreUnavailableError
from settlement.store.find import reading_faults


def test_look_up_is_told_as_503() -> None:
    """asyncpg raises an error of its own kind when a statement meets the end."""
    with pytest.raises(RequestRefused, match="MA-5105"), reading_faults():
        raise asyncpg.InternalClientError("another operation is in progress")


def test_access_is_told_as_503() -> None:
    """As above, where sessions and nonces are looked up."""
    with pytest.raises(StoreUnavailableError), reaching():
        raise asyncpg.InternalClientError("another operation is in progress")
