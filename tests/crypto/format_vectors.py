"""Every example of docs/formats, made from fixed keys and fixed randomness."""

import hashlib
import json

from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey,
    X25519PublicKey,
)

from crypto import errors
from crypto.add_checkpoint import AddCheckpoint
from crypto.cosignature import WitnessKey, cosign
from crypto.encoding import canonical_json
from crypto.http_signature import HttpRequest, content_digest, sign_request
from crypto.key_files import private_key_file, public_key_file
from crypto.keys import Role, SigningKey, make_possession
from crypto.ma1 import concat_kdf
from crypto.manifest import Manifest, sign_manifest
from crypto.merkle import RightEdge, consistency_proof
from crypto.package import PackageManifest
from crypto.proof import LogProof
from crypto.receipt import Receipt
from crypto.record import record_hash
from crypto.tiles import entry_bundle, tile_bytes
from crypto.trust import trust_file
from tests.crypto.fixed import (
    BUREAU_KEY,
    CHECKPOINT_KEY,
    CHECKPOINTS,
    CONTENT,
    ORIGIN,
    PARTY_KEY,
    PARTY_SECRET,
    RECORD_KEY,
    ROSTER_KEY,
    TRUST,
    claims,
    jwe_of,
    seal,
    secret,
    stream,
    unb64u,
)

INDEX, SIZE = 3, 7
WITNESS_NAME = "witness.example/w1"
WITNESS = SigningKey(secret("witness"), Role.WITNESS_COSIGN)
CREATED, NONCE = 1_767_578_400, "bm9uY2UgMDAwMQ"
REQUEST = HttpRequest(
    "POST",
    "gateway.example",
    "/v1/sessions",
    {"content-type": "application/json"},
    b'{"operator":"op-7"}',
)
MANIFEST = Manifest(
    kind="full",
    version=7,
    previous_version=None,
    as_of="2026-01-01T00:00:00Z",
    rows=3000,
    sha256=hashlib.sha256(b"roster").hexdigest(),
    file="roster-7.csv.gz",
)


def examples() -> dict[str, str]:
    """Name and text of every vector."""
    found: dict[str, str] = {}
    for make in (_records, _log, _keys, _manifest, _http):
        found |= make()
    return found


def codes() -> str:
    """The table of error codes, from the classes themselves."""
    classes = [
        each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, errors.CryptoError)
    ]
    return "\n".join(
        f"| `{each.code}` | {each.__doc__} |"
        for each in sorted(classes, key=lambda each: each.code)
        if each is not errors.CryptoError
    )


def _records() -> dict[str, str]:
    random = stream("record")
    ephemeral, iv = random(32), random(12)
    record = seal()
    shared = _agreed(ephemeral)
    apu = f"{RECORD_KEY.kid}.{claims()['sid']}".encode()
    parties = {"apu": apu, "apv": BUREAU_KEY.kid.encode()}
    steps = {
        "ephemeral_private": ephemeral.hex(),
        "iv": iv.hex(),
        "shared_secret": shared.hex(),
        "content_key": concat_kdf(shared, "A256GCM", **parties).hex(),
        "record_sha256": record_hash(record).hex(),
    }
    return {
        "record-steps": json.dumps(steps, indent=2),
        "content": CONTENT.decode(),
        "jwe-header": unb64u(jwe_of(record)[0]).decode(),
        "record": record.decode(),
    }


def _agreed(ephemeral: bytes) -> bytes:
    recipient = X25519PublicKey.from_public_bytes(BUREAU_KEY.public.public_bytes)
    return X25519PrivateKey.from_private_bytes(ephemeral).exchange(recipient)


def _log() -> dict[str, str]:
    record = seal()
    entries = [hashlib.sha256(bytes([number])).digest() for number in range(SIZE)]
    entries[INDEX] = record_hash(record)
    tree = RightEdge().extend(entries)
    checkpoint = CHECKPOINTS.sign(SIZE, tree.root)
    path = tree.paths[INDEX]
    receipt = Receipt(record, ORIGIN, INDEX, SIZE, path, checkpoint)
    leaves = [leaf for _index, leaf in tree.complete_nodes(0)]
    month = PackageManifest(
        origin=ORIGIN, month="2026-01", facility="H001", count=1, tree_size=SIZE
    )
    return {
        "checkpoint": checkpoint,
        "vkey": CHECKPOINTS.vkey,
        "tile": tile_bytes(leaves).hex(),
        "entries": entry_bundle(entries).hex(),
        "proof": LogProof(INDEX, path, checkpoint).to_text(),
        "right-edge": tree.edge.to_bytes().hex(),
        "cosigned": checkpoint + _cosignature(checkpoint),
        "witness-vkey": WitnessKey(WITNESS_NAME, WITNESS.public).vkey,
        "add-checkpoint": _request(tree.edge, entries).decode(),
        "receipt": json.dumps(receipt.to_document(), indent=2, ensure_ascii=False),
        "package-manifest": month.to_bytes().decode(),
    }


def _cosignature(checkpoint: str) -> str:
    return cosign(checkpoint, WITNESS_NAME, WITNESS, CREATED)


def _request(edge: RightEdge, entries: list[bytes]) -> bytes:
    """The tree of seven offered to a witness that has seen the first four."""
    grown = RightEdge().extend(entries[:4]).edge.extend(entries[4:])
    hashes = {(2, 0): grown.edge.hashes[0]}
    for level in (0, 1):
        hashes |= {(level, index): node for index, node in grown.complete_nodes(level)}
    path = consistency_proof(4, edge.size, lambda *node: hashes[node])
    return AddCheckpoint(4, path, CHECKPOINTS.sign(edge.size, edge.root)).to_body()


def _keys() -> dict[str, str]:
    possession = make_possession(PARTY_KEY, "H001")
    files = {
        "trust-file": trust_file(TRUST),
        "record-key": private_key_file(RECORD_KEY),
        "checkpoint-key": private_key_file(CHECKPOINT_KEY),
        "bureau-key": private_key_file(BUREAU_KEY),
        "roster-key": private_key_file(ROSTER_KEY),
        "shared-secret": private_key_file(PARTY_SECRET),
        "party-public-key": public_key_file(PARTY_KEY.public, possession),
    }
    return {name: text.decode() for name, text in files.items()}


def _manifest() -> dict[str, str]:
    text = sign_manifest(MANIFEST, ROSTER_KEY)
    document = json.loads(text)
    document.pop("signature")
    return {
        "manifest": text.decode(),
        "manifest-signed": canonical_json(document).decode(),
    }


def _http() -> dict[str, str]:
    signature = sign_request(REQUEST, PARTY_SECRET, created=CREATED, nonce=NONCE)
    parameters = signature["Signature-Input"].removeprefix("sig1=")
    base = (
        '"@method": POST\n"@authority": gateway.example\n"@path": /v1/sessions\n'
        '"content-type": application/json\n'
        f'"content-digest": {content_digest(REQUEST.body)}\n'
        f'"@signature-params": {parameters}'
    )
    request = (
        "POST /v1/sessions HTTP/1.1\nHost: gateway.example\n"
        f"Content-Type: application/json\n\n{REQUEST.body.decode()}"
    )
    lines = "\n".join(f"{name}: {value}" for name, value in signature.items())
    return {"http-request": request, "http-base": base, "http-signature": lines}
