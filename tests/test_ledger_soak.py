"""Commands that come and go on one output folder while the page decides: nothing that was acknowledged is lost."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from ledger_soak import scripted, soaked

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")
SECONDS = float(os.environ.get("ANONYMIZER_SOAK_SECONDS", "0"))


def test_what_the_page_acknowledged_is_on_the_disk_whoever_came_and_went(tmp_path: Path) -> None:
    soak = scripted(tmp_path)
    assert soak.finish() == []
    assert len(soak.told.decisions) >= 5, "too few decisions were taken to mean anything"


@pytest.mark.skipif(not SECONDS, reason="ANONYMIZER_SOAK_SECONDS=300 (make soak)")
@pytest.mark.timeout(3600)
def test_soak_of_all_commands_in_any_order(tmp_path: Path) -> None:
    soak = soaked(tmp_path, SECONDS, seed=int(os.environ.get("ANONYMIZER_SOAK_SEED", "1")))
    assert soak.finish() == []
    print(dict(soak.told.deeds), len(soak.told.decisions), "decisions")
