"""An importer for tests, to be killed: says `begun`, takes a file in, says `done`.

Arguments: data source and manifest.
"""

import asyncio
import sys
from pathlib import Path

from settlement.service.roster import ImportRules, import_roster
from settlement.store.database import Database
from tests.roster.bureau import CATEGORIES, NOW, TOKENIZER, TRUST


async def work(dsn: str, manifest: Path) -> None:
    """Do it."""
    database = await Database.open(dsn)
    rules = ImportRules(
        trust=TRUST, tokenizer=TOKENIZER, categories=CATEGORIES, now=NOW
    )
    print("begun", flush=True)  # noqa: T201 - read by the test
    await import_roster(database, manifest, rules)
    print("done", flush=True)  # noqa: T201 - read by the test


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], Path(sys.argv[2])))
