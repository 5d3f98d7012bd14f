"""When an output serves again: settings, models and program decide, limits only for what failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from anonymizer.core.settings import Limits, Settings, TextPolicy
from anonymizer.detect.models.manifest import ModelEntry
from anonymizer.detect.models.store import Store
from anonymizer.road.fingerprint import changed, fingerprint, same, with_settings

ONE = Settings()


def test_limits_matter_for_failures_alone() -> None:
    one, other = fingerprint(ONE), fingerprint(Settings(limits=Limits(max_pixels=5)))
    assert same(one, other)
    assert not same(one, other, limits=True)
    assert str(changed(one, other)) == "the limits were changed"


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (fingerprint(Settings(margin=1.5)), "the settings were changed"),
        (fingerprint(ONE, program="9.9"), "the program is another version"),
        (
            fingerprint(Settings(margin=1.5), program="9.9"),
            "the program is another version, the settings were changed",
        ),
    ],
)
def test_what_differs_is_said(other: str, said: str) -> None:
    assert not same(fingerprint(ONE), other)
    assert str(changed(fingerprint(ONE), other)) == said


def test_a_model_with_another_hash_is_another_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    one = fingerprint(ONE)
    entry = Store.entry

    def newer(self: Store, name: str) -> ModelEntry:
        found = entry(self, name)
        return found if name != "centerface" else found.model_copy(update={"sha256": "0" * 64})

    monkeypatch.setattr(Store, "entry", newer)
    assert str(changed(one, fingerprint(ONE))) == "the models were changed"


def test_models_that_do_not_take_part_do_not_matter(tmp_path: Path) -> None:
    blind = Settings(faces=False, text=TextPolicy.NONE)
    assert fingerprint(blind).split("/")[2] != fingerprint(ONE).split("/")[2]
    assert with_settings(fingerprint(blind), ONE).split("/")[2] == fingerprint(blind).split("/")[2]


def test_a_fingerprint_of_an_older_program_serves_nobody() -> None:
    assert not same("0123456789abcdef", fingerprint(ONE))
    assert "the program is another version" in str(changed("0123456789abcdef", fingerprint(ONE)))
