"""Breaks the code that safety rests on, one place at a time, and asks whether a test notices: ``make mutants``.

    python tests/mutants.py                          # every module of the table
    python tests/mutants.py verify/strength gate/    # mutants whose names begin so
    python tests/mutants.py --sample 60              # a random sixty, for a first look

Two kinds of mutant are made from a module's syntax tree. *Hollow*: a function returns, before it does anything, the
plainest value that its annotation allows (both of ``True`` and ``False``), after Niedermayr et al., "Will my tests tell
me if I break this code?", 2016. *Turned*: one comparison, one ``and``/``or`` or one ``not`` the other way round.

A process imports the tests once, in a copy of the source tree, and runs them once with a mark in every function, to see
which tests come by which function and how long they take. For each mutant it forks: the child puts the mutant's code
into the functions, and its text into the copy, for the processes that tests start. It then runs those tests of the
module's that come by the function, first those that noticed a mutant of it before. A mutant is killed when one of them
fails or none ends for too long. A survivor is a hole in the tests, unless :data:`EXPLAINED` says why nobody could
notice it.

Exit code 1 where an unexplained mutant survives, 2 where the tests fail without any.
"""

from __future__ import annotations

import argparse
import ast
import compileall
import contextlib
import copy
import ctypes
import gc
import os
import random
import re
import select
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import CO_OPTIMIZED
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGE = Path("src/anonymizer")
PATIENCE, SLOWER = 10.0, 5.0
"""Seconds for a test of a mutant, which may loop for ever, and so many times what the slowest takes without."""
MARKS = "ANONYMIZER_MUTANTS_MARKS"
"""Variable of the environment: the file in which functions are noted as tests come by them."""
SUBREAPER = 36
"""``PR_SET_CHILD_SUBREAPER``: what a killed test has started becomes this process's child, and goes too."""

TESTS: dict[str, tuple[str, ...]] = {
    "verify/background": ("test_background",),
    "verify/canary": ("test_verify_by_value",),
    "verify/clip": ("test_verify_by_value", "test_mp4"),
    "verify/dcmdump": ("test_dicom_out",),
    "verify/dicom": ("test_dicom_out",),
    "verify/exiftool": ("test_second_opinion",),
    "verify/h264": ("test_structure_by_hand",),
    "verify/integrity": ("test_verify_structure",),
    "verify/jpeg": ("test_structure_by_hand",),
    "verify/mp4": ("test_structure_by_hand",),
    "verify/naming": ("test_verify_structure",),
    "verify/outline": ("test_verify_by_value", "test_verify_strength"),
    "verify/pdf": ("test_sheet",),
    "verify/photo": ("test_verify_structure", "test_mp4"),
    "verify/png": ("test_structure_by_hand",),
    "verify/second_reader": ("test_verify_by_value", "test_mp4"),
    "verify/strength": ("test_verify_by_value", "test_verify_strength"),
    "gate/chain": ("test_ledger_queries",),
    "gate/database": ("test_ledger_queries", "test_gate_by_value", "test_ledger", "test_ledger_connections"),
    "gate/decision_log": ("test_gate_by_value",),
    "gate/decisions": ("test_gate_by_value", "test_decide", "test_rejected"),
    "gate/file_records": ("test_ledger_queries",),
    "gate/files": ("test_gate_by_value", "test_gate"),
    "gate/folder": ("test_gate_by_value", "test_gate"),
    "gate/forgetting": ("test_forget",),
    "gate/ledger": ("test_ledger_queries", "test_ledger", "test_ledger_connections"),
    "gate/output": ("test_gate_by_value",),
    "gate/permissions": ("test_gate_by_value",),
    "gate/records": ("test_gate_by_value",),
    "gate/recovery": ("test_gate_by_value",),
    "gate/removal": ("test_gate_by_value",),
    "gate/work": ("test_gate_by_value",),
    "redact/background": ("test_background",),
    "redact/clip": ("test_redact_by_value",),
    "redact/noise": ("test_noise",),
    "redact/photo": ("test_redact_by_value",),
    "redact/residual": ("test_residual_by_value", "test_residual"),
    "track/cuts": ("test_track_by_value", "test_labels"),
    "track/flow": ("test_labels", "test_drawn"),
    "track/ground": ("test_track_by_value",),
    "track/hand_drawn": ("test_drawn",),
    "track/labels": ("test_labels",),
    "track/live": ("test_track_by_value",),
    "track/template": ("test_track_by_value",),
    "track/tracker": ("test_track_by_value", "test_track"),
    "track/tracks": ("test_track_by_value",),
}
"""A module of ``src/anonymizer`` and the test files that answer for it."""

EXPLAINED: dict[str, tuple[str, ...]] = {
    "Two fractions that are equal to the last bit: whichever way that falls, it is as good.": (
        "verify/background:check «far > RMS» as *",
        "verify/background:check «tile > TILE_RMS» as *",
        "verify/background:check «near > NEAR_RMS» as *",
        "verify/background:_worst_tile «share >= 0.5» as *",
        "verify/outline:touched «*(((xs - cx) / a) ** 2)[None, :] <= 1» as *",
        "verify/strength:_told «weight >= SEEN * weight.max()» as *",
        "track/template:template «float(cv2.meanStdDev(patch)[1][0, 0]) < FLAT» as *",
        "track/tracker:Tracker._look_back «correlation >= FOLLOWED_CORRELATION» as *",
        "track/tracker:Tracker._carry «correlation >= FOLLOWED_CORRELATION» as *",
        "track/live:drifted «box.x < 0.1 * width» as *",
        "track/live:drifted «box.right > 0.9 * width» as *",
        "track/live:drifted «box.y < 0.1 * height» as *",
        "track/live:drifted «box.bottom > 0.9 * height» as *",
        "track/hand_drawn:within «seconds >= one.start - 1e-06» as *",
        "track/hand_drawn:within «seconds <= end + 1e-06» as *",
        "track/hand_drawn:_flowed «were > 1» as *",
        "track/hand_drawn:_flowed «np.abs(back - start).max(axis=1) < ASTRAY» as *",
        "track/hand_drawn:_correlation «float(cv2.absdiff(patch, appearance.patch).mean()) < STILL» as *",
        "track/hand_drawn:_Direction.step «correlation >= FOLLOWED_CORRELATION» as *",
        "track/hand_drawn:_Direction.step «correlation < F*» as «correlation <= F*",
        "track/hand_drawn:RegionFollower.add «_moment(followed) < seconds» as *",
    ),
    "To remember frames that nobody goes back to takes memory, no more.": (
        "track/hand_drawn:RegionFollower.add «followed.anchor < 0» as «followed.anchor <= 0»",
    ),
    "Both directions begin in one step.": (
        "track/hand_drawn:RegionFollower._track «followed.back is None or followed.on is None» as *",
    ),
    "A moment that is over to the very tick of the clock.": (
        "gate/database:Database._await_schema «time.monotonic() > until» as *",
        "gate/recovery:settle_dead_runs «time.time() - path.stat().st_mtime > OLD_LOCK» as *",
    ),
    "No key is both known and unknown, so the last decision of one is not the last of the other.": (
        "gate/chain:decision_flaws «number > vouched» as *",
    ),
    "A redaction that lies beside the points is over none of them: not to ask it is quicker, no more.": (
        "redact/residual:_over «left <= xs[-1] and *» as *",
        "redact/residual:_over «right > xs[0]» as *",
        "redact/residual:_over «bottom > ys[0]» as *",
    ),
    "Of a rectangle without columns nothing is seen, as is found out a few lines later.": (
        "verify/strength:_seen_part «right <= left» as *",
    ),
    "Between a frame and the next lies none, so there is nothing to go through.": (
        "track/tracker:Tracker._attest «gap > 1» as *",
    ),
    "A slice that reaches beyond the end of a list ends with it.": (
        "track/live:trimmed «end < len(live.marks) - 1» as *",
    ),
    "A picture that is scaled to its own size stays what it is.": (
        "track/template:_reduced «factor >= 1» as *",
    ),
    "The forms of a DICOM's elements are made once, when the module is imported.": (
        "verify/dicom:_words returns b''",
        "verify/dicom:_number returns b''",
    ),
}
"""Why no test can tell a mutant from the program, and the names of these mutants; a ``*`` stands for any text."""

_OTHER = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
_PLAIN = {
    "bool": ("True", "False"), "int": ("0",), "float": ("0.0",), "str": ("''",), "bytes": ("b''",), "None": ("None",),
    "list": ("[]",), "tuple": ("()",), "dict": ("{}",), "set": ("set()",), "frozenset": ("frozenset()",),
    "Sequence": ("()",), "Iterator": ("iter(())",), "Iterable": ("()",), "Mapping": ("{}",),
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change to one module: ``name`` is stable as long as the function's text is, ``text`` the whole module."""

    module: str
    function: str
    name: str
    text: str


def functions_of(tree: ast.Module) -> list[tuple[ast.FunctionDef, str]]:
    """The functions of a module and of its classes, each with its name there."""
    return [
        (function, f"{owner}{function.name}")
        for parent, owner in [
            (tree, ""),
            *((c, f"{c.name}.") for c in tree.body if isinstance(c, ast.ClassDef)),
        ]
        for function in parent.body
        if isinstance(function, ast.FunctionDef) and not is_trivial(function)
    ]


def is_trivial(function: ast.FunctionDef) -> bool:
    """Nothing to break: a docstring, ``...``, ``pass``, or already the return of a constant."""
    body = [
        one
        for one in function.body
        if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))
    ]
    return all(
        isinstance(one, ast.Pass)
        or (isinstance(one, ast.Return) and isinstance(one.value, ast.Constant | None))
        for one in body
    )


def hollow(function: ast.FunctionDef) -> tuple[str, ...]:
    """The plainest values that a function may return; none where its annotation names a type of the program."""
    wanted = function.returns
    if wanted is None:
        return ()
    if isinstance(wanted, ast.BinOp) and "None" in ast.unparse(wanted).split(" | "):
        return ("None",)
    base = wanted.value if isinstance(wanted, ast.Subscript) else wanted
    return _PLAIN.get(ast.unparse(base).rpartition(".")[2], ())


def mutants(module: str, text: str) -> Iterator[Mutant]:
    """Every mutant of a module, in the order of its functions."""
    tree = ast.parse(text)
    for function, name in functions_of(tree):
        kept = function.body
        for value in hollow(function):
            # The rest stays behind it: a generator is still one, and names of the class are still known.
            function.body = [*ast.parse(f"return {value}").body, *kept]
            yield Mutant(module, name, f"{module}:{name} returns {value}", ast.unparse(tree))
        function.body = kept
        seen: dict[str, int] = {}
        for node in ast.walk(function):
            for turned, said in _turned(node):
                seen[said] = seen.get(said, 0) + 1
                number = f" #{seen[said]}" if seen[said] > 1 else ""
                kept_state = copy.copy(node.__dict__)
                node.__dict__.update(turned.__dict__)
                yield Mutant(module, name, f"{module}:{name} {said}{number}", ast.unparse(tree))
                node.__dict__.update(kept_state)


def _turned(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            other = copy.copy(node)
            other.ops = [*node.ops[:place], _OTHER[type(operator)](), *node.ops[place + 1 :]]
            yield other, f"«{ast.unparse(node)}» as «{ast.unparse(other)}»"
    elif isinstance(node, ast.BoolOp):
        other_operation = copy.copy(node)
        other_operation.op = _OTHER[type(node.op)]()
        yield other_operation, f"«{ast.unparse(node)}» as «{ast.unparse(other_operation)}»"
    elif isinstance(node, ast.If | ast.While | ast.IfExp) and isinstance(
        node.test, ast.UnaryOp | ast.Call | ast.Name
    ):
        test = node.test
        plain = test.operand if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not) else None
        reversed_test = copy.copy(node)
        reversed_test.test = plain or ast.UnaryOp(ast.Not(), test)
        yield reversed_test, f"if «{ast.unparse(test)}» as «{ast.unparse(reversed_test.test)}»"


def marked(module: str, text: str) -> str:
    """The module with a mark at the beginning of every function: see :func:`touch`."""
    tree = ast.parse(text)
    for function, name in functions_of(tree):
        function.body = [
            *ast.parse(f"__import__('mutants').touch({module + ':' + name!r})").body,
            *function.body,
        ]
    return ast.unparse(tree)


_touched: set[tuple[str, str]] = set()


def touch(function: str) -> None:
    """Note that the test which runs now has come by a function, in this process or in one that it started."""
    place, test = os.environ.get(MARKS), os.environ.get("PYTEST_CURRENT_TEST", "")
    if place and (function, test) not in _touched:
        _touched.add((function, test))
        with open(place, "a", encoding="utf-8") as file:  # noqa: PTH123 - a test may have replaced Path.open
            file.write(f"{function}\t{test}\n")


def file_of(test: str) -> str:
    """The file that a test stands in."""
    return test.partition("::")[0]


def explanation(name: str) -> str | None:
    """Why no test can notice this mutant, if that is so."""
    return next(
        (why for why, patterns in EXPLAINED.items() if any(is_like(name, one) for one in patterns)), None
    )


def is_like(name: str, pattern: str) -> bool:
    """Whether a mutant's name is this one; a ``*`` of the pattern stands for any text.

    Parentheses do not count: not every Python writes the same ones.
    """
    name, pattern = (re.sub("[()]", "", text) for text in (name, pattern))
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name, re.DOTALL) is not None


def standing_functions(place: Path) -> dict[tuple[str, int], list[FunctionType]]:
    """The functions that were imported from this file, by their name and first line."""
    found: dict[tuple[str, int], list[FunctionType]] = {}
    for one in gc.get_objects():
        if isinstance(one, FunctionType) and one.__code__.co_filename == str(place):
            found.setdefault((one.__code__.co_qualname, one.__code__.co_firstlineno), []).append(one)
    return found


def put_in_place(standing: dict[tuple[str, int], list[FunctionType]], original: str, text: str) -> None:
    """Give the standing functions of a module the code that they have in another text of it."""
    old, new = (_codes(compile(one, "mutant", "exec", dont_inherit=True)) for one in (original, text))
    for before, after in zip(old, new, strict=True):
        for function in standing.get((before.co_qualname, before.co_firstlineno), ()):
            function.__code__ = after


def _codes(code: CodeType) -> Iterator[CodeType]:
    """The code of the functions of a module and of its classes, in the order of their text."""
    for one in code.co_consts:
        if isinstance(one, CodeType):
            if one.co_flags & CO_OPTIMIZED:
                yield one
            else:
                yield from _codes(one)


@dataclass
class Outcome:
    """How a run of tests went: seconds of each that passed, the one that failed, whether it had to be stopped."""

    seconds: dict[str, float] = field(default_factory=dict)
    failed: str = ""
    hung: bool = False
    code: int = 0

    @property
    def killed(self) -> bool:
        return bool(self.failed or self.hung or self.code)


class Ground:
    """A plug-in of a pytest that has imported the tests of some modules, from the copy of the source tree at ``top``.

    Where pytest would run them, ``work`` is done: each :meth:`run` of it forks, so nothing has to be imported twice.
    """

    def __init__(self, modules: Sequence[str], top: Path) -> None:
        self.top = top
        self.places = {module: top / PACKAGE / f"{module}.py" for module in modules}
        self.originals = {module: place.read_text(encoding="utf-8") for module, place in self.places.items()}
        self.times = {module: place.stat().st_mtime_ns for module, place in self.places.items()}
        self.tests: dict[str, set[str]] = {}
        self.seconds: Counter[str] = Counter()
        self.pipe = -1
        self.broken = True

    def enter(self, work: Callable[[], None]) -> None:
        """Import everything and do the work; ``broken`` where that cannot be."""
        os.chdir(self.top)
        paths = [str(self.top / "src"), str(self.top / "tests")]
        sys.path[:0] = paths
        os.environ |= {"PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
        sys.dont_write_bytecode = True
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(SUBREAPER, 1)
        nowhere = os.open(os.devnull, os.O_RDWR)
        self.said = os.fdopen(os.dup(1), "w", encoding="utf-8")
        for standard in (0, 1, 2):
            os.dup2(nowhere, standard)
        import pytest

        files = dict.fromkeys(f"tests/{name}.py" for module in self.places for name in TESTS[module])
        how = ["-q", "-n", "0", "-p", "no:cacheprovider", "--hypothesis-seed=0", f"--basetemp={self.top}/tmp"]
        self.work = work
        pytest.main([*how, *files], plugins=[self])

    def pytest_runtestloop(self, session: Any) -> bool:
        if not session.testsfailed:
            self.broken = False
            self.items = {item.nodeid: item for item in session.items}
            self.standing = {module: standing_functions(place) for module, place in self.places.items()}
            # Nothing that is there now will ever be garbage: the collections of each fork need not look at it.
            gc.freeze()
            self.work()
        return True

    def pytest_runtest_logreport(self, report: Any) -> None:
        """In a fork: tell the parent how a test went and how long it took."""
        self.seconds[report.nodeid] += report.duration
        if report.when == "teardown" or report.failed:
            fate = "failed" if report.failed else "passed"
            os.write(self.pipe, f"{fate}\t{self.seconds[report.nodeid]}\t{report.nodeid}\n".encode())
        if report.failed:
            os._exit(1)

    def run(self, texts: Mapping[str, str], tests: Iterable[str], patience: float) -> Outcome:
        """Run tests until one fails, with these texts in the modules' places, for ``patience`` seconds each at most."""
        for module, text in texts.items():
            self.places[module].write_text(text, encoding="utf-8")
        reading, self.pipe = os.pipe()
        child = os.fork()
        if not child:
            code = 99
            try:
                for module, text in texts.items():
                    put_in_place(self.standing[module], self.originals[module], text)
                chosen = [self.items[test] for test in tests]
                for item, following in zip(chosen, [*chosen[1:], None], strict=True):
                    item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                code = 0
            finally:
                os._exit(code)
        os.close(self.pipe)
        outcome = self._followed(child, reading, patience)
        for module in texts:
            # With its own time: then what was compiled of it is valid again.
            self.places[module].write_text(self.originals[module], encoding="utf-8")
            os.utime(self.places[module], ns=(self.times[module], self.times[module]))
        return outcome

    def _followed(self, child: int, reading: int, patience: float) -> Outcome:
        outcome, text = Outcome(), b""
        while not outcome.hung:
            outcome.hung = not select.select([reading], [], [], patience)[0]
            block = b"" if outcome.hung else os.read(reading, 1 << 16)
            if not block:
                break
            text += block
            *lines, text = text.split(b"\n")
            for line in lines:
                fate, seconds, test = line.decode().split("\t", 2)
                if fate == "passed":
                    outcome.seconds[test] = float(seconds)
                else:
                    outcome.failed = test
        os.close(reading)
        if outcome.hung:
            os.kill(child, signal.SIGKILL)
        outcome.code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        _kill_children()
        return outcome

    def measure(self) -> Outcome:
        """Run all tests, and note which of them come by which function."""
        marks = self.top / "marks.txt"
        os.environ[MARKS] = str(marks)
        whole = self.run(
            {module: marked(module, text) for module, text in self.originals.items()}, self.items, 600.0
        )
        del os.environ[MARKS]
        self.seconds = Counter(whole.seconds)  # type: ignore[arg-type]
        for line in marks.read_text(encoding="utf-8").splitlines() if marks.exists() else ():
            function, _, at = line.partition("\t")
            test, _, phase = at.rpartition(" ")
            # What a fixture of a whole file does it does for all of its tests; what an import does, for all there are.
            beginning = {"": "", "(setup)": file_of(test) + "::"}.get(phase)
            self.tests.setdefault(function, set()).update(
                one
                for one in self.seconds
                if one == test or (beginning is not None and one.startswith(beginning))
            )
        return whole

    def fate(self, mutant: Mutant, killers: list[str]) -> str:
        """What becomes of a mutant; the test that notices it is put before the ``killers`` of its function."""
        files = {f"tests/{name}.py" for name in TESTS[mutant.module]}
        touched = self.tests.get(f"{mutant.module}:{mutant.function}", set())
        chosen = {test for test in touched if file_of(test) in files}
        if not chosen:
            return "untouched"
        together: dict[str, float] = {}
        for test in chosen:
            together[file_of(test)] = together.get(file_of(test), 0.0) + self.seconds[test]
        first = [test for test in killers if test in chosen]
        # Quick files first, and within each its quick tests: what a file's tests share is made once.
        rest = sorted(
            chosen - set(first), key=lambda test: (together[file_of(test)], file_of(test), self.seconds[test])
        )
        patience = PATIENCE + SLOWER * max(self.seconds[test] for test in chosen)
        outcome = self.run({mutant.module: mutant.text}, [*first, *rest], patience)
        if outcome.hung:
            # Once more: the machine may have been busy with something else, or asleep.
            outcome = self.run({mutant.module: mutant.text}, [*first, *rest], patience)
        if outcome.failed:
            if outcome.failed in killers:
                killers.remove(outcome.failed)
            killers.insert(0, outcome.failed)
            return f"killed by {outcome.failed}"
        if outcome.killed:
            return "hung" if outcome.hung else f"ended with {outcome.code}"
        return "alive"


def _kill_children() -> None:
    import psutil

    left = psutil.Process().children(recursive=True)
    for one in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(left, timeout=5)


def judge(found: Sequence[Mutant], top: Path) -> int:
    """Run mutants in the copy of the tree at ``top`` and say what became of each; the exit code."""
    began = time.monotonic()
    by_module: dict[str, list[Mutant]] = {}
    for mutant in found:
        by_module.setdefault(mutant.module, []).append(mutant)
    ground = Ground(list(by_module), top)
    code = 0

    def say(text: str) -> None:
        print(text, file=ground.said, flush=True)

    def work() -> None:
        nonlocal code
        whole = ground.measure()
        if whole.killed:
            say(f"The tests fail as they are: {whole.failed or whole.code}")
            code = 2
            return
        say(f"{len(whole.seconds)} tests, {time.monotonic() - began:.0f} s to import and to measure them")
        for module, mutants_ in by_module.items():
            at, counts = time.monotonic(), Counter[str]()
            killers: dict[str, list[str]] = {}
            for mutant in mutants_:
                became = ground.fate(mutant, killers.setdefault(mutant.function, []))
                alive, why = became in ("alive", "untouched"), explanation(mutant.name)
                fate = "killed" if not alive else "explained" if why else "SURVIVED"
                counts[fate] += 1
                say(f"{fate}  {mutant.name}  [{became}]")
            told = ", ".join(f"{count} {fate}" for fate, count in sorted(counts.items()))
            each = (time.monotonic() - at) / len(mutants_)
            say(f"{module}: {len(mutants_)} mutants, {told}; {each:.1f} s each")
            code = max(code, 1 if counts["SURVIVED"] else 0)

    ground.enter(work)
    if ground.broken:
        say("The tests cannot be imported")
    return 2 if ground.broken else code


def main() -> int:
    """Run the mutants that were asked for, in some copies of the tree side by side; the worst of their exit codes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", default=[""], help="how names begin, such as verify/ or gate/ledger:Ledger.claim"
    )
    parser.add_argument("--sample", type=int, help="only so many of them, at random")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--list", action="store_true", help="name them and leave")
    asked = parser.parse_args()
    found = [
        mutant
        for module in TESTS
        for mutant in mutants(module, (ROOT / PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
        if mutant.name.startswith(tuple(asked.names))
    ]
    if asked.sample and asked.sample < len(found):
        found = random.Random(asked.seed).sample(found, asked.sample)
    if asked.list:
        print(*(mutant.name for mutant in found), f"{len(found)} mutants", sep="\n")
        return 0
    modules = list(dict.fromkeys(mutant.module for mutant in found))
    with tempfile.TemporaryDirectory() as scratch:
        running = []
        for number in range(min(max(1, asked.jobs), len(modules))):
            top = Path(scratch) / str(number)
            for part in ("src", "tests", "sample_media", "models"):
                shutil.copytree(ROOT / part, top / part, ignore=shutil.ignore_patterns("__pycache__"))
            shutil.copy(ROOT / "pyproject.toml", top)
            compileall.compile_dir(top / "src", quiet=2)
            share = set(modules[number :: asked.jobs])
            child = os.fork()
            if not child:
                code = 3
                try:
                    code = judge([mutant for mutant in found if mutant.module in share], top)
                finally:
                    os._exit(code)
            running.append(child)
        return max((os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in running), default=0)


if __name__ == "__main__":
    sys.exit(main())
