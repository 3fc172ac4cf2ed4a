"""A bureau whose roster is that of a gateway which settles in the same test."""

from pathlib import Path
from typing import Any

from settlement.service.roster import ImportRules, RosterImported, import_roster
from tests.roster.bureau import CATEGORIES, NOW, TRUST, Bureau
from tests.settlement.house import House


class OwnBureau(Bureau):
    """A bureau whose files are tokenised with a house's key."""

    house: House

    async def take(
        self, manifest: Path, *, max_refused_ppm: int = 1_000, trust: Any = TRUST
    ) -> RosterImported:
        """Import into the house's roster."""
        rules = ImportRules(
            trust=trust,
            tokenizer=self.house.tokenizer,
            categories=CATEGORIES,
            now=NOW,
            max_refused_ppm=max_refused_ppm,
        )
        return await import_roster(self.database, manifest, rules)
