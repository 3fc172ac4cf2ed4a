"""The demo pack's outpatient rule in two other engines: run in an environment apart.

Reads a job as JSON from standard input and answers JSON on standard output. Knows
nothing of this project: the numbers of the rule come with the job. OpenFisca-Core is
under the AGPL and never a dependency of the program; it is installed for this script
alone, by `make bench`.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median
from typing import Any

_ROUNDS = 9
#: More than any bill: stands for no limit.
_BOUNDLESS = 10**9

_COLUMNS = ("rate_ppm", "visit_cap", "year_cap")

#: By category: a rate, a cap per visit and a cap per year; `None` is no limit.
Rules = dict[str, dict[str, int | None]]
Bill = dict[str, Any]
Aid = Callable[[Bill], int]
Formula = Callable[[Any, Any], Any]


def zen_engine(rules: Rules) -> Aid:
    """A decision table by category, then five expressions: the engine's own idiom."""
    zen: Any = importlib.import_module("zen")
    table = {
        "hitPolicy": "first",
        "inputs": [{"id": "c", "name": "category", "field": "category"}],
        "outputs": [{"id": name, "name": name, "field": name} for name in _COLUMNS],
        "rules": [
            {"_id": category, "c": json.dumps(category)}
            | {name: str(_number(row[name])) for name in _COLUMNS}
            for category, row in rules.items()
        ],
        "passThrough": True,
        "executionMode": "single",
    }
    expressions = {
        "owed": "total - funds",
        "base": "min([$.owed, max([0, in_policy - funds - commercial])])",
        "rated": "floor(($.base * rate_ppm + 500000) / 1000000)",
        "capped": "min([$.rated, visit_cap])",
        "aid": "min([$.capped, max([0, year_cap - used])])",
    }
    steps = [
        {"id": key, "key": key, "value": value} for key, value in expressions.items()
    ]
    nodes = [
        {"id": "in", "type": "inputNode", "name": "in"},
        {"id": "table", "type": "decisionTableNode", "name": "table", "content": table},
        {"id": "steps", "type": "expressionNode", "name": "steps",
         "content": {"expressions": steps}},
        {"id": "out", "type": "outputNode", "name": "out"},
    ]  # fmt: skip
    path = ("in", "table", "steps", "out")
    edges = [
        {"id": f"{a}-{b}", "sourceId": a, "targetId": b, "type": "edge"}
        for a, b in pairwise(path)
    ]
    graph = zen.ZenDecisionContent(json.dumps({"nodes": nodes, "edges": edges}))
    engine = zen.ZenEngine({"loader": lambda _: graph})

    def aid(bill: Bill) -> int:
        return int(engine.evaluate("rule", bill)["result"]["aid"])

    return aid


def openfisca(rules: Rules) -> Aid:
    """One person, one variable for each step, a new simulation for each bill."""
    numpy: Any = importlib.import_module("numpy")
    entities: Any = importlib.import_module("openfisca_core.entities")
    simulations: Any = importlib.import_module("openfisca_core.simulations")
    systems: Any = importlib.import_module("openfisca_core.taxbenefitsystems")
    person = entities.build_entity("person", "persons", "A person", is_person=True)
    inputs = ("category", "total", "in_policy", "funds", "commercial", "used")
    system = systems.TaxBenefitSystem([person])
    for name in inputs:
        system.add_variable(_variable(name, person))
    for name, formula in _formulas(numpy, rules).items():
        system.add_variable(_variable(name, person, formula=formula))
    place = {category: number for number, category in enumerate(rules)}

    def run(bill: Bill) -> int:
        simulation = simulations.SimulationBuilder().build_default_simulation(system, 1)
        values = bill | {"category": place[bill["category"]]}
        for name in inputs:
            simulation.set_input(name, "2026-01-05", numpy.array([values[name]]))
        return int(simulation.calculate("aid", "2026-01-05")[0])

    return run


def _variable(name: str, person: Any, **formula: Formula) -> Any:
    """A whole number for each day, given or computed."""
    periods: Any = importlib.import_module("openfisca_core.periods")
    variables: Any = importlib.import_module("openfisca_core.variables")
    body = {
        "value_type": int,
        "entity": person,
        "definition_period": periods.DateUnit.DAY,
        "label": name,
    }
    return type(name, (variables.Variable,), body | formula)


def _formulas(numpy: Any, rules: Rules) -> dict[str, Formula]:
    """The steps over arrays of persons; 64 bits, which the engine's own 32 are not."""
    columns = {
        name: numpy.array([_number(row[name]) for row in rules.values()], "int64")
        for name in _COLUMNS
    }

    def base(person: Any, period: Any) -> Any:
        funds, total = person("funds", period), person("total", period)
        scope = person("in_policy", period) - funds - person("commercial", period)
        return numpy.minimum(total - funds, numpy.maximum(0, scope))

    def rated(person: Any, period: Any) -> Any:
        rate_ppm = columns["rate_ppm"][person("category", period)]
        exact_ppm = person("base", period).astype("int64") * rate_ppm
        return (exact_ppm + 500_000) // 1_000_000

    def aid(person: Any, period: Any) -> Any:
        chosen = person("category", period)
        room = columns["year_cap"][chosen] - person("used", period)
        capped = numpy.minimum(person("rated", period), columns["visit_cap"][chosen])
        return numpy.minimum(capped, numpy.maximum(0, room))

    return {"base": base, "rated": rated, "aid": aid}


def _number(fen: int | None) -> int:
    return _BOUNDLESS if fen is None else fen


def median_us(call: Aid, bill: Bill, calls: int) -> float:
    """Median microseconds of one evaluation."""
    rounds = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        for _ in range(calls):
            call(bill)
        rounds.append((time.perf_counter() - started) / calls * 1e6)
    return median(rounds)


def measured(
    make: Callable[[Rules], Aid], job: dict[str, Any], calls: int
) -> dict[str, Any]:
    """Its time for the ordinary bill, once every amount of the job has come out."""
    try:
        call = make(job["rules"])
    except ImportError as error:
        return {"missing": str(error.name)}
    bills: Sequence[Bill] = job["bills"]
    wrong = [
        bill
        for bill, aid_fen in zip(bills, job["aid_fen"], strict=True)
        if call(bill) != aid_fen
    ]
    if wrong:
        return {"wrong": len(wrong), "first": wrong[0]}
    return {"us": median_us(call, bills[0], calls), "checked": len(bills)}


if __name__ == "__main__":
    job = json.load(sys.stdin)
    answer = {
        "zen": measured(zen_engine, job, 2_000),
        "openfisca": measured(openfisca, job, 100),
    }
    json.dump(answer, sys.stdout)
