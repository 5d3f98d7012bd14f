"""A batch past one machine: a Dask cluster does the work, an S3 server holds sources and outputs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from anonymizer.ledger import Ledger, State
from conftest import Ran, fingerprints
from folders import photos, tree

distributed = pytest.importorskip("distributed", reason="needs anonymizer[cluster]")
NO_DETECTORS = 'faces = false\ntext = "none"\ncodes = false\nmarks = false\n'


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "quick.toml"
    path.write_text(NO_DETECTORS, encoding="utf-8")
    return path


@pytest.fixture
def cluster() -> Iterator[Any]:
    options: dict[str, Any] = {"n_workers": 2, "threads_per_worker": 1, "processes": True}
    with distributed.LocalCluster(dashboard_address=None, silence_logs=50, **options) as found:
        yield found


def lines(ran: Ran) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ran.out.splitlines() if line.startswith("{")]


def rows(out: Path) -> dict[State, int]:
    ledger = Ledger(out / ".anonymizer" / "ledger.sqlite")
    try:
        return ledger.counts()
    finally:
        ledger.close()


def test_a_worker_of_the_cluster_is_killed_half_way_and_every_file_is_done_once(
    run: Callable[..., Ran], cluster: Any, settings: Path, tmp_path: Path
) -> None:
    inbox, out = tmp_path / "cases", tmp_path / "out"
    count = 24
    photos(inbox, count)
    before = fingerprints(inbox)
    victim = next(iter(cluster.workers.values())).pid
    killed = threading.Event()

    def kill() -> None:
        while len(list((out / "review").glob("*.jpg"))) < count // 3:
            time.sleep(0.01)
        os.kill(victim, signal.SIGKILL)
        killed.set()

    threading.Thread(target=kill, daemon=True).start()
    ran = run(
        *("batch", inbox, "--out", out, "--settings", settings, "--json"),
        *("--cluster", cluster.scheduler_address),
    )
    assert ran.code == 3, ran.err
    assert killed.is_set() and [one["verdict"] for one in lines(ran)] == ["review"] * count
    assert len([name for name in tree(out)["review"] if name.endswith(".jpg")]) == count
    assert rows(out) == {State.REVIEW: count}
    assert tree(out)["left"] == [] and fingerprints(inbox) == before


def test_workers_that_do_not_see_the_folders_are_sent_the_bytes(
    run: Callable[..., Ran], cluster: Any, settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anonymizer.cluster import ClusterPool

    look = ClusterPool._look_at_workers

    def apart(self: ClusterPool, address: str) -> None:
        look(self, address)
        self._shared = False

    monkeypatch.setattr(ClusterPool, "_look_at_workers", apart)
    inbox, out = tmp_path / "cases", tmp_path / "out"
    photos(inbox, 3)
    (inbox / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    ran = run(
        *("batch", inbox, "--out", out, "--settings", settings, "--json"),
        *("--cluster", cluster.scheduler_address),
    )
    assert ran.code == 4, ran.err
    assert sorted(one["verdict"] for one in lines(ran)) == ["failed", "review", "review", "review"]
    assert rows(out) == {State.REVIEW: 3, State.FAILED: 1} and tree(out)["left"] == []
    for medium in (out / "review").glob("*.jpg"):
        assert run("verify", medium).code in (0, 3)


def test_no_scheduler_is_one_sentence(run: Callable[..., Ran], settings: Path, tmp_path: Path) -> None:
    from anonymizer import cluster as clusters

    photos(tmp_path / "cases", 1)
    clusters.CONNECT_SECONDS, before = 1, clusters.CONNECT_SECONDS
    try:
        ran = run("batch", tmp_path / "cases", "--settings", settings, "--cluster", "tcp://127.0.0.1:9")
    finally:
        clusters.CONNECT_SECONDS = before
    assert ran.code == 5 and "No Dask scheduler answers at tcp://127.0.0.1:9" in ran.err
    assert not list((tmp_path / "anonymized" / ".anonymizer").glob("run-*"))


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty bucket on an S3 server of the test's own."""
    pytest.importorskip("s3fs", reason="needs anonymizer[cluster]")
    pytest.importorskip("moto", reason="needs moto's server")
    import s3fs

    program = "from moto.server import main; main(['-H', '127.0.0.1', '-p', '0'])"
    server = subprocess.Popen(
        [sys.executable, "-u", "-c", program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert server.stdout
    port = next(
        line.rsplit(":", 1)[1].strip() for line in server.stdout if "Running on http://127.0.0.1:" in line
    )
    threading.Thread(target=server.stdout.read, daemon=True).start()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    fs = s3fs.S3FileSystem()
    fs.mkdir("cases")
    try:
        yield fs
    finally:
        server.kill()
        server.wait()
        s3fs.S3FileSystem.clear_instance_cache()


def test_sources_and_outputs_on_s3(
    run: Callable[..., Ran], bucket: Any, settings: Path, tmp_path: Path
) -> None:
    inbox, local = tmp_path / "cases", tmp_path / "local"
    for path in photos(inbox, 3):
        bucket.put_file(str(path), f"cases/in/{path.name}")
    bucket.pipe_file("cases/in/notes.txt", b"no photo")
    bucket.pipe_file("cases/in/broken.jpg", b"\xff\xd8\xff\xe0 and no more")
    command = (
        *("batch", "s3://cases/in", "--out", "s3://cases/out", "--local", local),
        *("--settings", settings, "--workers", 1, "--json"),
    )
    first = run(*command)
    assert first.code == 4, first.err
    assert sorted(one["verdict"] for one in lines(first)) == ["failed", "review", "review", "review"]

    def there() -> dict[str, bytes]:
        bucket.invalidate_cache()
        return {key.removeprefix("cases/out/"): bucket.cat_file(key) for key in bucket.find("cases/out")}

    def here() -> dict[str, bytes]:
        return {
            f"{folder}/{path.name}": path.read_bytes()
            for folder in ("ready", "review", "reports")
            for path in (local / folder).iterdir()
        }

    assert there() == here() and len([name for name in there() if name.endswith(".jpg")]) == 3
    assert not list((local / ".anonymizer").glob("incoming/**/*.jpg")), "no original stays here"
    bucket.rm_file("cases/out/reports/index.html")
    again = run(*command)
    assert [one["fresh"] for one in lines(again)] == [False] * 4
    assert there() == here()
    settings.write_text(NO_DETECTORS + "jpeg_quality = 80\n", encoding="utf-8")
    old = set(there())
    assert run(*command).code == 4
    assert there() == here() and len(there()) == len(old)
    jpegs = {name for name in there() if name.endswith(".jpg")}
    assert jpegs.isdisjoint(old), "what was replaced is gone there too"


def test_addresses_that_cannot_be_used_are_one_sentence_each(
    run: Callable[..., Ran], settings: Path, tmp_path: Path
) -> None:
    photos(tmp_path / "cases", 1)
    some = ("--settings", settings)
    assert "stands alone" in run("batch", "memory://a", tmp_path / "cases", *some).err
    assert "no photo and no clip" in run("batch", "memory://nothing", *some).err
    assert "no address that can be opened" in run("batch", "nonsense://x/y", *some).err
    assert "--local goes with addresses" in run("batch", tmp_path / "cases", "--local", tmp_path, *some).err
