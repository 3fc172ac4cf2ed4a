"""What is told of a package: in Chinese and English, and nothing a terminal obeys."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import gateway.month_package as package_folder
from crypto.key_files import private_key_file
from crypto.trust import trust_file
from gateway.cli.verify import verify
from gateway.month_package import layout
from gateway.month_package.chinese import both, own_words
from settlement.service import month_check
from tests.month_package.packages import Parts, TwoMonths, altered, parts_of
from tests.month_package.test_package_hostile import replaced

#: Modules that tell nobody anything, or only the gateway's operator.
_SILENT = {"__init__.py", "chinese.py", "writer.py", "tables.py", "spool.py"}
#: No sentence by itself: a part of one, or told to programmers only.
_PARTS = {
    "index {} to {}", "index {}", "previous: {}", "too much", "a hash",
    "a place before the part's beginning", "no member is open",
}  # fmt: skip


def template(node: ast.AST) -> str | None:
    """A text of the source, with `{}` where a value is put in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(value.value) if isinstance(value, ast.Constant) else "{}"
            for value in node.values
        )
    return None


def sentences(path: Path) -> Iterator[str]:
    """Every sentence in a module that may become a finding."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    passed: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            passed.add(node.value)
        elif isinstance(node, ast.JoinedStr):
            passed.update(node.values)
    for node in ast.walk(tree):
        text = None if node in passed else template(node)
        if text and " " in text and text not in _PARTS and text[0].islower():
            yield text


def modules() -> list[Path]:
    """Everything that finds something in a package."""
    folder = Path(package_folder.__file__).parent
    found = [each for each in folder.glob("*.py") if each.name not in _SILENT]
    return [*found, Path(month_check.__file__)]


def test_every_sentence_has_its_chinese() -> None:
    """Officers read Chinese first."""
    texts = [text for path in modules() for text in sentences(path)]
    missing = [each for each in texts if own_words(each.replace("{}", "7")) is None]

    assert len(texts) > 70
    assert missing == []


def test_values_stand_in_both_sentences() -> None:
    """What the sentence names, its translation names."""
    said = "a running total is not what the entry before, 17, has left"

    assert own_words(said) == "年度累计额与上一笔 (序号 17) 之后的余额不符"
    assert both(said).endswith(said)
    assert own_words("what nobody ever said") is None
    assert both("what nobody ever said", "MA-8103").startswith("签名不成立 ")
    assert both("what nobody ever said", "MA-0000").startswith("核对不成立 ")


def run(made: TwoMonths, folder: Path, path: Path, *more: str) -> Result:
    """`medaid verify PATH` with trust file and key."""
    (folder / "trust.json").write_bytes(trust_file(made.bureau.trust))
    key = folder / "bureau.json"
    key.touch(mode=0o600)
    key.write_bytes(private_key_file(made.bureau.opening))
    trust = ["--trust", str(folder / "trust.json"), "--bureau-key", str(key)]
    return CliRunner().invoke(verify, [str(path), *trust, *more])


def test_a_sandbox_is_called_one_before_anything_else(
    alone: TwoMonths, tmp_path: Path
) -> None:
    """And the policies are named with what they can be compared by."""
    result = run(alone, tmp_path, alone.january)

    assert result.exit_code == 0
    assert result.stdout.startswith("沙箱 SANDBOX")
    assert "政策 policy demo-district@2000.1 " in result.stdout
    assert "未核对 not checked: 政策文件是否为民政局批准的" in result.stderr


@pytest.mark.parametrize("is_own", [True, False])
def test_the_bureaus_own_policy_is_compared(
    alone: TwoMonths, tmp_path: Path, is_own: bool
) -> None:
    """One space more and it is another policy."""
    parts = parts_of(alone.january)
    name = next(name for name in parts if layout.is_policy(name))
    own = tmp_path / "own.yaml"
    own.write_bytes(parts[name] if is_own else parts[name] + b"\n")
    result = run(alone, tmp_path, alone.january, "--policy", str(own))

    assert result.exit_code == (0 if is_own else 1)
    assert "not checked" not in result.stderr
    assert ("不在民政局自存的政策文件之列" in result.stderr) is not is_own


@pytest.mark.parametrize("by_name", [True, False])
def test_nothing_of_a_package_steers_the_terminal(
    alone: TwoMonths, tmp_path: Path, by_name: bool
) -> None:
    """Else a forger writes flat over what was found; no card is shown either."""

    def forge(parts: Parts) -> None:
        hidden = "\x1b[2J\x1b[H平 flat"
        path = ("payment_total_fen",)
        parts[layout.STATEMENT] = replaced(parts[layout.STATEMENT], path, hidden)
        if by_name:
            parts["\x1b[2J.yaml"] = b"C00000001"

    path = altered(alone.january, tmp_path / "m.zip", alone.bureau.signer, forge)
    result = run(alone, tmp_path, path)

    assert result.exit_code == 1
    assert "\x1b" not in result.output
    told = "\\x1b[2J.yaml" if by_name else "payment_total_fen"
    assert told in result.stderr
    assert "C00000001" not in result.output
    assert "不平 NOT flat" in result.stderr
