"""How many inputs a run takes, and that it took them."""

import os
from collections import Counter

#: In CI, by test: together 20,000 and more.
CI = {
    "bodies over HTTP": 1_500,
    "headers over HTTP": 500,
    "addresses over HTTP": 500,
    "signatures over HTTP": 200,
    "calls by openapi, positive": 250,
    "calls by openapi, negative": 250,
    "bodies": 9_000,
    "parsers": 9_000,
}
CI_FLOOR = 20_000
#: `make fuzz` multiplies what goes over HTTP.
TIMES = "MEDAID_FUZZ_TIMES"

taken: Counter[str] = Counter()


def wanted(test: str) -> int:
    """How many inputs the test is to take in this run."""
    return CI[test] * int(os.environ.get(TIMES, "1"))


def report(test: str) -> None:
    """Say how many inputs were taken; fail where they are fewer than wanted."""
    print(f"fuzz: {test}: {taken[test]} inputs")  # noqa: T201  # the count is the point
    assert taken[test] >= wanted(test)
