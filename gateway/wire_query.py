"""The parameters of a query: known by name, each once, each in its form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from multidict import MultiMapping

from gateway.wire_faults import Faults, shown_name

#: By name: the whole value's form, and the reason where it has another.
Known = Mapping[str, tuple[re.Pattern[str], str]]


def parse_query(query: MultiMapping[str], known: Known) -> Mapping[str, str]:
    """The parameters by name; raises `RequestRefused` MA-1102 with every fault."""
    faults = Faults()
    for path, why in _faults_of(query, known):
        faults.add(path, why)
    if faults:
        raise faults.refusal()
    return dict(query)


def _faults_of(query: MultiMapping[str], known: Known) -> Iterator[tuple[str, str]]:
    seen = set()
    for name, value in query.items():
        if name not in known:
            yield shown_name(name), "MA-1121"
            continue
        form, why = known[name]
        if name in seen:
            yield name, "MA-1127"
        elif form.fullmatch(value) is None:
            yield name, why
        seen.add(name)
