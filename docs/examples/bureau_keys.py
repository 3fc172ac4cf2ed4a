"""Make a bureau's two key pairs on the bureau's own machine.

The private files stay there; the public ones go to the gateway's operator. Usage:
.venv/bin/python docs/examples/bureau_keys.py BUREAU_CODE FOLDER
"""  # noqa: INP001  # an example, no package

import os
import sys
from pathlib import Path

from crypto.key_files import private_key_file, public_key_file
from crypto.keys import OpeningKey, Role, SigningKey, make_possession


def make_keys(code: str, folder: Path) -> None:
    """Write four new files; raises `FileExistsError` where one stands already."""
    opening = OpeningKey.generate(os.urandom)
    roster = SigningKey.generate(Role.BUREAU_ROSTER, os.urandom)
    # The proof shows that whoever hands the key in holds its private half.
    proof = make_possession(roster, code)
    for name, text, mode in (
        ("bureau-key.json", private_key_file(opening), 0o600),
        ("roster-key.json", private_key_file(roster), 0o600),
        ("bureau-key.public.json", public_key_file(opening.public), 0o644),
        ("roster-key.public.json", public_key_file(roster.public, proof), 0o644),
    ):
        new = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(folder / name, new, mode), "wb") as file:
            file.write(text)


if __name__ == "__main__":
    bureau_code, place = sys.argv[1], Path(sys.argv[2])
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    make_keys(bureau_code, place)
