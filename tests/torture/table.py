"""Every fault that is made on the live stage, with its numbers of the fault matrix."""

from __future__ import annotations

from tests.torture import network_faults as network
from tests.torture import server_faults as server
from tests.torture.fault import Fault
from tests.torture.house_faults import HouseFaults
from tests.torture.museum import Museum
from tests.torture.standby import OldServers, StandbyFaults

_SAME_KEY = "unknown to the caller; the same key gives the one answer"
_BUSY = "503 with its promise, or an answer; nothing lost or doubled"
#: What the kill lane makes, and what the clients do all the time.
ALWAYS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("SIGKILL at a random instant", ("F1",), _SAME_KEY),
    ("SIGKILL of the whole gateway", ("F1",), _SAME_KEY),
    ("SIGKILL at a named step", ("F2",), "no partial effect at any step"),
    ("doubled requests", ("F16",), "one settlement, the same bytes"),
    ("replayed requests", ("F16",), "the same bytes, however late"),
    ("bills sent again under another key", ("F16",), "declined, the first one shown"),
    ("clients gone mid-request", ("F35",), "completed and stored, or never begun"),
    (
        "reversals before or beside their originals",
        ("F37",),
        "one terminal state; a late original is declined",
    ),
    ("reversals twice, racing", ("F37",), "one first reversal, the other shows it"),
)


def server_table() -> tuple[Fault, ...]:
    """Faults of PostgreSQL."""
    return (
        Fault("backends ended", ("F5",), _SAME_KEY, server.end_backends),
        Fault(
            "backends ended inside COMMIT",
            ("F5", "F10"),
            "resolved by key on a new connection",
            server.end_backends_in_commit,
        ),
        Fault(
            "pg_ctl stop -m immediate",
            ("F6",),
            "recovery; every acknowledged row is there",
            server.crash_immediately,
        ),
        Fault(
            "postmaster killed",
            ("F6",),
            "recovery; every acknowledged row is there",
            server.kill_postmaster,
        ),
        Fault(
            "a backend killed",
            ("F6",),
            "all backends end; recovery",
            server.kill_backend,
        ),
        Fault(
            "backends stopped, then continued",
            ("F3", "F10"),
            "callers wait or are told 503; no COMMIT is cut short",
            server.stop_server_processes,
        ),
        Fault(
            "gateway stopped, then continued",
            ("F3",),
            "the others go on; the woken one signs nothing old",
            server.stop_gateway_processes,
        ),
        Fault(
            "fdatasync fails (EIO)",
            ("F9",),
            "PostgreSQL panics; unknown, perhaps committed; resolved by key",
            server.fail_flush,
        ),
        Fault(
            "fdatasync slow",
            ("F10",),
            "latency; no COMMIT is cut short",
            server.slow_flush,
        ),
        Fault(
            "disk full",
            ("F11",),
            "no new work; well again once freed",
            server.fill_disk,
        ),
        Fault("deadlock", ("F21",), "the batch runs again", server.make_deadlock),
        Fault("locks held for seconds", ("F21",), _BUSY, server.hold_lock),
        Fault(
            "40001 and other passing errors", ("F21",), _BUSY, server.fail_serialization
        ),
        Fault("no connection left", ("F21",), _BUSY, server.use_up_connections),
        Fault(
            "COMMIT answered ROLLBACK",
            ("F22",),
            "noticed, never acknowledged",
            server.spoil_commits,
        ),
    )


def network_table(cutter: network.Cutter) -> tuple[Fault, ...]:
    """Faults between the processes."""
    return (
        Fault(
            "answers cut after N bytes",
            ("F13",),
            "the retry has the same bytes",
            cutter.cut_answers,
        ),
        Fault(
            "requests cut after N bytes",
            ("F13", "F35"),
            "nothing is settled by half a request",
            cutter.cut_requests,
        ),
        Fault("clients delayed", ("F12",), "slower", network.delay_clients),
        Fault("PostgreSQL delayed", ("F12", "F32"), "slower", network.delay_server),
        Fault(
            "everything in small pieces", ("F12",), "slower", network.slice_everything
        ),
        Fault("clients black-holed", ("F13",), _SAME_KEY, network.black_hole_clients),
        Fault(
            "PostgreSQL black-holed",
            ("F13", "F32"),
            "503 after the deadline; no COMMIT is cut short",
            network.black_hole_server,
        ),
        Fault("clients reset", ("F13",), _SAME_KEY, network.reset_clients),
        Fault("PostgreSQL reset", ("F5", "F13"), _SAME_KEY, network.reset_server),
        Fault("closed slowly", ("F13",), _SAME_KEY, network.close_slowly),
        Fault(
            "PostgreSQL unreachable", ("F32",), "503, same key", network.refuse_server
        ),
        Fault(
            "PostgreSQL answers noise",
            ("F32",),
            "no settlement from noise; a new connection",
            network.garbage_server,
        ),
        Fault(
            "PostgreSQL cut mid-answer", ("F13", "F32"), _SAME_KEY, network.cut_server
        ),
        Fault(
            "malformed HTTP",
            ("F34",),
            "4xx or closed; no effect",
            network.send_malformed,
        ),
        Fault(
            "half a request, then silence",
            ("F34", "F35"),
            "no effect",
            network.hang_up_raw,
        ),
    )


def house_table(house: HouseFaults) -> tuple[Fault, ...]:
    """Faults of the gateway's own house."""
    return (
        Fault(
            "second gateway, same folder",
            ("F4",),
            "refused in one sentence",
            house.second_by_mistake,
            alone=True,
        ),
        Fault(
            "second gateway, another machine",
            ("F4",),
            "both safe: one log",
            house.second_beside,
            alone=True,
        ),
        Fault(
            "rolling restart",
            ("F36",),
            "old drains, new serves; the same bytes",
            house.roll_over,
            alone=True,
        ),
        Fault(
            "clock jumps",
            ("F23",),
            "sessions refused, never a second settlement",
            house.turn_clock,
            apart=True,
        ),
        Fault(
            "caller's clock wrong",
            ("F24",),
            "5 s pass, an hour is refused",
            house.skew_callers,
        ),
        Fault(
            "captured session replayed",
            ("F16",),
            "401, for ever",
            house.replay_session,
        ),
        Fault("no file descriptor left", ("F33",), _BUSY, house.starve_files),
        Fault("no memory left", ("F33",), _BUSY, house.starve_memory),
        Fault("processors taken", ("F33",), "slower", house.starve_cpu),
        Fault(
            "garbage as a roster",
            ("F32",),
            "refused whole, the former roster holds",
            house.import_garbage,
        ),
        Fault(
            "cache overwritten with noise",
            ("F32",),
            "not believed, built anew",
            house.damage_cache,
            alone=True,
        ),
    )


def standby_table(standby: StandbyFaults, old: OldServers) -> tuple[Fault, ...]:
    """Faults that need a second PostgreSQL server."""
    return (
        Fault(
            "required standby away",
            ("F17", "F18"),
            "no 201, neither first nor replayed; afterwards one answer",
            standby.lose_standby,
            apart=True,
        ),
        Fault(
            "old base backup restored",
            ("F20",),
            "the gateway does not start, and says why",
            old.restored,
            apart=True,
        ),
        Fault(
            "stale standby promoted",
            ("F20",),
            "the gateway does not start, and says why",
            old.promoted,
            apart=True,
        ),
        Fault(
            "database goes back while running",
            ("F20",),
            "settling stops, and says why, until a restart",
            old.slipped_in,
            alone=True,
        ),
    )


def museum_table(museum: Museum) -> tuple[Fault, ...]:
    """Damage and forgery on copies."""
    return (
        Fault(
            "bits flipped in stored rows",
            ("F25",),
            "check-books names the table",
            museum.flip_bits,
            apart=True,
        ),
        Fault(
            "past forged by a superuser with our keys",
            ("F27",),
            "found against any receipt or checkpoint of the time",
            museum.forge_past,
            apart=True,
        ),
    )
