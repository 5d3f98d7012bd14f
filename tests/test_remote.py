"""What stands at an address is what is here: after every decision, whatever was removed there, in the right order."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from anonymizer.batch.remote import Mirror, RemoteFolder, place
from anonymizer.core.errors import OutputError
from anonymizer.gate.decisions import approve, reject, reopen
from anonymizer.gate.folder import Gate
from anonymizer.gate.ledger import Ledger
from anonymizer.gate.records import State
from anonymizer.road.pipeline import Session
from conftest import QUICK
from folders import photos

pytest.importorskip("fsspec", reason="needs anonymizer[cluster]")


@pytest.fixture
def target() -> RemoteFolder:
    return place(f"memory://{uuid.uuid4()}/out")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An output folder with two photos that wait for a person."""
    with Session(tmp_path / "out", QUICK) as session:
        for path in photos(tmp_path / "in", 2):
            session.run(path)
        session.write_index()
    return tmp_path / "out"


def there(target: RemoteFolder) -> dict[str, bytes]:
    root = f"{target.root}/"
    return {key.removeprefix(root): target.fs.cat_file(key) for key in target.fs.find(target.root)}


def here(out: Path) -> dict[str, bytes]:
    return {
        f"{folder}/{path.name}": path.read_bytes()
        for folder in ("ready", "review", "reports")
        for path in (out / folder).iterdir()
    }


@pytest.mark.parametrize("listing", [True, False])
def test_a_report_that_was_decided_anew_with_the_same_length_is_copied_again(
    out: Path, target: RemoteFolder, listing: bool
) -> None:
    with Gate(out) as gate:
        mirror = Mirror(gate, target)
        id = gate.ledger.entries()[0].id
        lengths = []
        for initials in ("AB", "CD"):
            approve(gate, id, initials)
            mirror.settle(listing=listing)
            assert there(target) == here(out)
            lengths.append(len(there(target)[f"reports/{id}.json"]))
            reopen(gate, id, initials)
        assert lengths[0] == lengths[1], "otherwise this test says nothing"
        mirror.settle(listing=listing)
        assert there(target) == here(out)
        reject(gate, id, "AB")
        mirror.settle(listing=listing)
        assert not any(id in name for name in there(target)), "what was rejected is nowhere to be seen"


def test_what_is_there_already_is_not_copied_again_and_what_was_removed_there_is(
    out: Path, target: RemoteFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Gate(out) as gate:
        mirror = Mirror(gate, target)
        mirror.settle()
        sent: list[str] = []
        real = target.fs.put_file

        def put_file(path: str, name: str, **more: Any) -> None:
            sent.append(Path(path).name)
            real(path, name, **more)

        monkeypatch.setattr(target.fs, "put_file", put_file)
        mirror.settle()
        assert sent == ["index.html"]
        row = gate.ledger.entries()[0]
        target.fs.rm_file(target.inside(f"review/{row.name}"))
        target.fs.pipe_file(target.inside("ready/holiday.jpg"), b"somebody else's")
        mirror.settle()
        assert sent == ["index.html", row.name, "index.html"]
        assert there(target) == here(out) | {"ready/holiday.jpg": b"somebody else's"}
        # The same folder copied to another place: all of it.
        other = place(f"memory://{uuid.uuid4()}/out")
        Mirror(gate, other).settle(listing=False)
        assert there(other) == here(out)


def test_a_medium_that_is_decided_on_while_it_is_copied_is_copied_as_it_then_is(
    out: Path, target: RemoteFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Gate(out) as gate:
        mirror = Mirror(gate, target)
        first = gate.ledger.entries()[0]
        real = Mirror._copy

        def copy(self: Mirror, path: Path) -> None:
            if path.name == first.name and path.parent.name == "review":
                with Gate(out) as other:
                    approve(other, first.id, "AB")
            real(self, path)

        with monkeypatch.context() as patch:
            patch.setattr(Mirror, "_copy", copy)
            mirror.settle()
        mirror.settle(listing=False)
        assert there(target) == here(out) and f"ready/{first.name}" in there(target)


def test_an_address_that_is_gone_is_one_sentence(
    out: Path, target: RemoteFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise FileNotFoundError("The specified bucket does not exist")

    monkeypatch.setattr(target.fs, "put_file", gone)
    with Gate(out) as gate, pytest.raises(OutputError, match=r"bucket does not exist\); everything is safe"):
        Mirror(gate, target).settle()
    ledger = Ledger(out / ".anonymizer" / "ledger.sqlite")
    assert ledger.counts() == {State.REVIEW: 2}
    ledger.close()
