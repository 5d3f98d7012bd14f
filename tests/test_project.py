"""What lies around the program: the site, the workflows, the container, and the commands that the pages write."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from anonymizer import __version__
from anonymizer.cli.main import root
from anonymizer.detect.models.manifest import models_version
from anonymizer.gate.decisions import approve
from anonymizer.gate.folder import Gate
from anonymizer.gate.records import State
from conftest import NO_DETECTORS, ROOT, Ran
from test_dicom import PLANES, made, stored

BIN = Path(sys.executable).parent
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *(ROOT / "docs").glob("*.md")]
)


def called(*words: str | Path) -> None:
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        list(map(str, words)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_site_builds_and_every_link_and_anchor_in_it_leads_somewhere(tmp_path: Path) -> None:
    called(sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path)
    for name in ("index", "dentist", "dentiste", "assistant", "officer", "dpo", "architecture"):
        text = (tmp_path / f"{name}.html").read_text(encoding="utf-8")
        assert not re.search(r'(?:src|href)="(?:https?:)?//(?:fonts|unpkg|cdn)', text), (
            "nothing is loaded from elsewhere"
        )
    assert {path.name for path in (ROOT / "docs").glob("*.md")} <= set(
        re.findall(r": ([\w-]+\.md)", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    ), "every page is in the menu"


def test_the_workflows_are_what_their_host_takes() -> None:
    if not (BIN / "actionlint").exists():
        pytest.skip("no actionlint for this platform")
    called(BIN / "actionlint", *(ROOT / ".github" / "workflows").glob("*.yml"))


def test_the_workflows_run_what_make_runs() -> None:
    steps = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    recipe = re.search(
        r"^test: models\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert recipe
    for line in recipe[1].strip().splitlines():
        assert line.strip().removeprefix("$(BIN)/") in steps, line


def calls() -> list[Any]:
    """Every call of the program that a page writes, in a block of commands or with arguments in a sentence."""
    found = {}
    for path in PAGES:
        text = path.read_text(encoding="utf-8").replace("\\\n", " ")
        blocks = re.findall(r"^    (?:\w+=\S+ )*anonymizer (.*)$", text, re.MULTILINE)
        for line in [*blocks, *re.findall(r"`anonymizer ([^` ]+ [^`]+)`", text)]:
            first = re.split(r"\s#\s|&&|\|(?!\w)|;|\s>\s", re.sub(r"\$\(.*\)", "x", line))[0]
            # An option before any command; the first words of what is signed.
            if "[" not in first and first not in ("--lang fr …", "report 1"):
                found.setdefault(first.strip(), pytest.param(first, id=f"{path.name}: {first.strip()}"))
    return list(found.values())


@pytest.mark.parametrize("line", calls())
def test_a_command_of_a_page_is_one_that_there_is(line: str) -> None:
    """Its words are parsed as a call would be; it is not carried out."""
    words = shlex.split(line.replace("…", "photo.jpg"))
    command: Any = root
    context = root.make_context("anonymizer", ["help-is-no-command"], resilient_parsing=True)
    if words[0] == "--lang":
        words = words[2:]
    words = words[1:] if words[:1] == ["--debug"] else words
    while hasattr(command, "commands") and words:
        if words[0].startswith("-") or words[0] not in command.commands:
            break
        command, words = command.commands[words[0]], words[1:]
    assert command is not root or words[0].startswith("--"), line
    if command is not root:
        command.make_context("anonymizer", words, parent=context)


def test_the_pages_name_the_files_that_are_built() -> None:
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        assert set(re.findall(r"clinical_anonymizer-([\d.]+\d)-", text)) <= {__version__}, path
        assert set(re.findall(r"clinical_anonymizer_models-([\d.]*\d)-", text)) <= {models_version()}, path
        assert not re.search(r"pip install (?:\S+ )*['\"]?anonymizer\b", text), "that is somebody else's"
    assert f"version: {__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_the_container_is_what_it_is_said_to_be() -> None:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    watch = compose["services"]["watch"]
    assert watch["network_mode"] == "none" and watch["read_only"] and watch["cap_drop"] == ["ALL"]
    docker = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert re.findall(r"^USER (\w+)$", docker, re.MULTILINE) == ["anonymizer"]
    (healthy,) = re.findall(r"HEALTHCHECK .* CMD (\[.*\])", docker)
    (usual,) = re.findall(r"^CMD (\[.*\])$", docker, re.MULTILINE)
    for words in (yaml.safe_load(healthy)[1:], yaml.safe_load(usual), compose["services"]["page"]["command"]):
        root.commands[words[0]].make_context(words[0], words[1:])


def test_the_manifest_for_kubernetes_fits_together() -> None:
    parts = list(yaml.safe_load_all((ROOT / "docs" / "kubernetes.yaml").read_text(encoding="utf-8")))
    assert [one["kind"] for one in parts] == ["Deployment", "Service", "Deployment", "NetworkPolicy"]
    labels = {}
    for one in parts:
        if one["kind"] == "Deployment":
            template = one["spec"]["template"]
            assert one["spec"]["selector"]["matchLabels"] == template["metadata"]["labels"]
            labels |= {template["metadata"]["labels"]["app"]: template["spec"]}
            for container in template["spec"]["containers"]:
                assert container["securityContext"]["readOnlyRootFilesystem"]
                named = {volume["name"] for volume in template["spec"]["volumes"]}
                assert {mount["name"] for mount in container["volumeMounts"]} == named
    assert parts[1]["spec"]["selector"]["app"] in labels
    port = labels["anonymizer-scheduler"]["containers"][0]["ports"][0]["containerPort"]
    assert parts[1]["spec"]["ports"][0] == {"port": port, "targetPort": port}
    assert (
        f"tcp://{parts[1]['metadata']['name']}:{port}"
        in labels["anonymizer-worker"]["containers"][0]["command"]
    )


ORDER = [
    "models",
    "key export",
    "key import",
    "key show",
    "blur",
    "batch",
    "sheet",
    "status",
    "release",
    "log",
    "verify",
    "forget",
    "doctor",
]
"""The commands that are carried out here, in an order in which each finds what it needs."""
ELSEWHERE = re.compile(r"^(app|watch|desktop)\b|--cluster|s3://|models fetch|/out\b|…")
"""They run until they are stopped, change the user's desktop, need other machines or a network: tests of their own call
them."""


def test_what_the_pages_write_is_carried_out_as_it_stands(
    run: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Typed one after the other, at a terminal where all that is asked is answered, they come to their end."""
    desk = tmp_path / "desk"
    (desk / "cases").mkdir(parents=True)
    (desk / "names.txt").write_text("Mustermann\n", encoding="utf-8")
    (desk / "names.txt").chmod(0o600)
    with Image.open(ROOT / "sample_media" / "no-face.jpg") as photo:
        photo.thumbnail((320, 320))
        photo.save(desk / "photo.jpg")
        photo.save(desk / "cases" / "a.jpg", quality=80)
    with zipfile.ZipFile(desk / "case.zip", "w") as bundle:
        bundle.write(desk / "photo.jpg", "1.jpg")
    for scan in (desk / "scan.dcm", desk / "archive" / "1.dcm"):
        scan.parent.mkdir(exist_ok=True)
        scan.write_bytes(stored(made(PLANES, "RGB", InstanceNumber=len(scan.parts))))
    # Detectors take time to load: what was not searched waits for a person, who approves it below.
    (desk / "anonymizer.toml").write_text(NO_DETECTORS, encoding="utf-8")
    monkeypatch.chdir(desk)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    monkeypatch.setattr("rich.console.Console.input", lambda *_, **__: "y")
    monkeypatch.setattr("getpass.getpass", lambda *_: "correct horse battery staple")
    written = [str(one.values[0]) for one in calls()]
    rest = {line for line in written if not ELSEWHERE.search(line)}
    for step in ORDER:
        mine = sorted(line for line in rest if line.startswith(step))
        assert mine, f"no page writes {step!r}"
        rest -= set(mine)
        for line in mine:
            words = shlex.split(line)
            for name in {"OUT", "FOLDER", "out"} & {word.split("/")[0] for word in words}:
                if (desk / "publishable").exists() and not (desk / name).exists():
                    shutil.copytree(desk / "publishable", desk / name)
            for name in {"before.jpg", "after.jpg", "avant.jpg", "apres.jpg"}.intersection(words):
                shutil.copy(desk / "cases" / "a.jpg", desk / name)
            if step == "sheet":
                ready = iter(sorted((desk / "anonymized" / "ready").glob("*.jpg")))
                words = [str(next(ready)) if word.endswith(".jpg") else word for word in words]
            if step == "verify":
                published = min((desk / "website").glob("*.jpg"))
                words = [str(published) if word == "photo.jpg" else word for word in words]
            paths = [sorted(map(str, desk.glob(word))) if "*" in word else [word] for word in words]
            words = [path for several in paths for path in several]
            ran = run(*words)
            # No watcher runs here, which is what `status` tells by its code.
            expected = {"status": {5}, "blur": {3}, "sheet": {3}, "batch": {0, 3}}.get(step, {0})
            assert ran.code in expected, (line, ran.code, ran.out, ran.err)
        if step == "batch":
            for out in (desk / "publishable", desk / "out", desk / "anonymized"):
                with Gate(out) as gate:
                    for entry in list(gate.ledger.each(State.REVIEW)):
                        approve(gate, entry.id, "AB")
    assert not rest, "no step carries these out"
    assert list((desk / "website").glob("*.jpg"))
