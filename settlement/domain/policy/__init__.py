"""Policy packs: from a decree written down as YAML to a pure function over bills.

`compile_pack` reads bytes and gives a `CompiledPack`, or a `PolicyError` that holds
every fault with its line, field and remedy.
"""

from settlement.domain.policy.book import PolicyBook
from settlement.domain.policy.cases import (
    CaseResult,
    Difference,
    cells_without_case,
    run_cases,
)
from settlement.domain.policy.faults import PolicyError, PolicyFault
from settlement.domain.policy.pack import (
    CompiledPack,
    canonical_category,
    compile_pack,
)

__all__ = [
    "CaseResult",
    "CompiledPack",
    "Difference",
    "PolicyBook",
    "PolicyError",
    "PolicyFault",
    "canonical_category",
    "cells_without_case",
    "compile_pack",
    "run_cases",
]
