"""An exported month, small or large, as `medaid settlements export` writes it."""

from collections.abc import Callable, Sequence
from pathlib import Path

from crypto.claims import Claim
from crypto.merkle import RightEdge
from crypto.package import PackageManifest
from crypto.proof import LogProof
from crypto.record import record_hash
from tests.crypto.fixed import CHECKPOINTS, ORIGIN, SEALER, claims, stream

SETTLE = claims(sid="a" * 32, day="2026-01-05")
REVERSE = claims(sid="b" * 32, op="reverse", ref="a" * 32, day="2026-01-06")
OTHER = claims(sid="c" * 32, day="2026-01-31", facility="H002")


def content_of(clear: dict[str, Claim]) -> bytes:
    """Sealed content that repeats the clear claims."""
    return (
        f'{{"claims":{{"sid":"{clear["sid"]}","facility":"{clear["facility"]}",'
        f'"total_fen":{clear["total_fen"]},"aid_fen":{clear["aid_fen"]},'
        f'"patient_pays_fen":{clear["patient_pays_fen"]}}}}}'
    ).encode()


class Month:
    """Records in the order of the log, with proofs against one checkpoint."""

    def __init__(
        self,
        clear: Sequence[dict[str, Claim]] = (SETTLE, REVERSE, OTHER),
        content: Callable[[dict[str, Claim]], bytes] = content_of,
    ) -> None:
        random = stream("month")
        self.sids = [str(each["sid"]) for each in clear]
        self.records = [SEALER.seal(each, content(each), random) for each in clear]
        tree = RightEdge().extend([record_hash(each) for each in self.records])
        self.note = CHECKPOINTS.sign(len(clear), tree.root)
        self.proofs = [
            LogProof(index, path, self.note).to_text()
            for index, path in enumerate(tree.paths)
        ]
        self.manifest = PackageManifest(
            origin=ORIGIN,
            month="2026-01",
            facility=None,
            count=len(clear),
            tree_size=len(clear),
        )

    def write(self, folder: Path) -> Path:
        """Write the folder and return it."""
        (folder / "records").mkdir(parents=True)
        (folder / "proofs").mkdir()
        (folder / "manifest.json").write_bytes(self.manifest.to_bytes())
        (folder / "checkpoint").write_text(self.note)
        for sid, record, proof in zip(
            self.sids, self.records, self.proofs, strict=True
        ):
            (folder / "records" / f"{sid}.masr").write_bytes(record)
            (folder / "proofs" / f"{sid}.tlog-proof").write_text(proof)
        return folder
