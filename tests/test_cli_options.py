"""The options of the command line: every setting by its own flag, wherever the road is run, in every language."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.core import TyperCommand, TyperGroup, TyperOption

from anonymizer.cli import failures, language
from anonymizer.cli.main import main, root
from anonymizer.cli.options import Given, place
from anonymizer.core import known
from anonymizer.core.described import described
from anonymizer.core.errors import SettingsError, UsageError
from anonymizer.core.face_parts import FacePart, KeptPart
from anonymizer.core.settings import Settings
from anonymizer.i18n import languages, words
from conftest import FAST, SAMPLES, Ran

Run = Callable[..., Ran]

ROAD = ("blur", "batch", "watch", "app")
FOREIGN = [one for one in languages() if one != "en"]
HEAVY = ("numpy", "cv2", "PIL", "av", "openvino", "cryptography.hazmat.bindings._rust")
ENGLISH = re.compile(
    r"\b(?:usage|options?|arguments?|commands?):|\b(missing|invalid|no such|did you mean|possible|requires?d?|takes?|"
    r"got|unexpected|extra|"
    r"try|error|default|show|install|message|exit|input|should|valid|value|unknown|must|is not|given)\b",
    re.IGNORECASE,
)
"""Words of typer's own sentences and headings, and of ours in English; French has none of them."""


def commands(command: Any = root, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command and group, with the words that call it."""
    yield path, command
    for name, one in getattr(command, "commands", {}).items():
        yield from commands(one, (*path, name))


def options_of(command: Any) -> dict[str, TyperOption]:
    return {flag: one for one in command.params if isinstance(one, TyperOption) for flag in one.opts}


@pytest.mark.parametrize("name", ROAD)
def test_every_setting_has_its_flag_in_every_command_that_runs_the_road(name: str) -> None:
    flags = options_of(root.commands[name])
    assert "--settings" in flags
    for one in described():
        assert one.flag in flags, one.keys
        assert flags[one.flag].rich_help_panel == one.about.part
        switch = isinstance(one.field.default, bool)
        assert switch == bool(flags[one.flag].secondary_opts), "what a file says yes to, a flag can say no to"


VALUES: dict[str, tuple[list[str], Any]] = {
    "--region": (["face:1,2,3,4@1-2.5"], None),
    "--keep": (["1,2,3,4"], ((1, 2, 3, 4),)),
    "--crop": (["1,2,3,4"], (1, 2, 3, 4)),
    "--background-outline": (["1,2 3,4 5,6.5"], (((1, 2), (3, 4), (5, 6.5)),)),
    "--keep-part": (["nose@3,4"], (KeptPart(part=FacePart.NOSE, at=(3, 4)),)),
    "--dismiss": (["text:1,2,3,4"], None),
    "--lang": (["fr"], "fr"),
    "--grid": (["3"], 3),
    "--margin": (["2.5"], 2.5),
    "--noise": (["900"], 900.0),
    "--jpeg-quality": (["80"], 80),
    "--crf": (["30"], 30),
    "--name": (["{case}-{date}-{number:3}"], "{case}-{date}-{number:3}"),
    "--date": (["2025-01"], "2025-01"),
    "--case": (["b"], "b"),
}


def test_every_flag_reaches_its_setting_and_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each setting once by its own flag, against a file that says something else of some of them."""
    file = tmp_path / "own.toml"
    text = 'style = "pixelate"\nkeep_name = true\nfaces = false\n[limits]\nmax_bytes = 7\nmax_pixels = 9\n'
    named = tmp_path / "named.toml"
    named.write_text('name = "{date}-{case}-{number}"\ndate = "2026"\ncase = "a"\n')
    file.write_text(text)
    names = tmp_path / "names.txt"
    names.write_text("Dubois\n")
    names.chmod(0o600)
    values = VALUES | {"--known": ([str(names)], known.read(names).entries)}
    got: list[Given] = []
    monkeypatch.setattr(Given, "settings", lambda given: got.append(given) or _stop())
    real = Given.settings
    for one in described():
        default = one.field.default
        if isinstance(default, bool):
            flags, wanted = [one.flag.replace("--", "--no-", 1)] if default else [one.flag], not default
        elif one.choices and not one.many:
            choice = next(choice for choice in one.choices if choice != default)
            flags, wanted = [one.flag, choice], choice
        else:
            written, wanted = values.get(one.flag, (["12345"], 12345))
            flags = [word for value in written for word in (one.flag, value)]
        with pytest.raises(SystemExit):
            asks = named if one.flag in ("--name", "--date", "--case") else file
            main(["blur", "x", "--settings", str(asks), *flags])
        monkeypatch.undo()
        settings: Any = got[-1].settings()
        monkeypatch.setattr(Given, "settings", real)
        for key in one.keys:
            settings = getattr(settings, key)
        if wanted is not None:
            assert settings == wanted, one.flag
        else:
            (drawn,) = settings
            assert drawn.rect == (1, 2, 3, 4) and drawn.kind in ("face", "text")
            assert one.flag == "--dismiss" or (drawn.start, drawn.end) == (1, 2.5)
    monkeypatch.undo()
    both = Given(file, {"--style": "fill", "--faces": True, "--max-bytes": "8"}).settings()
    assert (both.style, both.faces, both.keep_name) == ("fill", True, True)
    assert (both.limits.max_bytes, both.limits.max_pixels) == (8, 9), "key by key of a table"


def _stop() -> None:
    raise UsageError("cli.release-nothing")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nose:1,2,3,4", "'nose' is unknown; known are face, text, code, mark, drawn."),
        ("face:1,2,3", "is not a rectangle"),
        ("1,2,3,4@2-1", "seconds"),
        ("1,2,3,4@x-y", "seconds"),
    ],
)
def test_a_place_that_cannot_be_read_is_said(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        place(text)


def test_what_is_dismissed_needs_its_kind() -> None:
    with pytest.raises(UsageError, match="face:1,2,3,4"):
        Given(None, {"--dismiss": ("1,2,3,4",)}).settings()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("blur", "x", "--styel", "fill"), "Did you mean '--style'?"),
        (("bulr", "x"), "Did you mean 'blur'?"),
        (("blur", "x", "--style", "smear"), "style: 'smear' is unknown; known are blur, pixelate, fill."),
        (("blur", "x", "--shape", "round"), "shape: 'round' is unknown; known are ellipse, box."),
        (("blur", "x", "--crf", "best"), "crf: 'best' is not an integer."),
        (("app", "--max-pixels", "0"), "limits.max_pixels: input should be greater than 0."),
        (("watch", "in", "--lang", "de"), "--lang de: there is en, fr."),
        (
            ("batch", "x", "--settings", "typo.toml"),
            "line 2: limits.max_pixel: unknown setting; did you mean max_pixels.",
        ),
        (("batch", "x", "--settings", "german.toml"), "language: 'de' is unknown; known are en, fr."),
    ],
)
def test_what_is_unknown_is_told_what_is_known(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "typo.toml").write_text("[limits]\nmax_pixel = 3\n")
    (tmp_path / "german.toml").write_text('language = "de"\n')
    ran = run(*arguments)
    assert ran.code == 2 and said in ran.err and ran.err.count("\n") == 1


@pytest.mark.parametrize("spoken", FOREIGN)
def test_the_help_of_everything_is_in_every_catalogue(spoken: str) -> None:
    in_catalogue, parser = words(spoken, "help"), words(spoken, "parser")
    missing = []
    for path, command in commands():
        for one in [command, *command.params]:
            text = one.help or ""
            paragraphs = [" ".join(paragraph.split()) for paragraph in text.split("\n\n") if paragraph]
            missing += [one for one in paragraphs if one not in in_catalogue]
            part = getattr(one, "rich_help_panel", None)
            missing += [part] if part and part not in in_catalogue else []
            assert isinstance(one, TyperCommand | TyperGroup) or paragraphs, f"{path} {one.name} has no help"
        for parameter in command.params:
            if not getattr(parameter, "is_flag", False):
                assert parameter.metavar, f"{path} {parameter.name} has no word for its value"
                missing += [parameter.metavar] if "|" not in parameter.metavar else []
    assert [one for one in missing if one not in parser] == []


def wrong_calls() -> Iterator[tuple[str, ...]]:
    """Every kind of wrong call, of every command and every option that knows the kind."""
    for path, command in commands():
        yield (*path, "--nonsense")
        yield (*path, "-y")
        if isinstance(command, TyperGroup):
            yield (*path, "nonsense")
            yield (*path, next(iter(command.commands)) + "s")
            # With the language after it alone.
            yield (*path, "--lang", "fr")
        elif any(one.required for one in command.params):
            yield path
        if not isinstance(command, TyperGroup) and not any(one.nargs == -1 for one in command.params):
            yield (*path, "a", "b", "c")
        for flag, option in options_of(command).items():
            if flag == language.FLAG or not flag.startswith("--"):
                continue
            yield (*path, f"{flag}s")
            yield (*path, f"{flag}=x" if option.is_flag else flag)
            if option.min is not None and not option.rich_help_panel:
                yield from ((*path, flag, value) for value in ("x", f"{option.min - 1:g}"))
                yield from ((*path, flag, f"{option.max + 1:g}") for _ in [1] if option.max is not None)


def test_no_word_of_the_option_parser_is_english_in_french(run: Run) -> None:
    """Whatever a call is wrong in, and in the help of every command: a new release of typer may say new words."""
    kinds = set()
    for call in wrong_calls():
        ran = run("--lang", "fr", *call)
        assert ran.code == 2 and ran.out == "" and ran.err.count("\n") == 1, (call, ran)
        assert ran.err.startswith("anonymizer: ") and ran.err.endswith(" Essayez --help.\n"), ran.err
        # What was typed, and names of options, are no words of the parser's.
        said = re.sub(r"'(\[?[A-Z]+\W*|-[^']*|x|[a-z]+)'|--help", "", ran.err)
        assert not ENGLISH.search(said), ran.err
        kinds.add(said)
    assert len(kinds) > 10, "calls of every kind were made"
    for path, _ in commands():
        ran = run("--lang", "fr", *path, "--help")
        assert ran.code == 0 and ran.err == ""
        # But for the names of commands and flags, file names and values.
        text = re.sub(r"(?m)^  [a-z]+  ", "", ran.out.replace(" ".join(("anonymizer", *path)), ""))
        frame = re.sub(r"--?[a-z-]+|(?<!\w)'[^']*'|\[OPTIONS\]|[\w.]+[/.|]\w*", "", text)
        assert not ENGLISH.search(frame), (path, ENGLISH.search(frame), ran.out)
    for call in (("blur",), ("bulr",), ("app", "--port", "x"), ("blur", "--help")):
        ran = run("--lang", "en", *call)
        assert ENGLISH.search(ran.out + ran.err), "these words would be found"


def completed(*typed: str) -> list[str]:
    """What bash is told to offer after these words of a command line."""
    asked = {"_ANONYMIZER_COMPLETE": "complete_bash", "COMP_CWORD": str(len(typed)), "LANG": "fr_FR.UTF-8"}
    ran = subprocess.run(
        [sys.executable, "-m", "anonymizer"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **asked, "COMP_WORDS": " ".join(("anonymizer", *typed))},
    )
    assert ran.returncode == 0 and ran.stderr == ""
    return ran.stdout.split()


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (("ver",), ["verify"]),
        (("models", "ch"), ["check"]),
        (("blur", "--jpeg-q"), ["--jpeg-quality"]),
        (("watch", "--style", "p"), ["pixelate"]),
    ],
)
def test_a_shell_completes_commands_options_and_values(typed: tuple[str, ...], offered: list[str]) -> None:
    assert completed(*typed) == offered


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--lang", "fr", "--help"),
            ("Usage :", "Commandes", "Rend publiables", "Affiche cette aide et quitte."),
        ),
        (
            ("blur", "--help", "--lang", "fr"),
            ("Comment les visages sont masqués", "CHEMIN...", "par défaut"),
        ),
        (("--lang=fr", "models"), ("Usage :", "Les poids des détecteurs")),
    ],
)
def test_help_speaks_the_language_wherever_it_is_asked_for(
    run: Run, arguments: tuple[str, ...], said: tuple[str, ...]
) -> None:
    text = run(*arguments).out
    assert all(one in text for one in said), text
    english = run(*[one for one in arguments if one not in ("--lang", "fr", "--lang=fr")]).out
    assert "Usage:" in english and not any(one in english for one in said)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("blur",), "Argument manquant : 'CHEMIN...'."),
        (("blur", "x", "--styel", "fill"), "L'option '--styel' n'existe pas. Vouliez-vous dire '--style' ?"),
        (("blur", "x", "--out"), "L'option '--out' demande une valeur."),
        (("bulr",), "La commande 'bulr' n'existe pas."),
        (("status", "a", "b"), "Argument en trop (b)"),
        (("blur", "x", "--style", "smear"), "style : 'smear' est inconnu ; connus : blur, pixelate, fill."),
        (("app", "--port", "70000"), "Valeur incorrecte pour '--port'"),
        (("blur", "gone.jpg"), "n'existe pas"),
    ],
)
def test_errors_speak_the_language_before_and_after_the_command(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for words_ in (("--lang", "fr", *arguments), (arguments[0], "--lang", "fr", *arguments[1:])):
        ran = run(*words_)
        assert ran.code == 2 and said in ran.err, ran.err
    assert said not in run(*arguments).err


def test_the_language_after_a_command_is_the_reports_too(run: Run, tmp_path: Path) -> None:
    Image.new("RGB", (64, 48), (90, 120, 150)).save(tmp_path / "a.jpg")
    file = tmp_path / "own.toml"
    file.write_text('language = "en"\n')
    ran = run(
        "blur", tmp_path / "a.jpg", "--out", tmp_path / "out", *FAST, "--settings", file, "--lang", "fr"
    )
    assert ran.code == 3 and "à vérifier" in ran.out
    (report,) = (path for path in (tmp_path / "out" / "reports").glob("*.html") if path.name != "index.html")
    assert '<html lang="fr">' in report.read_text(encoding="utf-8")


def loaded(*arguments: str) -> tuple[set[str], int]:
    """What a call of the program has loaded when it ends, and its exit code."""
    code = (
        "import json, sys\nfrom anonymizer.__main__ import main\n"
        "try: main()\nexcept SystemExit as left: code = left.code\n"
        "sys.stderr.write(json.dumps([sorted(sys.modules), code]))"
    )
    ran = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60)
    modules, left = json.loads(ran.stderr.splitlines()[-1])
    return set(modules), left


@pytest.mark.parametrize(
    "arguments",
    [("--version",), ("--help",), ("blur", "--help"), ("watch", "--help", "--lang", "fr"), ("bulr",)],
)
def test_help_and_version_load_nothing_heavy(arguments: tuple[str, ...]) -> None:
    modules, _ = loaded(*arguments)
    assert "anonymizer.cli.main" in modules
    assert modules & set(HEAVY) == set()


@pytest.fixture
def without_libgl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenCV as it is where the wrong one of its builds lies on top and the machine has no graphics library."""
    folder = tmp_path / "fake"
    folder.mkdir()
    (folder / "cv2.py").write_text(
        "raise ImportError('libGL.so.1: cannot open shared object file: No such file or directory')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(folder))


def program(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "anonymizer", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_without_a_graphics_library_it_is_said_what_to_install(tmp_path: Path, without_libgl: None) -> None:
    for arguments in (
        ("blur", SAMPLES / "portrait.jpg", "--out", tmp_path / "out"),
        ("batch", SAMPLES, "--out", tmp_path / "out"),
    ):
        ran = program(*arguments)
        assert ran.returncode == 5, ran.stderr
        assert ran.stderr == (
            f"anonymizer: OpenCV cannot be loaded (libGL.so.1); run: {failures.OPENCV_CURE}\n"
        )
    found = program("doctor", "--json")
    assert found.returncode == 5 and found.stderr == ""
    (opencv,) = (one for one in map(json.loads, found.stdout.splitlines()) if one["what"] == "opencv")
    assert not opencv["ok"] and failures.OPENCV_CURE in opencv["said"] and "libGL" in opencv["said"]
    assert program("--version").returncode == 0


def test_a_library_that_is_missing_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    language.choose(["--lang", "en"])
    assert failures.told(ImportError("No module named 'av'", name="av"), []) == 5
    assert "The library av cannot be loaded" in capsys.readouterr().err
    assert failures.told(ImportError("cannot import name 'x'", name="anonymizer.road"), []) == 1
    assert "Internal error (ImportError)" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without telling it")
@pytest.mark.parametrize("command", ["blur", "batch"])
def test_sigterm_ends_a_run_as_ctrl_c_does(tmp_path: Path, command: str) -> None:
    """Nothing half done is kept, what was done stays, and the same call goes on."""
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    file = io.BytesIO()
    Image.effect_noise((1600, 1200), 60).convert("RGB").save(file, "JPEG")
    for number in range(40):
        # What stands behind the end makes it another file, for less than another picture costs.
        (folder / f"{number:02}.jpg").write_bytes(file.getvalue() + b"%d" % number)
    call = [
        sys.executable,
        "-m",
        "anonymizer",
        command,
        str(folder),
        "--out",
        str(out),
        "--lang",
        "en",
        *FAST,
    ]
    with subprocess.Popen(
        call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        assert running.stdout and running.stderr
        assert "review" in running.stdout.readline(), "the first is done"
        running.send_signal(signal.SIGTERM)
        said = running.stderr.read()
        assert running.wait(60) == 130
    assert said.strip() == "Stopped. Nothing half done was kept; run the same command again to go on."
    done = len(list((out / "review").glob("*.jpg")))
    assert 1 <= done < 40
    assert not list((out / ".anonymizer").glob("run-*/*")), "nothing staged is left"
    time.sleep(0.5)
    assert _children(running.pid) == [], "no process of it goes on"
    status = program("status", out, "--json")
    media = json.loads(status.stdout)["media"]
    # One that was only just begun may stand there still: the next run takes it back.
    assert media["review"] == done and media.keys() <= {"review", "working"}


def _children(session: int) -> list[int]:
    """Processes of a session that have not ended, on systems that tell."""
    found = []
    for entry in Path("/proc").glob("[0-9]*") if Path("/proc").is_dir() else ():
        try:
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            found += [int(entry.name)] if os.getsid(int(entry.name)) == session and state != "Z" else []
        except (ProcessLookupError, FileNotFoundError):
            continue
    return found


def test_a_settings_file_cannot_hold_what_no_flag_could_say() -> None:
    with pytest.raises(SettingsError, match="did you mean style"):
        from anonymizer.core.settings_file import load

        load(overrides={"stile": "fill"})
    assert Given(None, {}).settings() == Settings(language=language.language())
