"""`medaid roster sign` and `generate`: what a bureau does before an import."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import UTC, date, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.progress import track

from crypto.errors import CryptoError
from crypto.keys import SigningKey
from crypto.manifest import Manifest, sign_manifest
from crypto.tokens import Tokenizer
from eligibility_cache.generation import AS_OF, HEADER, PERSONS_MAX, RosterGenerator
from eligibility_cache.roster_file import count_rows, is_gbk, sha256_of
from gateway.keyfiles import KeyFileFault, load_keys, read_private_key
from gateway.wiring import wall_clock
from settlement.domain.policy import compile_pack
from settlement.domain.policy.spelling import spellings
from settlement.domain.roster import RosterRefusedError
from settlement.store.database import Database

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_PROGRESS_FROM = 50_000
_DEMO_PACK = "policies/demo-district.yaml"


@click.command(
    epilog="Example: medaid roster sign 2026-07/roster.csv --kind full --version 7"
    " --key var/bureau/roster-key.json --out 2026-07/manifest.json",
)
@click.argument("data", type=_FILE)
@click.option("--kind", type=click.Choice(["full", "delta"]), required=True)
@click.option(
    "--version",
    type=click.IntRange(min=1),
    required=True,
    help="Rises over full and delta files alike.",
)
@click.option(
    "--key", "key_path", type=_FILE, required=True, help="The bureau's roster key."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The manifest to write, in the same folder as DATA.",
)
@click.option(
    "--previous-version",
    type=click.IntRange(min=1),
    help="The version that a delta changes.  [default: VERSION - 1]",
)
@click.option(
    "--as-of",
    help="Day, or instant ending in Z, that DATA describes; windows end on the day"
    " before.  [default: now]",
)
def sign(
    data: Path,
    kind: str,
    version: int,
    key_path: Path,
    out: Path,
    previous_version: int | None,
    as_of: str | None,
) -> None:
    """Count, hash and sign the roster file DATA (CSV, or CSV in gzip)."""
    if out.resolve().parent != data.resolve().parent:
        raise click.ClickException("--out must lie in the same folder as DATA")
    if out.resolve() == data.resolve():
        raise click.ClickException("--out would overwrite DATA")
    if kind == "full" and previous_version is not None:
        raise click.ClickException("a full file has no --previous-version")
    key = _roster_key(key_path)
    try:
        rows = count_rows(data)
        manifest = Manifest(
            kind=kind,
            version=version,
            previous_version=(
                None if kind == "full" else previous_version or version - 1
            ),
            as_of=as_of or _instant(wall_clock()),
            rows=rows,
            sha256=sha256_of(data),
            file=data.name,
        )
        out.write_bytes(sign_manifest(manifest, key))
    except (CryptoError, RosterRefusedError) as error:
        raise click.ClickException(f"not signed: {error}") from error
    except OSError as error:
        raise click.ClickException(
            f"{out} cannot be written: {error.strerror}"
        ) from error
    click.echo(f"{out}: {kind} version {version}, {rows:,} rows, key {key.kid}")
    if is_gbk(data):
        click.echo(
            f"{data.name} is in GBK, not UTF-8: whoever imports it declares that with"
            " --encoding gb18030. 该文件为 GBK 编码，导入时须声明。",
            err=True,
        )


@click.command(
    epilog="Example: medaid roster generate --persons 3000 --out drill --seed 7",
)
@click.option("--persons", type=click.IntRange(1, PERSONS_MAX), required=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for the file; made where it is missing.",
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option(
    "--as-of",
    type=click.DateTime(["%Y-%m-%d"]),
    default=AS_OF.isoformat(),
    show_default=True,
    help="Day around which expired and future windows lie.",
)
@click.option("--gzip", "compress", is_flag=True, help="Write roster.csv.gz instead.")
def generate(
    persons: int, out: Path, seed: int, as_of: datetime, compress: bool
) -> None:
    """Make up a roster: the same seed gives the same file, of nobody who exists.

    13 sub-districts, households, every category of the demo pack in its various
    spellings, some with two categories, expired and future windows.
    """
    path = out / ("roster.csv.gz" if compress else "roster.csv")
    try:
        out.mkdir(parents=True, exist_ok=True)
        rows = _write(path, _generator(seed, as_of.date()), persons, compress=compress)
    except OSError as error:
        raise click.ClickException(
            f"{path} cannot be written: {error.strerror}"
        ) from error
    click.echo(
        f"{path}: {persons:,} persons in {rows:,} rows\n"
        f"next: medaid roster sign {path} --kind full --version 1 --key KEY"
        f" --out {out / 'manifest.json'}"
    )


def _write(
    path: Path, generator: RosterGenerator, persons: int, *, compress: bool
) -> int:
    rows = 0
    with path.open("wb") as raw:
        # Without a time of writing, so that the same seed gives the same bytes.
        file = gzip.GzipFile("", "wb", 6, raw, mtime=0) if compress else raw
        file.write(f"{HEADER}\n".encode())
        for line in _shown(generator.lines(persons), persons):
            file.write(f"{line}\n".encode())
            rows += 1
        if compress:
            file.close()
    return rows


def _shown(lines: Iterator[str], persons: int) -> Iterator[str]:
    yield from track(
        lines,
        description="generating",
        total=persons * 1.05,
        console=Console(stderr=True),
        transient=True,
        disable=persons < _PROGRESS_FROM,
    )


def _generator(seed: int, as_of: date) -> RosterGenerator:
    pack = compile_pack(files("settlement").joinpath(_DEMO_PACK).read_bytes())
    return RosterGenerator(
        {
            category.id: sorted({*spellings(category)} - {category.id})
            for category in pack.document.categories
        },
        seed,
        as_of,
    )


def _roster_key(path: Path) -> SigningKey:
    try:
        key = read_private_key(path)
    except KeyFileFault as fault:
        raise click.ClickException(str(fault)) from fault
    if not isinstance(key, SigningKey):
        raise click.ClickException(f"{path} is not a key that signs rosters")
    return key


def _instant(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def tokenizer_of(database: Database, data_dir: Path) -> Tokenizer:
    """What makes the database's tokens; raises `click.ClickException`."""
    try:
        return load_keys(data_dir).tokenizer(await database.hold_to_token_epoch())
    except KeyFileFault as fault:
        raise click.ClickException(str(fault)) from fault


def as_json_text(document: Any) -> bytes:
    """What `--json` prints."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)
