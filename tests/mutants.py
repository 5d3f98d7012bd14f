"""Breaks the code that safety rests on, one place at a time, and asks whether a test notices: ``make mutants``.

    python tests/mutants.py                        # every module of the table
    python tests/mutants.py verify/strength gate/  # these alone
    python tests/mutants.py --sample 60            # a random sixty, for a first look

Two kinds of mutant are made from a module's syntax tree. *Hollow*: a function's body becomes ``return`` of the
plainest value that its annotation allows (both of ``True`` and ``False``), after Niedermayr et al., "Will my tests
tell me if I break this code?", 2016. *Turned*: one comparison, one ``and``/``or`` or one ``not`` the other way round.
Each runs in a copy of the source tree against the tests of its module; it is killed when one of them fails or
hangs. A survivor is a hole in the tests, unless :data:`EXPLAINED` says why nobody could notice it.

Exit code 1 where an unexplained mutant survives, 2 where the tests fail without any.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = Path("src/anonymizer")
SECONDS = 240
"""A mutant may loop for ever; the slowest set of tests takes a tenth of this."""

TESTS: dict[str, tuple[str, ...]] = {
    "verify/canary": ("test_verify_canary", "test_tamper"),
    "verify/clip": ("test_clip_verify",),
    "verify/h264": ("test_mp4",),
    "verify/integrity": ("test_tamper", "test_verify_structure"),
    "verify/jpeg": ("test_verify_structure",),
    "verify/mp4": ("test_mp4",),
    "verify/photo": ("test_tamper", "test_verify_structure"),
    "verify/png": ("test_verify_structure",),
    "verify/strength": ("test_verify_strength", "test_clip_verify"),
    "gate/decisions": ("test_decide",),
    "gate/folder": ("test_gate", "test_decide"),
    "gate/ledger": ("test_ledger", "test_gate", "test_decide"),
    "redact/clip": ("test_redact_yuv",),
    "redact/photo": ("test_redact",),
    "redact/residual": ("test_residual",),
    "track/live": ("test_track",),
    "track/tracker": ("test_track",),
    "track/tracks": ("test_track",),
    "track/hand_drawn": ("test_drawn",),
}
"""A module of ``src/anonymizer`` and the test files that answer for it."""

EXPLAINED: dict[str, str] = {}
"""A surviving mutant's name, and why no test can tell it from the program."""

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
    name: str
    text: str


def hollow(function: ast.FunctionDef) -> tuple[str, ...]:
    """The plainest values that a function may return; none where its annotation names a type of the program."""
    wanted = function.returns
    if wanted is None:
        return ()
    if isinstance(wanted, ast.BinOp) and "None" in ast.unparse(wanted).split(" | "):
        return ("None",)
    base = wanted.value if isinstance(wanted, ast.Subscript) else wanted
    return _PLAIN.get(ast.unparse(base).rpartition(".")[2], ())


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


def mutants(module: str, text: str) -> Iterator[Mutant]:
    """Every mutant of a module, in the order of its lines."""
    tree = ast.parse(text)
    functions = [
        (function, f"{owner}{function.name}")
        for parent, owner in [
            (tree, ""),
            *((c, f"{c.name}.") for c in tree.body if isinstance(c, ast.ClassDef)),
        ]
        for function in parent.body
        if isinstance(function, ast.FunctionDef) and not is_trivial(function)
    ]
    for function, name in functions:
        kept = function.body
        for value in hollow(function):
            function.body = ast.parse(f"return {value}").body
            yield Mutant(module, f"{module}:{name} returns {value}", ast.unparse(tree))
        function.body = kept
        seen: dict[str, int] = {}
        for node in ast.walk(function):
            for turned, said in _turned(node):
                seen[said] = seen.get(said, 0) + 1
                number = f" #{seen[said]}" if seen[said] > 1 else ""
                kept_state = copy.copy(node.__dict__)
                node.__dict__.update(turned.__dict__)
                yield Mutant(module, f"{module}:{name} {said}{number}", ast.unparse(tree))
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


def survives(top: Path, module: str, text: str | None) -> bool:
    """Whether the module's tests pass with this text in its place, in the copy of the source tree at ``top``."""
    place = top / PACKAGE / f"{module}.py"
    original = place.read_text(encoding="utf-8")
    if text is not None:
        place.write_text(text, encoding="utf-8")
    files = [f"tests/{name}.py" for name in TESTS[module]]
    try:
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", *files],
            cwd=top,
            env={**os.environ, "PYTHONPATH": str(top / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    finally:
        place.write_text(original, encoding="utf-8")
    return ran.returncode == 0


def main() -> int:
    """Run the mutants that were asked for, a copy of the tree for each thread; say what became of each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "modules", nargs="*", help="beginnings of module names, such as verify/ or gate/ledger"
    )
    parser.add_argument("--sample", type=int, help="only so many of them, at random")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--list", action="store_true", help="name them and leave")
    asked = parser.parse_args()
    chosen = [name for name in TESTS if not asked.modules or name.startswith(tuple(asked.modules))]
    found = [
        mutant
        for name in chosen
        for mutant in mutants(name, (ROOT / PACKAGE / f"{name}.py").read_text(encoding="utf-8"))
    ]
    if asked.sample and asked.sample < len(found):
        found = random.Random(asked.seed).sample(found, asked.sample)
    if asked.list:
        print(*(mutant.name for mutant in found), f"{len(found)} mutants", sep="\n")
        return 0
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(asked.threads) as pool:
        free = [Path(scratch) / str(number) for number in range(asked.threads)]
        for top in free:
            for part in ("src", "tests", "sample_media", "models"):
                shutil.copytree(ROOT / part, top / part, ignore=shutil.ignore_patterns("__pycache__"))
            shutil.copy(ROOT / "pyproject.toml", top)
        for name in chosen:
            if not survives(free[0], name, None):
                print(f"{name}: its tests fail as it is")
                return 2

        def run(mutant: Mutant) -> bool:
            top = free.pop()
            try:
                alive = survives(top, mutant.module, mutant.text)
            finally:
                free.append(top)
            fate = "killed" if not alive else "explained" if mutant.name in EXPLAINED else "SURVIVED"
            print(f"{fate}  {mutant.name}", flush=True)
            return fate == "SURVIVED"

        left = sum(pool.map(run, found))
    print(f"{len(found)} mutants, {left} survived without a reason.")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
