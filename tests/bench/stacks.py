"""Which step of a settlement each sampled stack belongs to."""

from __future__ import annotations

import linecache
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_STACK = "most recent call first"
_FRAME = re.compile(r'^  File "(?P<path>.+)", line (?P<line>\d+) in (?P<name>.+)$')
#: Below these the event loop runs: what called it is no part of any step.
_LOOP = ("asyncio/runners.py", "uvloop/__init__.py")
_SIGNS = re.compile(r"\b_?sign(er)?(_note)?\(")

HTTP = "HTTP: read, route, send"
PARSE = "who calls; parse the bill"
LOOK_UP = "look up person and policy; request as kept"
ADJUDICATE = "adjudicate"
DETECT = "detectors at the desk"
SEAL = "content and sealing"
SIGN = "signatures"
LOG = "log, receipt"
ANSWER = "render the answer"
SQL = "statements: encode, send, read (SQL)"
BATCH = "pool, batch, rows"
LOOP = "event loop, sockets (C)"
REST = "the rest"

#: In the order in which a settlement meets them.
STEPS = (
    HTTP, PARSE, LOOK_UP, BATCH, SQL, ADJUDICATE, DETECT, SEAL, SIGN, LOG, ANSWER,
    LOOP, REST,
)  # fmt: skip

#: Path from an import root: the longest that fits decides.
_OF_PATH = {
    "aiohttp/": HTTP,
    "multidict/": HTTP,
    "yarl/": HTTP,
    "gateway/": HTTP,
    "gateway/access.py": PARSE,
    "gateway/limits.py": PARSE,
    "gateway/wire": PARSE,
    "gateway/identity.py": PARSE,
    "pydantic/": PARSE,
    "settlement/service/access.py": PARSE,
    "settlement/domain/bill.py": PARSE,
    "gateway/render.py": ANSWER,
    "settlement/service/outcome.py": ANSWER,
    "eligibility_cache/": LOOK_UP,
    "settlement/domain/eligibility.py": LOOK_UP,
    "settlement/service/asking.py": LOOK_UP,
    "settlement/service/policy_shelf.py": LOOK_UP,
    "settlement/service/request.py": LOOK_UP,
    "settlement/service/settle.py": LOOK_UP,
    "settlement/service/": BATCH,
    "settlement/service/content.py": SEAL,
    "settlement/service/logbook.py": LOG,
    "settlement/service/publish.py": LOG,
    "settlement/service/watch/": DETECT,
    "settlement/domain/": ADJUDICATE,
    "settlement/domain/watch/": DETECT,
    "settlement/store/": SQL,
    "asyncpg/": SQL,
    "crypto/": SEAL,
    "crypto/merkle.py": LOG,
    "crypto/checkpoint.py": LOG,
    "crypto/note.py": LOG,
    "crypto/receipt.py": LOG,
    "crypto/tiles.py": LOG,
    "crypto/tokens.py": LOOK_UP,
}
_ROOT = re.compile(r"(?:^|/)((?:" + "|".join(
    sorted({re.escape(path.partition("/")[0]) for path in _OF_PATH})
) + r")/.+\.py)$")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Frame:
    """One function that is under way."""

    path: str
    line: int

    @property
    def source(self) -> str:
        """The line of the program."""
        return linecache.getline(self.path, self.line)


def stacks(text: str) -> Iterator[list[Frame]]:
    """Every stack in what `faulthandler` has written, innermost frame first."""
    found: list[Frame] | None = None
    for line in text.splitlines():
        if _STACK in line:
            if found is not None:
                yield found
            found = []
        elif found is not None and (frame := _FRAME.match(line)):
            found.append(Frame(frame["path"], int(frame["line"])))
    if found is not None:
        yield found


def step_of(
    stack: list[Frame], source: Callable[[Frame], str] = lambda frame: frame.source
) -> str:
    """The step of the innermost frame that is of one; a library's is its caller's."""
    if not stack:
        return REST
    for frame in stack:
        if frame.path.endswith(_LOOP):
            return LOOP
        inside = _ROOT.search(frame.path)
        if inside is None:
            continue
        path = inside.group(1)
        if path.startswith("crypto/") and _SIGNS.search(source(frame)):
            return SIGN
        return _OF_PATH[max(filter(path.startswith, _OF_PATH), key=len)]
    return REST


def counted(text: str) -> Counter[str]:
    """How many stacks are of each step."""
    return Counter(step_of(stack) for stack in stacks(text))
