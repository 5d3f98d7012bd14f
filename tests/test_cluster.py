"""A batch past one machine: a Dask cluster does the work, an S3 server holds sources and outputs."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from anonymizer import __version__
from anonymizer.batch.remote import Mirror, place, sources
from anonymizer.batch.run import Tally, distant_batch
from anonymizer.cluster import worker as cluster_work
from anonymizer.cluster.pool import ClusterPool, _arrived, unfit
from anonymizer.cluster.worker import Sent, WorkerFacts
from anonymizer.core.errors import NotReadyError, OutputError
from anonymizer.core.machine import THREADS_VARIABLE
from anonymizer.engine.scheduler import Engine
from anonymizer.engine.worker_process import End, Job
from anonymizer.gate.ledger import Ledger
from anonymizer.gate.records import State
from anonymizer.read.source import Source
from anonymizer.road.fingerprint import fingerprint
from anonymizer.road.pipeline import Outcome
from clips import make_clip, numbered
from conftest import NO_DETECTORS, QUICK, Ran, fingerprints, sentences
from folders import HerePool, photos, tree

distributed = pytest.importorskip("distributed", reason="needs anonymizer[cluster]")


def local_cluster(workers: int, **more: Any) -> Any:
    options: dict[str, Any] = {"n_workers": workers, "threads_per_worker": 1, **more}
    return distributed.LocalCluster(dashboard_address=":0", silence_logs=50, **options)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two worker processes, which are started again when they die."""
    with local_cluster(2, processes=True) as found:
        yield found


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anonymizer.cluster.pool.CONNECT_SECONDS", 1)


def lines(ran: Ran) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ran.out.splitlines() if line.startswith("{")]


def rows(out: Path) -> dict[State, int]:
    ledger = Ledger(out / ".anonymizer" / "ledger.sqlite")
    try:
        return ledger.counts()
    finally:
        ledger.close()


def test_a_worker_of_the_cluster_is_killed_half_way_and_every_file_is_done_once(
    run: Callable[..., Ran], cluster: Any, toml: Path, tmp_path: Path
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
        *("batch", inbox, "--out", out, "--settings", toml, "--json"),
        *("--cluster", cluster.scheduler_address),
    )
    assert ran.code == 3, ran.err
    assert killed.is_set() and [one["verdict"] for one in lines(ran)] == ["review"] * count
    assert len([name for name in tree(out)["review"] if name.endswith(".jpg")]) == count
    assert rows(out) == {State.REVIEW: count}
    assert tree(out)["left"] == [] and fingerprints(inbox) == before
    with distributed.Client(cluster, set_as_default=False) as client:
        assert "1" in client.run(os.getenv, THREADS_VARIABLE).values(), "a worker keeps to its threads"


def test_workers_that_do_not_see_the_folders_are_sent_the_bytes(
    run: Callable[..., Ran], cluster: Any, toml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anonymizer.cluster.pool import ClusterPool

    look = ClusterPool._look_at_workers

    def apart(self: ClusterPool, address: str) -> None:
        look(self, address)
        self._shared = False

    monkeypatch.setattr(ClusterPool, "_look_at_workers", apart)
    inbox, out = tmp_path / "cases", tmp_path / "out"
    photos(inbox, 3)
    (inbox / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    make_clip(inbox / "clip.mp4", numbered(2))
    command = ("batch", inbox, "--out", out, "--settings", toml, "--json")
    ran = run(*command, "--cluster", cluster.scheduler_address)
    assert ran.code == 4, ran.err
    found = {Path(one["source"]).name: one for one in lines(ran)}
    assert sorted(one["verdict"] for one in found.values()) == [
        "failed",
        "failed",
        "review",
        "review",
        "review",
    ]
    assert "on a shared file system alone" in found["clip.mp4"]["reasons"][0]["text"]
    assert rows(out) == {State.REVIEW: 3, State.FAILED: 2} and tree(out)["left"] == []
    would = {Path(one["source"]).name: one["would"]["text"] for one in lines(run(*command, "--dry-run"))}
    assert would["clip.mp4"] == "new" and "it failed before" in would["broken.jpg"]
    for medium in (out / "review").glob("*.jpg"):
        assert run("verify", medium).code in (0, 3)


def test_a_file_that_kills_its_workers_fails_alone(
    run: Callable[..., Ran], cluster: Any, toml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dead worker's other files are under suspicion with it, and each is then tried by itself."""

    class Fatal(distributed.WorkerPlugin):  # type: ignore[misc]  # sent by value: workers do not have this module
        name = "fatal"

        def setup(self, worker: Any) -> None:
            import os

            from anonymizer.road.worker import Worker

            process = Worker.process

            def fatal(self: Worker, path: Path, *more: Any) -> Any:
                return os._exit(1) if "photo00002" in path.name else process(self, path, *more)

            setattr(Worker, "process", fatal)  # noqa: B010

    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    inbox, out = tmp_path / "cases", tmp_path / "out"
    photos(inbox, 8)
    with distributed.Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(2)
        client.register_plugin(Fatal())
        ran = run(
            *("batch", inbox, "--out", out, "--settings", toml, "--json"),
            *("--cluster", cluster.scheduler_address),
        )
        client.unregister_worker_plugin("fatal")
        client.restart()
    assert ran.code == 4, ran.err
    (failed,) = (one for one in lines(ran) if one["verdict"] == "failed")
    assert str(failed["source"]).endswith("photo00002.jpg")
    assert (
        "Two worker processes were lost on this file (its workers on the cluster died)"
        in failed["reasons"][0]["text"]
    )
    assert rows(out) == {State.REVIEW: 7, State.FAILED: 1} and tree(out)["left"] == []


def test_no_scheduler_is_one_sentence(
    run: Callable[..., Ran], toml: Path, tmp_path: Path, impatient: None
) -> None:
    photos(tmp_path / "cases", 1)
    ran = run("batch", tmp_path / "cases", "--settings", toml, "--cluster", "tcp://127.0.0.1:9")
    assert ran.code == 5 and "No Dask scheduler answers at tcp://127.0.0.1:9" in ran.err
    assert not list((tmp_path / "anonymized" / ".anonymizer").glob("run-*"))


def test_a_cluster_without_workers_or_that_goes_is_one_sentence_and_nothing_fails(
    run: Callable[..., Ran], toml: Path, tmp_path: Path, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        THREADS_VARIABLE, "1"
    )  # the worker is this very process here, which is to stay as it is
    inbox, out = tmp_path / "cases", tmp_path / "out"
    photos(inbox, 16)
    command = ("batch", inbox, "--out", out, "--settings", toml)
    with local_cluster(0, processes=False) as none:
        ran = run(*command, "--cluster", none.scheduler_address)
    assert ran.code == 5 and "has no workers; start some." in " ".join(ran.err.split())
    with local_cluster(1, processes=False) as short:

        def end() -> None:
            while not list((out / "review").glob("*.jpg")):
                time.sleep(0.01)
            short.close()

        thread = threading.Thread(target=end, daemon=True)
        thread.start()
        ran = run(*command, "--cluster", short.scheduler_address)
        thread.join()
    assert ran.code == 5, ran.err
    assert "no longer answers; start it again and run the same command to go on." in " ".join(ran.err.split())
    assert rows(out).keys() == {State.REVIEW} and tree(out)["left"] == []
    would = Counter(one["would"]["text"] for one in lines(run(*command, "--dry-run", "--json")))
    assert would == {"already done": rows(out)[State.REVIEW], "new": 16 - rows(out)[State.REVIEW]}


@pytest.mark.parametrize("kind", ["FutureCancelledError", "CommClosedError"])
def test_a_cluster_whose_jobs_learn_first_that_it_goes(tmp_path: Path, kind: str) -> None:
    """The client still says that it runs."""

    def fail(*_: object, **__: object) -> None:
        if kind == "CommClosedError":
            raise distributed.comm.CommClosedError("gone")
        raise distributed.client.FutureCancelledError("key", "scheduler-connection-lost")

    pool: Any = object.__new__(ClusterPool)
    pool._client = SimpleNamespace(status="running", cancel=fail, close=lambda: None)
    pool._jobs, pool._mark = {"id": (None, object())}, tmp_path / "mark"
    pool._mark.touch()
    with pytest.raises(NotReadyError, match="no longer answers"), pool._connected():
        fail()
    pool.close()
    assert not pool._mark.exists() and not pool._jobs


def test_workers_that_come_later_are_given_work_and_one_that_cannot_do_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anonymizer.cluster.pool.COUNT_SECONDS", 0)
    job = Job("id", tmp_path / "name.jpg", tmp_path / "staged", QUICK)

    def without_package(sent: Sent) -> None:
        raise ModuleNotFoundError("No module named 'anonymizer'")

    with local_cluster(1, processes=False) as growing:
        pool = ClusterPool(QUICK, growing.scheduler_address, tmp_path)
        try:
            assert pool.room(job) and pool.size == 1
            growing.scale(2)
            growing.wait_for_workers(2)
            assert pool.room(job) and pool.size == 2
            monkeypatch.setattr("anonymizer.cluster.pool.work", without_package)
            pool.start(job)
            with pytest.raises(NotReadyError) as error:
                while not pool.wait(1):
                    pass
        finally:
            pool.close()
    assert str(error.value) == (
        "A worker that joined the cluster lacks something (No module named 'anonymizer'); install the same everywhere."
    )


def test_workers_that_would_do_another_work_are_named_with_what_to_do() -> None:
    made = fingerprint(QUICK)
    assert unfit("tcp://w:1", WorkerFacts(__version__, made, True), made) is None
    assert str(unfit("tcp://w:1", WorkerFacts("0.0", made, True), made)) == (
        f"The worker tcp://w:1 has version 0.0, this machine {__version__}; install the same everywhere."
    )
    assert "cannot be asked for its version (ModuleNotFoundError)" in str(
        unfit("w", ModuleNotFoundError(), made)
    )
    other = "/".join([*made.split("/")[:2], "0" * 16, made.split("/")[3]])
    assert "has other models than this machine" in str(
        unfit("w", WorkerFacts(__version__, other, True), made)
    )


def test_a_worker_that_joined_later_with_other_models_does_nothing(tmp_path: Path) -> None:
    job = Job("id", tmp_path / "name.jpg", tmp_path / "staged", QUICK)
    other = "/".join([*fingerprint(QUICK).split("/")[:2], "0" * 16, "0"])
    said = cluster_work.work(Sent(job, str(tmp_path / "mark"), "token", other)).answer
    assert said.end is End.NOT_READY and "has other models than this machine" in str(said.said)


def test_a_worker_that_does_not_see_the_shared_folder_leaves_the_file_for_another_time(
    tmp_path: Path,
) -> None:
    job = Job("id", tmp_path / "name.jpg", tmp_path / "staged", QUICK)
    said = cluster_work.work(Sent(job, str(tmp_path / "mark"), "token", fingerprint(QUICK))).answer
    assert said.end is End.PASSING and str(said.said) == (
        "A worker of the cluster does not see the shared folder; check that it is mounted there."
    )


def test_a_package_that_is_missing_is_named_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fsspec

    def missing(name: str, *_: Any) -> Any:
        raise ImportError("Please install gcsfs")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    with pytest.raises(NotReadyError) as error:
        place("gs://bucket/cases")
    assert str(error.value) == (
        "Addresses such as gs://bucket/cases need one more package (Please install gcsfs); for S3, install it with: "
        "pip install fsspec s3fs."
    )
    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(NotReadyError) as error:
        ClusterPool(QUICK, "tcp://127.0.0.1:8786", tmp_path)
    assert str(error.value) == (
        "This needs the package 'distributed'; install it with: pip install distributed."
    )


def test_what_dask_may_log_of_a_job_says_nothing_of_its_source() -> None:
    source = Source(b"content", "beef", Path("/x/Jane_Doe.jpg"))
    sent = Sent(
        Job("id", Path("/x/Jane_Doe.jpg"), Path("/x/out"), QUICK), "/x/mark", "secret", "fingerprint", source
    )
    assert repr(sent) == "Sent(fingerprint='fingerprint')"


def test_a_file_that_is_not_the_one_that_was_examined_is_not_taken(tmp_path: Path) -> None:
    (photo,) = photos(tmp_path / "cases", 1)
    job = Job("id", photo, tmp_path / "staged", QUICK)
    (tmp_path / "mark").write_text("token")
    returned = cluster_work.work(Sent(job, str(tmp_path / "mark"), "token", fingerprint(QUICK)))
    worked = returned.answer.worked
    assert worked
    assert _arrived(returned, worked, job).end is End.DONE
    worked.processed.path.write_bytes(b"another")
    assert str(_arrived(returned, worked, job).said) == "its result was damaged on its way"
    worked.processed.path.unlink()
    assert str(_arrived(returned, worked, job).said) == "its result did not arrive"


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


def test_sources_and_outputs_on_s3(run: Callable[..., Ran], bucket: Any, toml: Path, tmp_path: Path) -> None:
    inbox, local = tmp_path / "cases", tmp_path / "local"
    for path in photos(inbox, 3):
        bucket.put_file(str(path), f"cases/in/{path.name}")
    bucket.pipe_file("cases/in/notes.txt", b"no photo")
    bucket.pipe_file("cases/in/broken.jpg", b"\xff\xd8\xff\xe0 and no more")
    command = (
        *("batch", "s3://cases/in", "--out", "s3://cases/out", "--local", local),
        *("--settings", toml, "--workers", 1, "--json"),
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
    toml.write_text(NO_DETECTORS + "jpeg_quality = 80\n", encoding="utf-8")
    old = set(there())
    assert run(*command).code == 4
    assert there() == here() and len(there()) == len(old)
    jpegs = {name for name in there() if name.endswith(".jpg")}
    assert jpegs.isdisjoint(old), "what was replaced is gone there too"


def test_a_store_that_fails_is_said_costs_nothing_and_the_next_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin, target, local = place("memory://jane-doe/in"), place("memory://jane-doe/out"), tmp_path / "local"
    names = [path.name for path in photos(tmp_path / "cases", 3)]
    for name in [*names, f"{'n' * 300}.jpg"]:
        content = (tmp_path / "cases" / (name if name in names else names[0])).read_bytes()
        origin.fs.pipe_file(f"/jane-doe/in/{name}", content + name.encode())

    def go() -> tuple[list[Outcome], str]:
        told: list[Outcome] = []
        with Engine(local, QUICK, pool=HerePool(QUICK)) as engine:
            found = sources(origin, target, engine.gate.private)
            index = distant_batch(
                engine, origin, found, Tally(len(found)), told.append, Mirror(engine.gate, target)
            )
        return sorted(told, key=lambda one: str(one.source)), index.read_text(encoding="utf-8")

    def there() -> list[str]:
        return [Path(key).name for key in origin.fs.find("/jane-doe/out") if key.endswith(".jpg")]

    whole = origin.fs.get_file

    def get_file(key: str, path: str) -> None:
        if names[1] in key:
            raise PermissionError(f"Access denied to {key}")
        whole(key, path)

    with monkeypatch.context() as patch:
        patch.setattr(origin.fs, "get_file", get_file)
        told, index = go()
    said = "It could not be brought from its address ({}); the next run tries again."
    assert [one.verdict for one in told] == ["failed", "review", "failed", "review"]
    assert sentences(told[0].reasons) == [said.format(os.strerror(errno.ENAMETOOLONG))]
    assert sentences(told[2].reasons) == [said.format("PermissionError")]
    assert said.format("PermissionError") in index and "jane" not in index and names[1] not in index
    assert len(there()) == 2

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError("Access denied")

    with monkeypatch.context() as patch:
        patch.setattr(target.fs, "put_file", refuse)
        with pytest.raises(OutputError) as error:
            go()
    assert str(error.value) == (
        f"memory://jane-doe/out cannot be written (Access denied); everything is safe in {local}: run the same "
        "command again to go on."
    )
    assert len(there()) == 2
    told, _ = go()
    assert [one.verdict for one in told] == ["failed", "review", "review", "review"]
    assert sorted(there()) == sorted(path.name for path in (local / "review").glob("*.jpg"))
    assert not (local / ".anonymizer" / "incoming").exists()


def test_a_folder_above_the_one_that_was_asked_for_may_be_called_anything(tmp_path: Path) -> None:
    photos(tmp_path / ".hidden" / "in", 1)
    photos(tmp_path / ".hidden" / "in" / ".thumbnails", 1)
    found = sources(place(f"file://{tmp_path}/.hidden/in"), None, tmp_path / "private")
    assert [Path(one.key).name for one in found] == ["photo00000.jpg"]


def test_addresses_that_cannot_be_used_are_one_sentence_each(
    run: Callable[..., Ran], toml: Path, tmp_path: Path
) -> None:
    photos(tmp_path / "cases", 1)
    some = ("--settings", toml)
    listed = place("memory://nothing")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listed.fs, "find", lambda *_, **__: 1 / 0)
        said = run("batch", "memory://nothing", *some).err
    assert "memory://nothing cannot be listed (division by zero)." in said
    assert "stands alone" in run("batch", "memory://a", tmp_path / "cases", *some).err
    assert "no photo and no clip" in run("batch", "memory://nothing", *some).err
    assert (
        "is no address of a Dask scheduler" in run("batch", tmp_path / "cases", "--cluster", "foo", *some).err
    )
    assert "no address that can be opened" in run("batch", "nonsense://x/y", *some).err
    assert "--local goes with addresses" in run("batch", tmp_path / "cases", "--local", tmp_path, *some).err
