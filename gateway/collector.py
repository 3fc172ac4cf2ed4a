"""The search for cyclic garbage: it costs more than what requests leave of it."""

from __future__ import annotations

import gc

#: New objects between two searches.
_COLLECT_AFTER = 20_000


def spare_the_collector() -> None:
    """Keep what start-up made out of every later search, and search less often.

    Packs, schemas and modules live as long as the process.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)
