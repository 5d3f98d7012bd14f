"""What the ledger answers, query by query, on rows that tell the answers apart."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from anonymizer.core.errors import OutputError
from anonymizer.core.message import Message, packed
from anonymizer.core.signing import Key, SignatureStatus
from anonymizer.gate import chain, records
from anonymizer.gate import ledger as module
from anonymizer.gate.chain import decision_flaws, link
from anonymizer.gate.ledger import Ledger
from anonymizer.gate.records import Decision, Link, Sighting, State
from anonymizer.read.walk import Passed, PassedOver
from conftest import plain
from folders import opened


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    found = opened(tmp_path / "ledger.sqlite")
    yield found
    found.close()


def row(ledger: Ledger, id: str, state: State = State.WORKING, **values: str | float) -> None:
    ledger.start(id, Path(f"/x/{id}.jpg"), "settings", "run-1")
    ledger.update(id, state=state, **values)


def decision(medium: str, action: str = records.APPROVED, source: str = "", note: str = "") -> Decision:
    return Decision(medium, action, "AB", note, "{}", "cafe", "2026-01-02T03:04:05+00:00", source)


def ids(found: list[records.LedgerEntry] | Iterator[records.LedgerEntry]) -> list[str]:
    return [one.id for one in found]


# Rows


def test_a_new_row_holds_what_it_was_started_with(ledger: Ledger) -> None:
    ledger.start("old", "/x/a.jpg", "corrected", "run-1", asked="first", sha256="beef", state=State.QUEUED)
    found = ledger.get("old")
    assert found and dataclasses.asdict(found) | {"started": ""} == {
        "id": "old", "source": Path("/x/a.jpg"), "sha256": "beef", "settings": "corrected", "state": State.QUEUED,
        "name": "", "output": "", "reason": (), "attempts": 1, "owner": "run-1", "started": "", "ended": "",
        "replaces": "", "asked": "first", "bytes": 0, "regions": 0, "report": "", "passing": 0, "priority": 1000.0,
        "mirrored": "", "pending": "", "crop": "", "companion": "",
    }  # fmt: skip
    # What the run asked for is that of the output which is replaced, or what was given, or the settings.
    for id, replaces, asked, wanted in (
        ("a", "old", "", "first"), ("b", "old", "other", "other"), ("c", "", "", "s"), ("d", "gone", "", "s"),
        ("e", "", "other", "other"),
    ):  # fmt: skip
        ledger.start(id, "/x/a.jpg", "s", "run-1", replaces, asked=asked)
        found = ledger.get(id)
        assert found and (found.replaces, found.asked) == (replaces, wanted)


def test_an_update_changes_one_row_and_the_name_it_is_found_by(ledger: Ledger) -> None:
    row(ledger, "a")
    row(ledger, "b")
    ledger.update("a", name="Straße.jpg")
    assert ids(ledger.named("STRASSE.jpg")) == ["a"] and ledger.named("") == [ledger.get("b")]
    ledger.update("a", bytes=7)
    assert ids(ledger.named("strasse.jpg")) == ["a"], "an update without a name leaves it"


def test_a_name_is_reserved_once(ledger: Ledger) -> None:
    for id in "abc":
        row(ledger, id)
    assert ledger.reserve("a", "One.jpg", sha256="beef")
    assert ledger.reserve("a", "one.JPG"), "its own name is in nobody's way"
    assert not ledger.reserve("b", "ONE.jpg", sha256="cafe")
    found = [ledger.get(id) for id in "ab"]
    assert [(one.name, one.sha256) for one in found if one] == [("one.JPG", "beef"), ("", "")]
    ledger.update("a", state=State.REPLACED)
    assert ledger.reserve("b", "ONE.jpg") and ids(ledger.named("one.jpg")) == ["b"]
    ledger.update("b", state=State.FAILED)
    assert ledger.reserve("c", "one.jpg") and ids(ledger.named("one.jpg")) == ["c"]


def test_a_row_is_claimed_once_and_given_back(ledger: Ledger) -> None:
    row(ledger, "a", State.REVIEW)
    assert not ledger.claim("a", State.READY, "run-2") and not ledger.claim("b", State.REVIEW, "run-2")
    assert ledger.claim("a", State.REVIEW, "run-2", decision("a"))
    found = ledger.get("a")
    assert found and (found.state, found.owner) == (State.WORKING, "run-2")
    assert Decision(**json.loads(found.pending)) == decision("a")
    assert not ledger.claim("a", State.REVIEW, "run-3")
    ledger.unclaim("a", State.REVIEW)
    found = ledger.get("a")
    assert found and (found.state, found.pending) == (State.REVIEW, "")
    assert ledger.claim("a", State.REVIEW, "run-3")
    found = ledger.get("a")
    assert found and (found.owner, found.pending) == ("run-3", "")


def test_the_end_of_a_row(ledger: Ledger) -> None:
    row(ledger, "a")
    ledger.finish("a", State.FAILED, name="a.jpg", output="beef", reason=[plain("x")], passing=1)
    found = ledger.get("a")
    assert found and found.ended
    assert (found.state, found.name, found.output, found.passing) == (State.FAILED, "a.jpg", "beef", 1)
    assert found.reason == (plain("x"),)
    ledger.forget("a")
    assert ledger.get("a") is None


def test_rows_by_what_is_known_of_them(ledger: Ledger) -> None:
    row(ledger, "a", State.REVIEW, priority=5.0, sha256="one")
    row(ledger, "b", State.REVIEW, priority=9.0, sha256="two")
    row(ledger, "c", State.FAILED, passing=1, sha256="one")
    row(ledger, "d", State.FAILED)
    row(ledger, "e", State.QUEUED, owner="run-2")
    row(ledger, "f")
    assert ids(ledger.most_urgent(9)) == ["b", "a"] and ids(ledger.most_urgent(1)) == ["b"]
    row(ledger, "g", State.REVIEW, priority=9.0)
    assert ids(ledger.most_urgent(2)) == ["b", "g"], "of equals the oldest"
    ledger.forget("g")
    assert ids(ledger.passing()) == ["c"]
    assert ids(ledger.by_source("one")) == ["a", "c"] and ledger.by_source("three") == []
    assert ids(ledger.by_path("/x/b.jpg")) == ids(ledger.by_path(Path("/x/b.jpg"))) == ["b"]
    assert ledger.owners() == {"run-1", "run-2"}
    assert ids(ledger.owned("run-1")) == ["f"] and ids(ledger.owned("run-2")) == ["e"]
    assert ids(ledger.first((State.FAILED, State.REVIEW), 3)) == ["c", "d", "a"]
    assert ids(ledger.first((State.FAILED, State.REVIEW), 1)) == ["c"]
    assert ids(ledger.latest((State.FAILED, State.REVIEW), 3)) == ["d", "c", "b"]
    assert ledger.counts() == {State.REVIEW: 2, State.FAILED: 2, State.QUEUED: 1, State.WORKING: 1}
    assert ids(ledger.entries()) == list("abcdef") and ids(ledger.entries(State.FAILED)) == ["c", "d"]


@pytest.mark.parametrize("page", [1, 2, 3, 6, 7])
def test_rows_are_gone_through_in_pages(ledger: Ledger, page: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE", page)
    for number, id in enumerate("abcdef"):
        row(ledger, id, State.READY if number % 2 else State.REVIEW)
    assert ids(ledger.each()) == list("abcdef")
    assert ids(ledger.each(State.READY)) == list("bdf")
    assert ids(ledger.each(State.READY, State.REVIEW)) == list("abcdef")
    assert ids(ledger.each(State.READY, State.FAILED)) == list("bdf")
    assert ids(ledger.each(State.FAILED)) == []


def test_what_is_changed_meanwhile_is_seen_as_it_is_when_its_turn_comes(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 1)
    for id in "abc":
        row(ledger, id, State.READY)
    going = ledger.each(State.READY)
    assert next(going).id == "a"
    ledger.update("b", state=State.REVIEW)
    assert ids(going) == ["c"]


def test_successors(ledger: Ledger) -> None:
    row(ledger, "old", State.READY)
    row(ledger, "stays", State.READY)
    assert ledger.successor("old") == "" and ledger.overtaken() == []
    ledger.start("new", Path("/x/a.jpg"), "s", "run-1", "old")
    assert ledger.successor("old") == "new" and ledger.overtaken() == [], "the new one is not finished"
    for done in (State.READY, State.REVIEW, State.RELEASED):
        ledger.update("new", state=done)
        assert ids(ledger.overtaken()) == ["old"]
    for gone in (State.REPLACED, State.FAILED, State.WORKING):
        ledger.update("old", state=gone)
        assert ledger.overtaken() == []


# Decisions


def test_a_decision_moves_its_row_and_is_kept_in_order(ledger: Ledger) -> None:
    row(ledger, "a", pending="{}")
    row(ledger, "b")
    ledger.decide(decision("a", records.REJECTED, note="one"), State.REJECTED, [plain("x")], "cafe")
    ledger.decide(decision("b", note="two"), State.READY, [], "")
    ledger.decide(decision("gone", note="three"), State.READY, [], "")
    found = ledger.get("a")
    assert found and (found.state, found.reason, found.report, found.pending) == (
        State.REJECTED, (plain("x"),), "cafe", "",
    )  # fmt: skip
    assert [one.note for one in ledger.decisions()] == ["one", "two", "three"]
    assert ledger.decisions("b") == [decision("b", note="two")]
    assert [one.number for one in ledger.links()] == [1, 2, 3]
    assert ledger.orphans() == ["gone"]


@pytest.mark.parametrize("page", [1, 2, 3, 4])
def test_the_chain_is_read_in_pages(ledger: Ledger, page: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE", page)
    for number in range(3):
        ledger.decide(decision(str(number)), State.READY, [], "")
    assert [one.decision.medium for one in ledger.links()] == ["0", "1", "2"]
    ledger.check()


def test_a_decision_that_is_no_text_is_damage(ledger: Ledger) -> None:
    ledger.decide(decision("a"), State.READY, [], "")
    with ledger.transaction() as db:
        db.execute("UPDATE decisions SET note = x'00'")
    with pytest.raises(OutputError) as raised:
        list(ledger.links())
    assert raised.value.message.code == "ledger.decisions-damaged"


@pytest.mark.parametrize(
    ("taken", "objects"),
    [
        ([], ""),
        ([records.APPROVED], ""),
        ([records.REJECTED], records.REJECTED),
        ([records.REJECTED, records.REOPENED], records.REOPENED),
        ([records.REJECTED, records.APPROVED], ""),
        ([records.APPROVED, records.RELEASED], ""),
        ([records.REOPENED, records.RELEASED], records.REOPENED),
    ],
)
def test_the_last_decision_on_a_content_objects_unless_it_approves(
    ledger: Ledger, taken: list[str], objects: str
) -> None:
    ledger.decide(decision("other", records.REJECTED, "another content"), State.REJECTED, [], "")
    ledger.decide(decision("old", records.REJECTED), State.REJECTED, [], "")
    for action in taken:
        ledger.decide(decision("a", action, "beef"), State.READY, [], "")
    found = ledger.objection("beef")
    assert (found.action if found else "") == objects
    assert ledger.objection("") is None, "a decision without a content speaks of none"


def test_what_is_handed_out_must_stand_as_it_was_decided(ledger: Ledger) -> None:
    row(ledger, "a", State.READY, output="cafe")
    assert not ledger.release(dataclasses.replace(decision("a"), output="other"))
    assert ledger.release(decision("a", records.RELEASED))
    found = ledger.get("a")
    assert found and found.state is State.RELEASED
    assert ledger.release(decision("a", records.RELEASED)), "again"
    assert len(ledger.decisions()) == 2
    ledger.update("a", state=State.REVIEW)
    assert not ledger.release(decision("a", records.RELEASED)) and len(ledger.decisions()) == 2


# The chain


def test_a_link_holds_every_word_of_a_decision() -> None:
    told = decision("a")
    text = '["before",3,"a","approved","AB","","{}","cafe","2026-01-02T03:04:05+00:00",""]'
    assert link("before", 3, told) == hashlib.sha256(text.encode()).hexdigest()
    others = [dataclasses.replace(told, **{field.name: "x"}) for field in dataclasses.fields(Decision)]
    assert (
        len({link("before", 3, one) for one in others} | {link("", 3, told), link("before", 4, told)}) == 10
    )


KEYS = [Key(Ed25519PrivateKey.generate()) for _ in range(2)]
OURS, THEIRS = KEYS


def links(signers: list[Key | None]) -> list[Link]:
    """A good chain, each link signed by one of these or by nobody."""
    found: list[Link] = []
    for number, key in enumerate(signers, 1):
        told = decision(str(number))
        made = link(found[-1].chain if found else "", number, told)
        signed = key.sign(chain.PURPOSE + made.encode()) if key else ""
        found.append(Link(number, told, made, key.id if key else "", signed))
    return found


def flaws(found: list[Link]) -> list[tuple[str, int | None, SignatureStatus]]:
    return [
        (flaw.said.code.partition(".")[2], flaw.number, flaw.signature)
        for flaw in decision_flaws(found, OURS.public)
    ]


CHANGED, UNKNOWN = SignatureStatus.CHANGED, SignatureStatus.UNKNOWN


@pytest.mark.parametrize(
    ("signers", "wrong"),
    [
        ([], []),
        ([OURS, OURS], []),
        # A signature vouches for all before it.
        ([None, THEIRS, OURS], []),
        ([None], [("not-signed", 1, CHANGED)]),
        ([OURS, None, None], [("not-signed", 2, CHANGED), ("not-signed", 3, CHANGED)]),
        ([OURS, THEIRS], [("unknown-key", 2, UNKNOWN)]),
        ([THEIRS, THEIRS], [("unknown-key", 2, UNKNOWN)]),
        ([THEIRS, OURS], []),
    ],
)
def test_what_nobody_vouches_for(
    signers: list[Key | None], wrong: list[tuple[str, int, SignatureStatus]]
) -> None:
    assert flaws(links(signers)) == wrong


def test_what_was_changed_moved_left_out_or_put_in() -> None:
    good = links([OURS, OURS, OURS])
    changed = dataclasses.replace(good[1], decision=decision("another"))
    assert flaws([good[0], changed, good[2]]) == [("changed", 2, CHANGED)]
    (said,) = [flaw.said.values for flaw in decision_flaws([good[0], changed, good[2]], OURS.public)]
    assert said == {"number": 2, "id": "another", "at": "2026-01-02T03:04:05+00:00"}
    assert flaws([good[0], good[2]]) == [("removed", 3, CHANGED)]
    assert flaws(good[1:]) == [("removed", 2, CHANGED)]
    forged = dataclasses.replace(good[2], signature=good[1].signature)
    assert flaws([*good[:2], forged]) == [("not-by-key", 3, CHANGED)]
    # What was put in behind the last signature is signed by nobody; a hash anybody can make.
    put = links([OURS, None])
    assert [flaw.number for flaw in chain.broken_at(put)] == []
    assert [flaw.number for flaw in chain.broken_at([good[0], changed, good[2]])] == [2]


# Files


def test_a_source_is_known_by_its_path(ledger: Ledger) -> None:
    seen = Sighting("beef", 7, 1234567890123456789, "a")
    assert ledger.sighting("/x/a.jpg") is None
    ledger.sight(Path("/x/a.jpg"), seen)
    ledger.sight("/x/b.jpg", dataclasses.replace(seen, medium="b"))
    assert ledger.sighting("/x/a.jpg") == ledger.sighting(Path("/x/a.jpg")) == seen
    ledger.sight("/x/a.jpg", dataclasses.replace(seen, medium="b"))
    assert ledger.paths("a") == [] and sorted(ledger.paths("b")) == [b"/x/a.jpg", b"/x/b.jpg"]


def test_what_waits_has_waited_since_its_reason_is_the_same(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    grows, locked = Message("file.empty"), plain("locked")
    for moment in ("1", "2", "3"):
        monkeypatch.setattr("anonymizer.gate.file_records.now", lambda moment=moment: moment)
        if moment == "1":
            ledger.wait_for({Path("/b"): grows, Path("/a"): grows, Path("/gone"): grows})
        elif moment == "2":
            ledger.wait_for({Path("/b"): locked, Path("/a"): grows})
        else:
            ledger.wait_for({Path("/b"): locked, Path("/a"): grows, Path("/c"): grows})
    assert ledger.waiting() == [(Path("/a"), grows, "1"), (Path("/b"), locked, "2"), (Path("/c"), grows, "3")]
    assert ledger.waiting(1) == [(Path("/a"), grows, "1")]
    assert ledger.rows("SELECT reason FROM waiting WHERE path = x'2f61'") == [(packed([grows]),)]


def test_where_a_watched_folder_was_mounted_is_remembered(ledger: Ledger) -> None:
    assert ledger.mount_of(Path("/in")) == ""
    ledger.remember_mount(Path("/in"), "/mnt/odd\udcff")
    ledger.remember_mount(Path("/other"), "/")
    assert ledger.mount_of(Path("/in")) == "/mnt/odd\udcff"
    ledger.remember_mount(Path("/in"), "/mnt")
    assert (ledger.mount_of(Path("/in")), ledger.mount_of(Path("/other"))) == ("/mnt", "/")


def test_what_was_passed_over_is_told_anew_for_what_was_looked_at_again(ledger: Ledger) -> None:
    def passed(path: str, how: Passed = Passed.NOT_TAKEN, media: bool = False) -> PassedOver:
        return PassedOver(Path(path), how, plain(path), media)

    first = [passed("/in/a.pdf"), passed("/in/b.mpg", media=True), passed("/in/.trash", Passed.SKIPPED)]
    ledger.pass_over([Path("/in")], first)
    ledger.pass_over([Path("/inside")], [passed("/inside/c.pdf")])
    assert ledger.passed_over(Passed.NOT_TAKEN) == [first[1], first[0], passed("/inside/c.pdf")]
    assert ledger.passed_over(Passed.NOT_TAKEN, 1) == [first[1]]
    assert ledger.passed_over(Passed.SKIPPED) == [first[2]]
    assert ledger.passed_counts() == {Passed.NOT_TAKEN: 3, Passed.SKIPPED: 1}
    ledger.pass_over([Path("/in")], [passed("/in/d.pdf")])
    assert [one.path.name for one in ledger.passed_over(Passed.NOT_TAKEN)] == ["d.pdf", "c.pdf"]
    ledger.pass_over([Path("/inside/c.pdf")], [])
    assert ledger.passed_counts() == {Passed.NOT_TAKEN: 1}
    ledger.pass_over([Path("/")], [])
    assert ledger.passed_counts() == {}


def test_the_revision_changes_with_every_change_of_whoever(ledger: Ledger, tmp_path: Path) -> None:
    other = opened(tmp_path / "ledger.sqlite")
    seen = [ledger.revision()]
    assert ledger.revision() == seen[0]
    row(ledger, "a")
    seen.append(ledger.revision())
    row(other, "b")
    seen.append(ledger.revision())
    other.close()
    assert len(set(seen)) == 3
