"""The ledger and its folder against a plain model: two processes, any of which may die at any step of anything."""

from __future__ import annotations

import multiprocessing
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from anonymizer.core.signing import present_key
from anonymizer.gate.output import OutputFolder
from anonymizer.gate.records import State
from anonymizer.release.ledger_check import chain_flaws
from ledger_machine_worker import DIED, serve

LEADS_TO = {"approve": "ready", "reject": "rejected", "reopen": "review"}
RECORDED = {"approve": "approved", "reject": "rejected", "reopen": "reopened"}
FROM = {"approve": ("review",), "reject": ("review",), "reopen": ("ready", "rejected")}
STEPS = st.one_of(st.just(0), st.just(0), st.integers(1, 45))
WHO = st.integers(0, 1)


class Process:
    """One of the two, and which media it works on. It is started anew when it has died."""

    def __init__(self, out: Path) -> None:
        self.out, self.working = out, set[str]()
        self._start()

    def _start(self) -> None:
        fork = multiprocessing.get_context("fork")
        self.pipe, theirs = fork.Pipe()
        self.process = fork.Process(target=serve, args=(self.out, theirs), daemon=True)
        self.process.start()
        theirs.close()
        assert self.pipe.recv() == "open"

    def do(self, name: str, *arguments: Any, dies: int = 0) -> Any:
        """What the deed gave; None where the process died of it, and was started again."""
        self.pipe.send((name, arguments, dies))
        try:
            return self.pipe.recv()
        except EOFError:
            self.process.join()
            assert self.process.exitcode == DIED, "it failed by itself"
            return None

    def again(self) -> None:
        self.working.clear()
        self.pipe.close()
        self._start()

    def end(self) -> None:
        if self.process.is_alive():
            self.process.kill()
        self.process.join()
        self.pipe.close()


class LedgerMachine(RuleBasedStateMachine):
    """``rows`` and ``decided`` are what the ledger must hold: id to state, and (medium, action, note) in order."""

    media: Bundle[str] = Bundle("media")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.out = self.folder / "out"
        self.rows: dict[str, str] = {}
        self.decided: list[tuple[str, str, str]] = []
        self.processes = [Process(self.out), Process(self.out)]
        self.number = 0

    def teardown(self) -> None:
        for process in self.processes:
            process.end()
        shutil.rmtree(self.folder)

    def _do(self, who: int, name: str, *arguments: Any, dies: int) -> tuple[Any, bool]:
        """What it gave, and whether the process died of it: then what it worked on is undone by the next."""
        process = self.processes[who]
        found = process.do(name, *arguments, dies=dies)
        died = not process.process.is_alive() or process.process.exitcode is not None
        return found, died

    def _undone(self, who: int, but: str = "") -> None:
        process = self.processes[who]
        for id in process.working - {but}:
            del self.rows[id]
        process.again()

    @rule(target=media, who=WHO, dies=STEPS)
    def begin(self, who: int, dies: int) -> Any:
        self.number += 1
        id, died = self._do(who, "begin", f"{self.number}.jpg", dies=dies)
        if died:
            self._undone(who)
            return multiple()
        self.rows[id] = "working"
        self.processes[who].working.add(id)
        return id

    def _owner(self, id: str) -> int | None:
        return next((n for n, one in enumerate(self.processes) if id in one.working), None)

    @rule(id=media, verdict=st.sampled_from(["ready", "review"]), dies=STEPS)
    def admit(self, id: str, verdict: str, dies: int) -> None:
        self._finish(id, dies, verdict, "admit", id, verdict)

    @rule(id=media, dies=STEPS)
    def fail(self, id: str, dies: int) -> None:
        self._finish(id, dies, "failed", "fail", id)

    @rule(id=media, dies=STEPS)
    def abandon(self, id: str, dies: int) -> None:
        self._finish(id, dies, "", "abandon", id)

    def _finish(self, id: str, dies: int, ends: str, name: str, *arguments: Any) -> None:
        who = self._owner(id)
        if who is None:
            return
        _, died = self._do(who, name, *arguments, dies=dies)
        if died:
            self._undone(who, but=id)
            found = self._found().get(id, "")
            assert found in ("", ends), f"{name} was cut off, and left {found}"
            ends = found
        self.processes[who].working.discard(id)
        self.rows.pop(id)
        if ends:
            self.rows[id] = ends

    @rule(id=media, who=WHO, action=st.sampled_from(sorted(LEADS_TO)), dies=STEPS)
    def decide(self, id: str, who: int, action: str, dies: int) -> None:
        self.number += 1
        before, note = self.rows.get(id, ""), f"note {self.number}"
        allowed = before in FROM[action]
        done, died = self._do(who, "decide", id, action, note, dies=dies)
        if died:
            self._undone(who)
            found = self._found().get(id, "")
            assert found in ((before, LEADS_TO[action]) if allowed else (before,))
            done = found != before
        assert died or done == allowed
        if done:
            self.rows[id] = LEADS_TO[action]
            self.decided.append((id, RECORDED[action], note))

    @rule(who=WHO)
    def kill(self, who: int) -> None:
        self.processes[who].process.kill()
        self.processes[who].process.join()
        self._undone(who)

    def _found(self) -> dict[str, str]:
        with OutputFolder(self.out) as folder:
            return {row.id: row.state.value for row in folder.ledger.each()}

    @invariant()
    def the_disk_is_as_the_model_says(self) -> None:
        with OutputFolder(self.out) as folder:
            rows = {row.id: row.state.value for row in folder.ledger.each()}
            assert rows == self.rows
            assert [(one.medium, one.action, one.note) for one in folder.ledger.decisions()] == self.decided
            key = present_key()
            assert key and [flaw.said for flaw in chain_flaws(folder, key.public)] == []
            for state in (State.READY, State.REVIEW, State.REJECTED):
                names = {path.stem for path in folder.folder(state).glob("*.jpg")}
                assert names == {id for id, found in self.rows.items() if found == state}
            told = {id for id, state in self.rows.items() if state not in ("working", "failed")}
            assert {path.stem for path in folder.reports.glob("*.json")} == told


@pytest.mark.skipif(sys.platform != "linux", reason="needs fork")
def test_a_decision_cut_off_at_any_step_is_whole_or_none() -> None:
    """Each step of one approval in turn, which the machine reaches by chance alone."""
    ends = set()
    for dies in range(1, 60, 2):
        machine = LedgerMachine()
        try:
            id = machine.begin(0, 0)
            machine.admit(id, "review", 0)
            machine.decide(id, 0, "approve", dies)
            machine.the_disk_is_as_the_model_says()
            ends.add(machine.rows[id])
        finally:
            machine.teardown()
    assert ends == {"review", "ready"}


LedgerMachine.TestCase.settings = settings(
    max_examples=12, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLedger = pytest.mark.skipif(sys.platform != "linux", reason="needs fork")(LedgerMachine.TestCase)
