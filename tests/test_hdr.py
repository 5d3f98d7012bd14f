"""The curves of high dynamic range: what goes to them and back is what it was."""

from __future__ import annotations

import numpy as np
import pytest

from anonymizer.core import hdr, yuv


@pytest.mark.parametrize("transfer", [hdr.PQ, hdr.HLG])
def test_a_grey_goes_to_the_curve_and_back(transfer: int) -> None:
    greys = np.repeat(np.arange(0, 256, 5, dtype=np.float32)[:, None], 3, axis=1)
    coded = hdr.colours(greys, transfer)
    assert np.abs(coded[:, 1:] - 128).max() < 0.5, "no colour"
    assert (np.diff(coded[:, 0]) > 0).all()
    back = hdr.ordinary(np.rint(coded[:, :1]).astype(np.uint8), transfer)
    wanted = yuv.colours(greys)[:, 0]
    # In PQ the 256 steps are wide where it is dark.
    assert np.abs(back[:, 0].astype(float) - wanted).max() < 5


@pytest.mark.parametrize(("transfer", "white"), [(hdr.PQ, 0.5807), (hdr.HLG, 0.75)])
def test_ordinary_white_lies_where_the_recommendation_puts_it(transfer: int, white: float) -> None:
    """BT.2408, table 1: 58 % and 75 % of the signal."""
    luma = hdr.colours(np.full((1, 3), 255, np.float32), transfer)[0, 0]
    assert abs((luma - 16) / 219 - white) < 0.003
    assert hdr.ordinary(np.full((1, 1), 255, np.uint8), transfer)[0, 0] == 235, "what is brighter is cut off"


@pytest.mark.parametrize("transfer", [hdr.PQ, hdr.HLG])
def test_a_red_stays_red(transfer: int) -> None:
    _, u, v = hdr.colours(np.array([[200, 30, 30]], np.float32), transfer)[0]
    assert v > 140 and u < 128
