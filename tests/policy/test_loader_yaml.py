"""Of YAML only the small, safe part is read."""

import pytest

from settlement.domain.policy.tree import MAX_BYTES
from tests.policy.small_pack import SMALL, faults_of, swap

#: YAML that is broken or unsafe: the document, code, and line where it is known.
UNSAFE: list[tuple[str, str, str, int | None]] = [
    ("duplicate key", swap("id: small", "id: small\nid: small"), "MA-7003", 3),
    ("anchor", swap("id: small", "id: &a small"), "MA-7004", 2),
    ("alias", swap("id: small", "id: *a"), "MA-7004", 2),
    ("standard tag", swap("id: small", "id: !!str small"), "MA-7005", 2),
    ("own tag", swap("id: small", "id: !boom {a: b}"), "MA-7005", 2),
    ("key that is a group", swap("id: small", "? {a: b}\n: c"), "MA-7002", 2),
    ("open bracket", swap("id: small", "id: [small"), "MA-7002", 3),
    ("tab", swap("id: small", "id: small\n\tx: y"), "MA-7002", 3),
    ("control character", swap("id: small", "id: sm\x07all"), "MA-7002", 0),
    ("two documents", SMALL + "---\na: b\n", "MA-7002", None),
    ("a list", "- a\n- b\n", "MA-7002", 1),
    ("nothing", "", "MA-7002", 1),
    ("just words", "just words", "MA-7002", 1),
    ("too deep", swap("id: small", "id: " + "[" * 10 + "]" * 10), "MA-7001", 2),
    ("too many values", "a: [" + "1," * 60_000 + "]", "MA-7001", 1),
    ("too large", "a: " + "x" * MAX_BYTES, "MA-7001", 0),
    ("later format", swap("medaid-pack/1", "medaid-pack/2"), "MA-7014", 1),
    ("no format", swap("schema: medaid-pack/1\n", ""), "MA-7014", 1),
]


@pytest.mark.parametrize(
    ("text", "code", "line"), [pytest.param(*rest, id=what) for what, *rest in UNSAFE]
)
def test_unsafe_yaml_is_refused(text: str, code: str, line: int | None) -> None:
    """Duplicates, anchors, tags, odd keys, bombs and broken YAML: place and remedy."""
    faults = faults_of(text)
    assert code in {fault.code for fault in faults}
    place = next(fault.line for fault in faults if fault.code == code)
    assert line is None or place == line


def test_a_billion_laughs_are_never_expanded() -> None:
    """Aliases are refused as they are met, so nothing multiplies."""
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    assert {fault.code for fault in faults_of("\n".join(rows))} == {"MA-7004"}


def test_bytes_that_are_no_utf8_are_placed_by_line() -> None:
    """A file saved in another encoding is told so, with the first line at fault."""
    document = SMALL.encode().replace("小政策".encode(), "小政策".encode("gbk"))
    [fault] = faults_of(document)
    assert (fault.code, fault.line) == ("MA-7002", 4)
