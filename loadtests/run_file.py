"""What all processes of a run have to know, in the run's folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from loadtests.plan import Event, Mix, Phase, Plan, Storm
from loadtests.world import World, read_world

_NAME = "run.json"


@dataclass(frozen=True, slots=True)
class Run:
    """One load test: its plan and where it goes."""

    folder: Path
    name: str
    """Begins every key and visit number, so no two runs share one."""
    target: str
    plan: Plan
    processes: int
    seed: int
    world_file: Path

    def world(self) -> World:
        """Who asks about whom; raises `WorldError`."""
        return read_world(self.world_file)


def write_run(run: Run) -> None:
    """Write it for the other processes; cards and secrets stay where they are."""
    document = {
        "name": run.name,
        "target": run.target,
        "plan": asdict(run.plan),
        "processes": run.processes,
        "seed": run.seed,
        "world_file": str(run.world_file),
    }
    (run.folder / _NAME).write_text(json.dumps(document, indent=1), encoding="utf-8")


def read_run(folder: Path) -> Run:
    """Read it; raises `OSError` or `ValueError`."""
    document = json.loads((folder / _NAME).read_text(encoding="utf-8"))
    plan = document.pop("plan")
    storm = plan.pop("storm")
    return Run(
        folder=folder,
        plan=Plan(
            **plan
            | {
                "phases": tuple(Phase(**one) for one in plan["phases"]),
                "events": tuple(Event(**one) for one in plan["events"]),
                "mix": Mix(**plan["mix"]),
            },
            storm=Storm(**storm) if storm else None,
        ),
        world_file=Path(document.pop("world_file")),
        **document,
    )
