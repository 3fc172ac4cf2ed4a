"""How many inputs a run takes, and that it took them."""

import os
from collections import Counter

#: In CI, by test: together 20,000 and more.
CI = {
    "values over HTTP": 4_500,
    "bodies over HTTP": 1_000,
    "envelopes over HTTP": 600,
    "headers over HTTP": 500,
    "addresses over HTTP": 500,
    "signatures over HTTP": 200,
    "calls by openapi, positive": 250,
    "calls by openapi, negative": 250,
    "bodies": 7_000,
    "parsers": 8_000,
}
CI_FLOOR = 20_000
#: `make fuzz` multiplies what goes over HTTP.
TIMES = "MEDAID_FUZZ_TIMES"

_ALWAYS_THE_SAME = frozenset({"values over HTTP"})

taken: Counter[str] = Counter()


def wanted(test: str) -> int:
    """How many inputs the test is to take in this run."""
    times = 1 if test in _ALWAYS_THE_SAME else int(os.environ.get(TIMES, "1"))
    return CI[test] * times


def report(test: str) -> None:
    """Say how many inputs were taken; fail where they are fewer than wanted."""
    print(f"fuzz: {test}: {taken[test]} inputs")  # noqa: T201  # the count is the point
    assert taken[test] >= wanted(test)
