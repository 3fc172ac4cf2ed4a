"""No name, card or identity number stands in the roster's tables or in the cache."""

from eligibility_cache.follower import Follower
from eligibility_cache.store import EligibilityCache
from settlement.store.database import Database
from tests.roster.bureau import Bureau, card_number, id_number, person_token, row

PERSONS = range(1, 40)
_NAME = "欧阳某某"
_NOTE = "备注一二"
_HOUSEHOLD = "H-20260101-7"


async def test_raw_bytes_hold_tokens_alone(
    bureau: Bureau, database: Database, follower: Follower, cache: EligibilityCache
) -> None:
    """Looked for in every row of every roster table, and in the cache's own files."""
    rows = [row(n, name=_NAME, note=_NOTE, household_id=_HOUSEHOLD) for n in PERSONS]
    await bureau.full(*rows)
    await bureau.delta(row(1, name=_NAME, note=_NOTE, category="特困"))
    await follower.catch_up()

    stored = b"".join(
        [path.read_bytes() for path in cache.folder.path.rglob("*") if path.is_file()]
    )
    async with database.pool.acquire() as connection:
        tables = await connection.fetch(
            "SELECT tablename FROM pg_tables WHERE tablename LIKE 'roster%'"
        )
        assert {"roster_window", "roster_card", "roster_change"} <= {
            each["tablename"] for each in tables
        }
        for each in tables:
            name = each["tablename"]
            texts = await connection.fetch(f'SELECT t::text AS row FROM "{name}" t')  # noqa: S608  # from the catalogue
            stored += "\n".join(text["row"] for text in texts).encode()

    # What is looked for would be seen: the tokens are there, in both.
    assert person_token(1) in stored
    assert person_token(1).hex().encode() in stored
    hexed = stored.lower()
    for secret in (
        _NAME, _NOTE, _HOUSEHOLD,
        *(card_number(n) for n in PERSONS), *(id_number(n) for n in PERSONS),
    ):  # fmt: skip
        plain = secret.encode()
        assert plain not in stored
        assert plain.hex().encode() not in hexed
        assert secret.encode("gb18030") not in stored
