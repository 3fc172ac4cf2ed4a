"""May this pack be applied: two officers' signatures over its exact bytes."""

from __future__ import annotations

from collections.abc import Iterator

from crypto.approval import verify_approval
from crypto.errors import CryptoError
from crypto.keys import Role, VerifyingKey
from settlement.domain.policy import CompiledPack
from settlement.store.policies import Approval, PackRow

#: A second person looks at every rule before money follows it.
APPROVALS_NEEDED = 2


def valid_approvals(row: PackRow) -> Iterator[Approval]:
    """Signatures of officers that hold, one for each person."""
    persons = set()
    for approval in row.approvals:
        if approval.party_id not in persons and _holds(row.document, approval):
            persons.add(approval.party_id)
            yield approval


def _holds(document: bytes, approval: Approval) -> bool:
    if approval.role != "officer" or approval.public_key is None:
        return False
    revoked = approval.revoked_at
    if revoked is not None and revoked <= approval.signed_at:
        return False
    try:
        key = VerifyingKey(approval.public_key, Role.PARTY)
        verify_approval(document, approval.signature, key)
    except CryptoError:
        return False
    return key.kid == approval.key_id


def needs_approval(pack: CompiledPack, *, sandbox: bool) -> bool:
    """Whether a pack needs officers: every one but a sandbox's fictional packs."""
    return not (sandbox and pack.document.fictional)


def lacks_approval(row: PackRow, pack: CompiledPack, *, sandbox: bool) -> str | None:
    """Why the pack may not be applied, in one sentence; `None` where it may."""
    if not needs_approval(pack, sandbox=sandbox):
        return None
    name = f"{pack.ref.id}@{pack.ref.version}"
    if pack.document.fictional:
        return f"policy pack {name} is fictional and counts in a sandbox only"
    found = len(list(valid_approvals(row)))
    if found < APPROVALS_NEEDED:
        return (
            f"policy pack {name} has {found} valid approval{'s' * (found != 1)} of"
            f" {APPROVALS_NEEDED}: officers sign it with medaid policy approve"
        )
    return None
