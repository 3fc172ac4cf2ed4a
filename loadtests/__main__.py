"""`python -m loadtests run`: a load test from its plan to its verdict.

Ends with 0 for go, 1 for no-go, 3 for an invalid run, 2 where it could not begin.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from loadtests.plan import PlanError, load, names
from loadtests.running import CannotRunError, Options, judge_run, run
from loadtests.verdict import BUDGETS, BudgetError
from loadtests.world import WorldError

_CANNOT_BEGIN = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.do(options))
    except (PlanError, BudgetError, WorldError, CannotRunError) as error:
        print(f"load test: {error}", file=sys.stderr)
        return _CANNOT_BEGIN


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="loadtests", description=__doc__)
    commands = parser.add_subparsers(required=True)
    _run_options(commands.add_parser("run", help="load, check, judge, report"))
    judge = commands.add_parser(
        "judge", help="check and judge a run again, with journals of other machines"
    )
    judge.add_argument("folder", type=Path)
    judge.set_defaults(do=lambda o: judge_run(o.folder))
    worker = commands.add_parser("worker", help="one more generating process")
    worker.add_argument("folder", type=Path)
    worker.add_argument("--master", required=True, metavar="HOST:PORT")
    worker.set_defaults(do=_work)
    conduct = commands.add_parser("conduct", help="(started by run)")
    conduct.add_argument("folder", type=Path)
    conduct.add_argument("--master", required=True, metavar="HOST:PORT")
    conduct.add_argument("--web", default="")
    conduct.add_argument("--quiet", action="store_true")
    conduct.set_defaults(do=_conduct)
    return parser


def _run_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--target", required=True, metavar="URL")
    add("--plan", required=True, help=f"{', '.join(names())}, or a TOML file")
    add("--world", required=True, type=Path, help="hospitals' keys and cards, JSON")
    add("--out", required=True, type=Path, help="folder of the run, new or empty")
    add("--budgets", type=Path, default=BUDGETS)
    add("--busiest-minute", type=float, help="settlements expected in it")
    add("--time-scale", type=float, default=1.0, help="0.1: a tenth as long")
    add("--processes", type=int, default=2, help="generating processes here")
    add("--elsewhere", type=int, default=0, help="generating processes elsewhere")
    add("--listen", default="127.0.0.1:0", help="where those elsewhere join")
    add("--seed", type=int, default=1)
    add("--web", default="", metavar="PORT", help="locust's own page on this port")
    add("--quiet", action="store_true", help="no progress display")
    parser.set_defaults(do=_run)


def _run(options: argparse.Namespace) -> int:
    plan = load(
        options.plan,
        busiest_minute=options.busiest_minute,
        time_scale=options.time_scale,
    )
    return run(
        Options(
            target=options.target.rstrip("/"),
            plan=plan,
            world_file=options.world.resolve(),
            folder=options.out.resolve(),
            budgets=options.budgets,
            processes=options.processes,
            elsewhere=options.elsewhere,
            listen=options.listen,
            seed=options.seed,
            web=options.web,
            is_quiet=options.quiet,
        )
    )


def _work(options: argparse.Namespace) -> int:
    # Only the generating processes need locust and its patched sockets.
    from loadtests.worker import work  # noqa: PLC0415

    host, _, port = options.master.rpartition(":")
    work(options.folder, host, int(port))
    return 0


def _conduct(options: argparse.Namespace) -> int:
    from loadtests.master import conduct  # noqa: PLC0415

    host, _, port = options.master.rpartition(":")
    done = conduct(options.folder, host, int(port), options.web, is_quiet=options.quiet)
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main())
