"""One parser under atheris, led by coverage of our own packages.

Run by `python -m tests.fuzz`, one process for each parser, because libFuzzer ends
the process. The arguments after the parser's name are libFuzzer's.
"""

import importlib
import sys
from typing import Any

#: Of an extra of its own, and without types.
atheris: Any = importlib.import_module("atheris")

with atheris.instrument_imports(
    include=["crypto", "gateway", "settlement", "eligibility_cache"]
):
    from tests.fuzz.parsers import BY_NAME


def main() -> None:
    """Feed the parser until libFuzzer has had enough; a finding ends the process."""
    name, *options = sys.argv[1:]
    parser = BY_NAME[name]

    def one_input(raw: bytes) -> None:
        parser.check(raw)

    atheris.Setup([sys.argv[0], *options], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
