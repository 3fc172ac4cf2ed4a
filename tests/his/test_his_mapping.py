"""The mapping names every national field that a charge is read from, and no other."""

import ast
import re
from pathlib import Path

from gateway.his import charge, who

_ROOT = Path(__file__).resolve().parents[2]
_FIELD = re.compile(r"[a-z][a-z_]+")
#: Texts of this form in the two modules that name no field.
_NOT_FIELDS = frozenset({"data", "setlinfo", "setldetail", "medaid", "ascii"})
_READERS = frozenset({"text", "code", "fen", "day", "has", "_number", "_enum", "_card"})
_LISTS = frozenset({"_OTHER_FUNDS", "_STATED_TWICE", "_MEDAID_FIELDS"})


def _texts(node: ast.AST) -> set[str]:
    return {
        each.value
        for each in ast.walk(node)
        if isinstance(each, ast.Constant)
        and isinstance(each.value, str)
        and _FIELD.fullmatch(each.value)
    }


def _asked(call: ast.Call) -> set[str]:
    """Names that a call reads, where it is of a reader."""
    called = call.func
    is_method = isinstance(called, ast.Attribute)
    name = called.attr if is_method else getattr(called, "id", "")  # type: ignore[attr-defined]
    if name not in _READERS:
        return set()
    given = [each for each in call.args if isinstance(each, ast.Constant)]
    return set().union(*map(_texts, given))


def _read(source: str) -> set[str]:
    """Names given to what reads a node, and those of the lists."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            found |= _asked(node)
        elif isinstance(node, ast.Assign):
            if getattr(node.targets[0], "id", "") in _LISTS:
                found |= _texts(node.value)
        elif isinstance(node, ast.For) and isinstance(node.iter, ast.Tuple):
            found |= _texts(node.iter)
    return found - _NOT_FIELDS


def test_every_field_that_is_read_is_mapped_and_the_other_way_round() -> None:
    """A field in one of them alone is a mistake of the document or of the program."""
    read: set[str] = set()
    for module in (charge, who):
        read |= _read(Path(str(module.__file__)).read_text(encoding="utf-8"))
    page = (_ROOT / "docs" / "his" / "mapping.md").read_text(encoding="utf-8")
    table = page.split("## Back", maxsplit=1)[0]
    mapped: set[str] = set()
    for row in re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE):
        mapped |= set(re.findall(r"`([a-z_]+)`", row))
    assert mapped == read
