"""What the training scripts share: their options, their photos, and a head that is trained and written as ONNX."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from anonymizer.core.types import Pixels


def parser(said: str, seed: int) -> argparse.ArgumentParser:
    """The options of every script; ``said`` is what it does, ``seed`` what its random numbers begin with."""
    made = argparse.ArgumentParser(description=said)
    made.add_argument("--media", type=Path, required=True)
    made.add_argument("--skimage", type=Path, required=True)
    made.add_argument("--apart", type=Path, help="a folder of pictures to measure on: no copy of one is used")
    made.add_argument("--out", type=Path, required=True)
    made.add_argument("--seed", type=int, default=seed)
    return made


def read(path: Path) -> Pixels:
    """RGB."""
    stored = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if stored is None:
        raise SystemExit(f"{path} is no picture")
    return np.ascontiguousarray(stored[:, :, ::-1])


class Apart:
    """The pictures that a network is measured on, to leave copies of them out of what it is trained on."""

    def __init__(self, folder: Path | None) -> None:
        self._held = [_looks(read(path)) for path in sorted(folder.glob("*.*g"))] if folder else []

    def has(self, pixels: Pixels) -> bool:
        here = _looks(pixels)
        return any(float(here @ one) > 0.97 for one in self._held)


def _looks(pixels: Pixels) -> NDArray[np.float64]:
    """A picture's grey values at 16 by 16, without their mean and scale: two copies of one picture agree in them."""
    grey = cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (16, 16), interpolation=cv2.INTER_AREA)
    values = grey.astype(float).ravel() - grey.mean()
    return np.asarray(values / (np.linalg.norm(values) + 1e-6))


class Head(nn.Module):
    """A network on the trunk's features ``(n, channels, rows, columns)``, which it scales to mean 0 and deviation 1."""

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.register_buffer("mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("scale", torch.ones(1, channels, 1, 1))

    def learn_scale(self, some: torch.Tensor) -> None:
        self.mean[:] = some.mean((0, 2, 3), keepdim=True)
        self.scale[:] = some.std((0, 2, 3), keepdim=True) + 1e-3

    def scaled(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self.mean) / self.scale


def fit(head: Head, steps: int, rate: float, loss_of: Callable[[], torch.Tensor], every: int = 0) -> None:
    """Train in so many steps, each on the loss of a batch that ``loss_of`` draws; ``rate`` is the largest step's.

    ``every`` so many steps the loss is printed.
    """
    optimizer = torch.optim.AdamW(head.parameters(), rate, weight_decay=2e-2)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps + 1)
    head.train()
    for step in range(steps):
        loss = loss_of()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        plan.step()
        if every and step % every == 0:
            print(step, steps, round(loss.item(), 3), flush=True)
    head.eval()


def export(head: Head, side: int, out: Path, answer: str) -> None:
    """Write it for any number of pictures of any size; ``answer`` names what it gives. ``side`` only tries it out."""
    free = {0: "n", 2: "h", 3: "w"}
    torch.onnx.export(
        head,
        (torch.zeros(1, head.channels, side, side),),
        str(out),
        input_names=["features"],
        output_names=[answer],
        dynamic_axes={"features": free, answer: free},
        dynamo=False,
    )
