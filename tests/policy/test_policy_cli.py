import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.cli.main import main
from settlement import policies
from tests.policy.small_pack import small_pack

BILL: dict[str, Any] = {
    "card": {"kind": "social_security_card", "number": "A12345678"},
    "visit_no": "MZ20260105-0001",
    "bill_no": "1",
    "care_type": "outpatient",
    "service_start": "2026-01-05",
    "service_end": "2026-01-05",
    "diagnoses": ["I10"],
    "referred": True,
    "total_fen": 25_000,
    "self_funded_fen": 1000,
    "over_limit_fen": 0,
    "pre_selfpay_fen": 800,
    "in_policy_fen": 23_200,
    "basic_insurance_fen": 16_000,
    "serious_illness_fen": 0,
    "other_funds_fen": 0,
    "medical_aid_fen": 0,
    "personal_account_fen": 0,
}


def run(*arguments: str, stdin: str | None = None) -> Result:
    """Run `medaid` in this process."""
    return CliRunner().invoke(main, arguments, input=stdin)


def quote(*arguments: str, **changes: Any) -> Result:
    """Quote the bill of the interface description, changed as told."""
    return run("quote", *arguments, "--bill", "-", stdin=json.dumps(BILL | changes))


def test_quote_prints_the_decision_without_id_and_receipt() -> None:
    """80 % of 72 yuan; nothing was stored, so there is neither id nor receipt."""
    result = quote("--policy", "beijing@2023.1", "--category", "dibao")
    assert result.exit_code == 0, result.output
    decision = json.loads(result.output)
    assert decision["decision"] == "approved"
    assert decision["reason"]["code"] == "MA-2000"
    assert decision["aid_fen"] == 5760
    assert decision["aidable_base_fen"] == 7200
    assert decision["patient_pays_fen"] == 3240
    assert decision["aid"] == [{"kind": "basic", "amount_fen": 5760}]
    assert decision["policy"]["id"] == "beijing"
    assert decision["category"] == "dibao"
    assert decision["settlement_id"] is None
    assert decision["receipt"] is None
    assert decision["explanation"][1]["text"]["zh"].startswith("低保门诊救助 80%")
    assert decision["quota"][0]["used_fen"] == 5760


def test_quote_counts_what_was_used_and_takes_the_best_identity() -> None:
    """Spellings instead of ids; 20 yuan left in the pot; 特困 has no cap."""
    used = ("--used", "outpatient=798000")
    one = quote("--policy", "beijing", "--category", "低保对象", *used)
    two = quote("--policy", "beijing", "--category", "低保,特困人员", *used)
    assert json.loads(one.output)["aid_fen"] == 2000
    assert json.loads(two.output)["aid_fen"] == 7200
    assert json.loads(two.output)["category"] == "tekun"


def test_quote_counts_the_deductible() -> None:
    """Of a yearly 1,000 yuan, 990 were counted before."""
    result = quote(
        "--policy", "demo-district", "--category", "低收入",
        "--deductible-used", "99000", "--facility-level", "2",
        care_type="outpatient_special",
    )  # fmt: skip
    decision = json.loads(result.output)
    assert decision["aid_fen"] == (7200 - 1000) * 60 // 100
    assert decision["explanation"][1]["rule"] == "deductible"


def test_quote_reads_a_pack_and_a_bill_from_files(tmp_path: Path) -> None:
    """A draft can be tried before anyone installs it."""
    pack, bill = tmp_path / "draft.yaml", tmp_path / "bill.json"
    pack.write_text(small_pack(), "utf-8")
    bill.write_text(json.dumps(BILL), "utf-8")
    result = run(
        "quote", "--policy", str(pack), "--category", "甲", "--bill", str(bill)
    )
    assert json.loads(result.output)["policy"]["id"] == "small"


def test_quote_shows_a_decline_as_a_decision() -> None:
    """A refusal by rule is an answer, not an error."""
    result = quote("--policy", "beijing", "--category", "dibao", referred=False)
    assert result.exit_code == 0
    decision = json.loads(result.output)
    assert decision["decision"] == "declined"
    assert decision["reason"]["code"] == "MA-2206"
    assert decision["patient_pays_fen"] == 9000


@pytest.mark.parametrize(
    ("arguments", "changes", "said"),
    [
        (("--policy", "nowhere", "--category", "dibao"), {}, "MA-7020"),
        (("--policy", "beijing@1", "--category", "dibao"), {}, "MA-7020"),
        (("--policy", "beijing", "--category", "富人"), {}, "dibao"),
        (("--policy", "beijing", "--category", ""), {}, "dibao"),
        (("--policy", "beijing", "--category", "dibao", "--used", "clinic=1"), {},
         "outpatient"),
        (("--policy", "beijing", "--category", "dibao", "--used", "outpatient=-1"), {},
         "POT=FEN"),
        (("--policy", "beijing", "--category", "dibao", "--used", "outpatient"), {},
         "POT=FEN"),
        (("--policy", "beijing", "--category", "dibao"), {"total_fen": 1}, "MA-1113"),
        (("--policy", "beijing", "--category", "dibao"), {"color": "red"}, "color"),
        (("--policy", "beijing", "--category", "dibao"),
         {"service_start": "2022-12-31", "service_end": "2022-12-31"}, "MA-5106"),
    ],
)  # fmt: skip
def test_quote_says_what_is_wrong(
    arguments: tuple[str, ...], changes: dict[str, Any], said: str
) -> None:
    """One clear sentence, a status that is not 0, and no card number."""
    result = quote(*arguments, **changes)
    assert result.exit_code != 0
    assert said in result.output
    assert "A12345678" not in result.output
    assert "Traceback" not in result.output


def test_list_names_each_pack() -> None:
    """For people and for programs."""
    shown = run("policy", "list")
    assert "beijing@2023.1" in shown.output
    listed = json.loads(run("policy", "list", "--json").output)["packs"]
    assert {pack["id"] for pack in listed} == {
        "beijing",
        "demo-district",
        "national-frame",
    }
    assert all(len(pack["sha256"]) == 64 for pack in listed)


def test_show_lays_every_number_beside_its_source() -> None:
    """Rates, caps and quotes are printed in full, nothing cut short."""
    shown = run("policy", "show", "beijing").output
    for text in ("85%", "160,000元", "8,000元", "六（二）3", "未经证实", "就高不就低"):
        assert text in shown.replace("\n", "")
    assert "…" not in shown.replace("– …", "")
    demo = run("policy", "show", "demo-district@2000.1").output
    assert "fictional" in demo
    assert "每年1,000元" in demo
    assert "剩余负担超过5,000元部分的60%，每年20,000元，须转诊" in demo


def test_show_tells_what_holds_for_every_category() -> None:
    """Rules outside the tables: identity in a visit, own bases, aid on application."""
    shown = run("policy", "show", "beijing@2023.2").output.replace(" ", "")
    told = (
        "就诊中取得身份计入",
        "救助基数（yinbing）先行自付计入",
        "门诊计入限额（yinbing）因病致贫（依申请）",
        "进位四舍五入（未经证实）",
        "依申请：请患者保留全年票据",
    )
    for text in told:
        assert text in shown, text
    national = run("policy", "show", "national-frame").output
    assert "居民人均可支配收入" in national


def test_show_gives_the_rules_to_programs() -> None:
    """Amounts in fen, rates in parts per million, sources with quotes."""
    shown = json.loads(run("policy", "show", "demo-district", "--json").output)
    benefit = shown["benefits"]["dibao_bianyuan"]
    assert benefit["care"]["inpatient"] == {
        "rate_ppm": 700_000,
        "rate": None,
        "deductible": {"amount_fen": 100_000, "yearly": True},
        "visit_cap": {"covered": True, "cap_fen": None},
        "tilt": {
            "threshold_fen": 500_000,
            "rate_ppm": 500_000,
            "rate": None,
            "year_cap_fen": 2_000_000,
            "needs_referral": True,
            "yearly": False,
        },
        "source": "rate_bianyuan",
    }
    assert benefit["year_caps"]["outpatient"]["cap_fen"] == 400_000
    assert shown["care"]["outpatient_special"]["pot"] == "inpatient"
    assert shown["source_texts"]["tilt"]["article"] == "第八条"


def test_check_passes_all_shipped_packs() -> None:
    """Without a file: every pack, its cases counted."""
    result = run("policy", "check", "--json")
    assert result.exit_code == 0
    checked = json.loads(result.output)
    assert checked["ok"] is True
    assert [pack["file"] for pack in checked["packs"]] == list(policies.names())
    for pack in checked["packs"]:
        assert pack["cases_passed"] == pack["cases"] > 50
        assert pack["cells_without_case"] == []
    assert "69 of 69" in run("policy", "check").output


def test_check_names_line_and_field_of_every_fault(tmp_path: Path) -> None:
    """All faults of a draft at once, and a status that is not 0."""
    text = small_pack(
        {("rates", "jia", "outpatient"): "value: 120%"}, known_since="tomorrow"
    )
    draft = tmp_path / "draft.yaml"
    draft.write_text(text, "utf-8")
    line = next(
        number for number, row in enumerate(text.splitlines(), start=1) if "120%" in row
    )
    result = run("policy", "check", str(draft))
    assert result.exit_code == 1
    assert f"draft.yaml:{line}: rates.jia.outpatient.value: MA-7011" in result.output
    assert "known_since: MA-7012" in result.output
    found = json.loads(run("policy", "check", str(draft), "--json").output)
    assert found["ok"] is False
    assert [fault["code"] for fault in found["packs"][0]["faults"]] == [
        "MA-7012",
        "MA-7011",
    ]
    quoted = quote("--policy", str(draft), "--category", "甲")
    assert quoted.exit_code == 1
    assert "MA-7011" in quoted.output


def test_check_passes_a_sound_draft(tmp_path: Path) -> None:
    """It says what is still without a worked case."""
    draft = tmp_path / "draft.yaml"
    draft.write_text(small_pack(), "utf-8")
    result = run("policy", "check", str(draft))
    assert result.exit_code == 0
    assert "1 of 1 worked cases" in result.output
    assert "7 cells without a case" in result.output


@pytest.mark.parametrize("command", ["list", "show", "check"])
def test_help_has_an_example(command: str) -> None:
    """Every command explains itself."""
    assert "Example: medaid policy" in run("policy", command, "--help").output
    assert "Example: medaid quote" in run("quote", "--help").output
