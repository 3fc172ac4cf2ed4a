"""Every line in its order, and what was settled is undone at the end."""

from __future__ import annotations

from collections.abc import Callable, Collection

from gateway.his_self_test import (
    group_connection,
    group_envelope,
    group_files,
    group_money,
    group_person,
    group_reconcile,
    group_signature,
    group_undoing,
)
from gateway.his_self_test.lines import (
    Line,
    NotRun,
    Report,
    Result,
    State,
    Unkept,
)
from gateway.his_self_test.trial import Fate, Settled, Trial
from gateway.his_self_test.wire import SANDBOX_HEADER
from gateway.his_simulator.messages import NoEnvelope
from settlement.domain.decision import Text

#: Taken by ours and by a national platform; both change nothing.
_PROBES = (
    ("1901", {"data": {"type": "FUND_PAY_TYPE"}}),
    ("9001", {"signIn": {"opter_no": "self-test", "mac": "", "ip": ""}}),
)
_SIGN_IN = "9001"
#: Refused by a sandbox as no time, by all else of ours as not allowed.
_NO_TIME = {SANDBOX_HEADER: "self-test"}
_IS_SANDBOX, _IS_LIVE = "MA-1107", "MA-1108"
_OURS = "MA-"
#: Of undoing: what is still under way there is answered a moment later.
_TRIES = 3
UNDOING = group_reconcile.UNDOING
LINES: tuple[Line, ...] = (
    *group_connection.LINES,
    *group_signature.LINES,
    *group_envelope.LINES,
    *group_person.LINES,
    *group_money.LINES,
    *group_undoing.LINES,
    *group_reconcile.LINES,
    *group_files.LINES,
)
GROUPS = tuple(dict.fromkeys(line.group for line in LINES))
_ALWAYS = frozenset({"connection.answers", "connection.envelope", "signature.good"})
_NO_LINE = NotRun("连接不通", "nothing answers")
_NOT_LET_IN = NotRun("基本报文未被接受", "no sound message is taken")
Show = Callable[[int, str], None]


async def run_all(
    trial: Trial, only: Collection[str], *, live_writes: bool, show: Show
) -> Report:
    """Try every line of the wanted groups; `show` is told how many are over."""
    await _find_out(trial, live_writes=live_writes)
    wanted = [line for line in LINES if not only or line.group in only]
    results: list[Result] = []
    try:
        for number, line in enumerate(wanted, start=1):
            results.append(await _try(trial, line))
            show(number, line.id)
    finally:
        # Also where somebody stops it: money is not left lying about.
        undone = await _undo_all(trial)
    if undone is not None:
        results.append(undone)
    return Report(
        url=trial.wire.caller.url,
        at=f"{trial.wire.means.clock():%Y-%m-%d %H:%M:%S}",
        is_sandbox=trial.is_sandbox,
        is_ours=trial.is_ours,
        could_run=trial.wire.has_answered,
        results=results,
    )


async def _find_out(trial: Trial, *, live_writes: bool) -> None:
    """Whether it lets us in, whose it is, and whether it is a sandbox."""
    await _sign_in(trial)
    for infno, given in _PROBES:
        came = await trial.ask(infno, given)
        if came.answer is not None and came.answer.is_done:
            trial.probe = infno, given
            break
        if came.answer is None:
            break
    if trial.probe is not None:
        document = trial.probing()
        came = await trial.wire.send(document, headers=_NO_TIME)
        code = came.answer.code if came.answer else ""
        trial.is_sandbox = {_IS_SANDBOX: True, _IS_LIVE: False}.get(code)
        unknown = await trial.ask("9999", {"data": {}})
        told = (code, unknown.answer.code if unknown.answer else "")
        trial.is_ours = any(each.startswith(_OURS) for each in told)
    trial.may_settle = live_writes or trial.is_sandbox is True
    trial.wire.exchanges.clear()


async def _sign_in(trial: Trial) -> None:
    """Of the profile whose messages need a session."""
    if trial.wire.proof.profile != "sign-in":
        return
    came = await trial.ask(*_PROBES[1])
    if came.answer is not None:
        told = came.answer.node("signinoutb")
        trial.wire.sign_no = f"{told.get('sign_no') or ''}"[:30]
        trial.wire.masks.add(trial.wire.sign_no)


async def _try(trial: Trial, line: Line) -> Result:
    wire = trial.wire
    wire.exchanges.clear()
    trial.notes.clear()
    state, why = State.PASSED, None
    try:
        if line.id not in _ALWAYS:
            if not wire.has_answered:
                raise _NO_LINE
            if trial.probe is None:
                raise _NOT_LET_IN
        await line.check(trial)
    except Unkept as unkept:
        state, why = State.FAILED, unkept.text
    except NotRun as not_run:
        state, why = State.NOT_RUN, not_run.text
    except NoEnvelope as fault:
        state = State.FAILED
        why = Text(f"应答中的值无法读取：{fault}", f"a value cannot be read: {fault}")
    why = Text(wire.masks.clean(why.zh), wire.masks.clean(why.en)) if why else None
    return Result(line, state, why, tuple(wire.exchanges), tuple(trial.notes))


async def _undo_all(trial: Trial) -> Result | None:
    """2208, else 2601, for all that may be in force; `None`: nothing was sent."""
    if not trial.settlements:
        return None
    wire = trial.wire
    wire.exchanges.clear()
    open_ones = [
        each for each in trial.settlements if each.fate in (Fate.IN_FORCE, Fate.UNKNOWN)
    ]
    left = [each for each in open_ones if not await _is_undone(trial, each)]
    count = sum(each.fate is Fate.UNDONE for each in trial.settlements)
    state, why = State.PASSED, None
    if left:
        names = ", ".join(each.setl_id or each.msgid for each in left)
        state = State.FAILED
        why = Text(f"未能撤销：{names}", f"could not be undone: {names}")
    note = Text(
        f"本次共撤销 {count} 笔，剩余 {len(left)} 笔",
        f"undone: {count}; still standing: {len(left)}",
    )
    return Result(UNDOING, state, why, tuple(wire.exchanges), (note,))


async def _is_undone(trial: Trial, settled: Settled) -> bool:
    for _ in range(_TRIES):
        if settled.setl_id:
            await trial.undo(settled)
        if settled.fate is not Fate.UNDONE:
            await trial.reverse(settled)
        if settled.fate is Fate.UNDONE:
            return True
    return False
