import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from settlement import policies
from settlement.domain.bill import CareType
from settlement.domain.policy import (
    CompiledPack,
    canonical_category,
    cells_without_case,
    compile_pack,
    run_cases,
)
from settlement.domain.policy.document import WorkedCase

PACKS = {name: compile_pack(policies.read(name)) for name in policies.names()}
CASES = [
    pytest.param(pack, number, id=f"{pack.ref.id}:{case.line}")
    for pack in PACKS.values()
    for number, case in enumerate(pack.document.cases)
]
DOCS = Path(__file__).parents[2] / "docs" / "formats" / "policy.md"


def test_the_packs_that_come_with_the_program() -> None:
    """The demo district and both versions of Beijing, by the names commands use."""
    refs = {f"{pack.ref.id}@{pack.ref.version}" for pack in PACKS.values()}
    assert refs == {
        "demo-district@2000.1",
        "beijing@2023.1",
        "beijing@2023.2",
        "national-frame@2021.1",
    }


#: The bytes of packs that records name already.
FROZEN = {
    "beijing-2023.yaml": (
        "6c57bf2f2f70da78c494caa6258472d8a7a3a4ac219f9ce5ab587b4faa9e71ef"
    ),
    "demo-district.yaml": (
        "dfdef750d303eb99268bb14df1083ba72fe85b1eb165cdb96256402f75818b89"
    ),
}


@pytest.mark.parametrize("name", FROZEN)
def test_a_pack_that_was_shipped_never_changes(name: str) -> None:
    """Records pin the bytes; a correction is a new version."""
    assert PACKS[name].ref.sha256 == FROZEN[name]


@pytest.mark.parametrize(("pack", "number"), CASES)
def test_worked_case_comes_out_to_the_fen(pack: CompiledPack, number: int) -> None:
    """Every worked case of every shipped pack holds."""
    result = run_cases(pack)[number]
    assert result.differences == ()


@pytest.mark.parametrize("pack", PACKS.values(), ids=list(PACKS))
def test_each_cell_has_a_worked_case(pack: CompiledPack) -> None:
    """No category and kind of care goes without an example."""
    assert cells_without_case(pack) == []


def test_the_demo_pack_says_that_it_is_fictional() -> None:
    """Nobody takes the demo for a real decree, in either language."""
    document = PACKS["demo-district.yaml"].document
    assert document.fictional
    assert "虚构" in document.title.zh
    assert "fictional" in document.title.en
    assert all("虚构" in item.number for item in document.instruments)
    assert document.in_force_from == date(2000, 1, 1)
    assert document.in_force_to is None


#: Rate and yearly cap as the decree states them: out of and in hospital.
BEIJING = {
    "tekun": ((1_000_000, None), (1_000_000, None)),
    "fancheng_zhiqing": ((1_000_000, None), (1_000_000, None)),
    "jingjian": ((800_000, None), (850_000, None)),
    "dibao": ((800_000, 800_000), (850_000, 16_000_000)),
    "shenghuo_kunnan": ((800_000, 800_000), (850_000, 16_000_000)),
    "dishouru": ((800_000, 800_000), (850_000, 16_000_000)),
}


@pytest.mark.parametrize("category", BEIJING)
def test_beijing_has_the_numbers_of_the_decree(category: str) -> None:
    """Rates, caps and the missing deductible of 京医保发〔2022〕37号, section 6."""
    document = PACKS["beijing-2023.yaml"].document
    (out_rate, out_cap), (in_rate, in_cap) = BEIJING[category]
    for care_type, rate in (
        (CareType.OUTPATIENT, out_rate),
        (CareType.EMERGENCY, out_rate),
        (CareType.OUTPATIENT_SPECIAL, in_rate),
        (CareType.INPATIENT, in_rate),
    ):
        benefit = document.benefits[category, care_type]
        assert benefit.rate.value is not None
        assert benefit.rate.value.flat_ppm == rate
        assert benefit.deductible.value is None
        assert benefit.visit_cap.value.amount is None
        assert benefit.tilt.value is None
    assert document.year_caps[category, "outpatient"].value.amount == out_cap
    assert document.year_caps[category, "inpatient"].value.amount == in_cap
    assert document.cares[CareType.OUTPATIENT_SPECIAL].pot.value == "inpatient"


@pytest.mark.parametrize("pack", PACKS.values(), ids=list(PACKS))
def test_a_confirmed_rate_stands_in_its_quote(pack: CompiledPack) -> None:
    """A quote that does not hold the number is no source of it.

    Special outpatient care in Beijing is quoted as "the inpatient standard".
    """
    for (category, care_type), benefit in pack.document.benefits.items():
        rate, source = benefit.rate.value, benefit.rate.source
        if rate is None or not source.confirmed or source.key == "special":
            continue
        for band in rate.bands:
            for rate_ppm in band.rates.values():
                assert f"{rate_ppm // 10_000}%" in source.quote, (category, care_type)


@pytest.mark.parametrize("pack", PACKS.values(), ids=list(PACKS))
def test_a_confirmed_yearly_cap_stands_in_its_quote(pack: CompiledPack) -> None:
    """The same for yearly caps; 160,000 yuan is written 16万元 in Beijing."""
    for (category, pot), cell in pack.document.year_caps.items():
        cap_fen = cell.value.amount
        if not cap_fen:
            continue
        assert isinstance(cap_fen, int)
        yuan = cap_fen // 100
        written = {f"{yuan}元", f"{yuan // 10_000}万元", f"0.{yuan // 1000}万元"}
        assert any(text in cell.source.quote for text in written), (category, pot)


def test_beijing_corrected_has_the_bands_of_the_second_decree() -> None:
    """京医保发〔2023〕9号 section 3: 30, 40, 50 %, at most 150,000 yuan."""
    document = PACKS["beijing-2023-2.yaml"].document
    [yinbing] = [item for item in document.categories if item.id == "yinbing"]
    assert yinbing.on_application is not None
    assert "申请" in yinbing.on_application.how.zh
    for care_type in CareType:
        rate = document.benefits["yinbing", care_type].rate
        assert rate.source.confirmed
        assert rate.value is not None
        assert rate.value.yearly
        assert [
            (band.from_fen, band.to_fen, set(band.rates.values()))
            for band in rate.value.bands
        ] == [
            (0, 3_000_000, {300_000}),
            (3_000_000, 5_000_000, {400_000}),
            (5_000_000, None, {500_000}),
        ]
        assert document.cares[care_type].pot_of("yinbing").value == "application"
        assert document.benefits["yinbing", care_type].deductible.value is None
    assert document.year_caps["yinbing", "application"].value.amount == 15_000_000
    base = document.base.of("yinbing")
    assert (base.pre_selfpay_in.value, base.commercial_off.value) == (True, True)
    assert not document.base.of("dibao").pre_selfpay_in.value


def test_beijing_corrected_changes_nothing_for_social_assistance() -> None:
    """What 2023.1 gives, 2023.2 gives: the same cells, the same cases."""
    old = PACKS["beijing-2023.yaml"].document
    new = PACKS["beijing-2023-2.yaml"].document
    for key, benefit in old.benefits.items():
        assert new.benefits[key] == benefit
    for pot, cap in old.year_caps.items():
        assert new.year_caps[pot] == cap
    for field in ("pre_selfpay_in", "commercial_off", "charity_off", "top_up"):
        assert getattr(new.base, field) == getattr(old.base, field)
    kept = [(case.name, case.bill, case.expect) for case in new.cases]
    assert all((case.name, case.bill, case.expect) in kept for case in old.cases)
    assert new.known_since > old.known_since


@pytest.mark.parametrize("category", ["guer", "shiwu_ertong"])
def test_children_in_beijing_are_unconfirmed(category: str) -> None:
    """Whether the decree of 2018 still holds beside that of 2022 nobody has said."""
    document = PACKS["beijing-2023-2.yaml"].document
    benefits = [document.benefits[category, care_type] for care_type in CareType]
    assert not any(benefit.rate.source.confirmed for benefit in benefits)
    [child] = [item for item in document.categories if item.id == category]
    assert not child.source.confirmed
    assert child.on_application is not None


def test_an_identity_that_changes_during_a_stay_counts_in_beijing() -> None:
    """京医保发〔2022〕37号 十（三）: gained or lost, the visit goes by it."""
    rule = PACKS["beijing-2023-2.yaml"].document.identity_rule
    assert (rule.gained, rule.lost) == (True, True)
    assert rule.source is not None
    assert "退出社会救助对象身份的，当次门诊或住院按原救助对象身份办理" in (
        rule.source.quote
    )


def test_the_national_frame_is_a_pattern_and_no_rule() -> None:
    """Only the confirmed quotes are no reading; each placeholder says so."""
    pack = PACKS["national-frame-2021.yaml"]
    document = pack.document
    confirmed = {source.key for source in document.sources if source.confirmed}
    assert confirmed == {"rate", "aided"}
    [income] = document.indicators.values()
    assert {year: cell.source.note[:3] for year, cell in income.values.items()} == {
        2021: "占位："
    }
    for name in ("bianyuan", "yinbing"):
        for care_type in CareType:
            source = document.benefits[name, care_type].rate.source
            assert (source.confirmed, source.note[:3]) == (False, "占位：")
    for cell in document.year_caps.values():
        assert cell.source.note.startswith("占位：")


def test_the_national_frame_decides_no_bill_of_today() -> None:
    """Its only figure is one of 2021, so it covers 2022 alone."""
    pack = PACKS["national-frame-2021.yaml"]
    assert [year for year in range(2020, 2100) if pack.covers(date(year, 6, 1))] == [
        2022
    ]


def test_what_the_decree_does_not_say_is_marked() -> None:
    """Readings that the decree does not state carry a note and say unconfirmed."""
    sources = PACKS["beijing-2023.yaml"].document.sources
    open_questions = {source.key for source in sources if not source.confirmed}
    assert {"pre_selfpay", "emergency", "rounding", "day"} <= open_questions
    assert all(source.note for source in sources if not source.confirmed)
    assert all(
        "unconfirmed" in source.label for source in sources if not source.confirmed
    )


@pytest.mark.parametrize(
    ("name", "spelling", "category"),
    [
        ("demo-district.yaml", "dibao", "dibao"),
        ("demo-district.yaml", "7019", "dibao"),
        ("demo-district.yaml", " 低保　对象 ", "dibao"),
        ("demo-district.yaml", "７１３１", "tekun"),
        ("demo-district.yaml", "农村五保", "tekun"),
        ("demo-district.yaml", "低保边缘户", "dibao_bianyuan"),
        ("demo-district.yaml", "DIBAO", "dibao"),
        ("demo-district.yaml", "富人", None),
        ("demo-district.yaml", "", None),
        ("beijing-2023.yaml", "因公(病)致残返城知青", "fancheng_zhiqing"),
        ("beijing-2023.yaml", "城乡低收入", "dishouru"),
        ("beijing-2023.yaml", "孤儿", None),
    ],
)
def test_spellings_of_rosters_are_known(
    name: str, spelling: str, category: str | None
) -> None:
    """Width, case and spaces do not matter; an unknown spelling is not guessed."""
    assert canonical_category(PACKS[name], spelling) == category


def test_known_since_is_the_start_of_the_day_in_shanghai() -> None:
    """Beijing's decree was published on 2022-12-30."""
    known_since = PACKS["beijing-2023.yaml"].known_since
    assert known_since == datetime(2022, 12, 29, 16, tzinfo=UTC)


def test_the_pack_in_the_format_description_works() -> None:
    """The description's whole pack is a test vector: it compiles, its case holds."""
    [text] = re.findall(r"```yaml\n(schema:.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    pack = compile_pack(text.encode())
    assert pack.ref.id == "example"
    assert [result.passed for result in run_cases(pack)] == [True, True, True]


def test_a_case_is_read_as_written() -> None:
    """What a case leaves out is 0, the total is the sum, the bill is referred."""
    case: WorkedCase = PACKS["demo-district.yaml"].document.cases[3]
    assert case.bill.total_fen == 25_000
    assert case.bill.referred
    assert case.bill.commercial_fen == 0
    assert case.settled_on == case.bill.service_end
