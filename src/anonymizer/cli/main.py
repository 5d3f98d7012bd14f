"""The command line: it translates words into calls and outcomes into words, and decides nothing."""

from __future__ import annotations

import errno
import json
import logging
import math
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from anonymizer.cli.key import key_app
from anonymizer.core.errors import AnonymizerError, ExitCode, UsageError
from anonymizer.core.message import Given, Message, with_sentence
from anonymizer.core.settings import AudioPolicy, Effort, HdrPolicy, Settings, TextPolicy, load
from anonymizer.core.types import Shape, Style, Verdict
from anonymizer.core.version import __version__
from anonymizer.i18n import chosen, speaker
from anonymizer.read.walk import Passed, PassedOver

app = typer.Typer(
    name="anonymizer",
    help="Make clinical photos and clips publishable: find, hide, clean, verify, and say why.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
models_app = typer.Typer(
    help="The detectors' weights: which are here, fetch them, check them.", no_args_is_help=True
)
app.add_typer(models_app, name="models")
app.add_typer(key_app, name="key")

# Without it, Python prints a worker's defect, traceback and all.
logging.getLogger("anonymizer").addHandler(logging.NullHandler())

out_console = Console(highlight=False, soft_wrap=True)
err_console = Console(stderr=True, highlight=False, soft_wrap=True)

Json = Annotated[
    bool, typer.Option("--json", help="One JSON object per line on standard output, for scripts.")
]


def _say_version(wanted: bool) -> None:
    if wanted:
        out_console.print(f"anonymizer {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    ctx: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and leave.", callback=_say_version, is_eager=True),
    ] = False,
    lang: Annotated[
        str | None, typer.Option(help="Language of messages and reports; default: the system's.")
    ] = None,
    debug: Annotated[
        bool,
        typer.Option("--debug", help="Of a defect, show where in the program it lies; may name your files."),
    ] = False,
) -> None:
    """The options that stand before a command."""
    _LANGUAGE.set(chosen(lang))
    _DEBUG.set(debug)
    if debug:
        # Workers hand their defects over as log records; by default nobody listens.
        logger, handler = logging.getLogger("anonymizer"), logging.StreamHandler()
        logger.addHandler(handler)
        # A second call in this process, with a standard error of its own, is not to meet this one's.
        ctx.call_on_close(lambda: logger.removeHandler(handler))


_DEBUG: ContextVar[bool] = ContextVar("debug", default=False)
"""Whether this call of the command line shows tracebacks, which may name a patient's file."""
_LANGUAGE: ContextVar[str] = ContextVar("language", default="")
"""Of this call of the command line; empty until its options are read."""


def _say(what: Message | str, /, **values: Given) -> str:
    """A message in the language of this run."""
    return speaker(_LANGUAGE.get() or chosen())(what, **values)


def _rect(text: str) -> tuple[float, float, float, float]:
    """``x,y,w,h`` in pixels of the upright picture."""
    try:
        x, y, w, h = (float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError("cli.no-rectangle", text=text) from error
    if not all(math.isfinite(value) for value in (x, y, w, h)):
        raise UsageError("cli.rectangle-numbers", text=text)
    if w <= 0 or h <= 0:
        raise UsageError("cli.rectangle-empty", text=text)
    return x, y, w, h


def _region(text: str) -> dict[str, Any]:
    """``x,y,w,h``, and for a clip the seconds in which it stands: ``x,y,w,h@start-end``, ``x,y,w,h@start-``."""
    place, at, times = text.partition("@")
    if not at:
        return {"rect": _rect(place)}
    start, dash, end = times.partition("-")
    try:
        values = {"start": float(start or 0), "end": float(end) if end else None}
    except ValueError as error:
        raise UsageError("cli.region-seconds", text=text, place=place) from error
    if not dash or (values["end"] is not None and not values["end"] > (values["start"] or 0)):
        raise UsageError("cli.region-seconds", text=text, place=place)
    return {"rect": _rect(place)} | values


@app.command()
def blur(
    paths: Annotated[
        list[Path], typer.Argument(help="Photos and clips, or folders of them.", metavar="PATH...")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Output folder; default: a folder 'anonymized' beside the first PATH."),
    ] = None,
    settings_file: Annotated[
        Path | None,
        typer.Option("--settings", help="Settings file; default: anonymizer.toml in this folder, if there."),
    ] = None,
    detector: Annotated[Effort | None, typer.Option(help="How hard to search.")] = None,
    style: Annotated[Style | None, typer.Option(help="How faces are hidden.")] = None,
    shape: Annotated[Shape | None, typer.Option(help="Outline of a hidden face: ellipse or box.")] = None,
    margin: Annotated[float | None, typer.Option(help="Growth of a face's box, 1.2 or more.")] = None,
    grid: Annotated[int | None, typer.Option(help="Colour cells along a face's side, 8 or fewer.")] = None,
    noise: Annotated[float | None, typer.Option(help="Noise on each cell, 20 or more (of 255).")] = None,
    unsafe_strength: Annotated[
        bool | None,
        typer.Option("--unsafe-strength", help="Allow a weaker redaction; the file waits in review/."),
    ] = None,
    text: Annotated[TextPolicy | None, typer.Option(help="Which text to hide.")] = None,
    codes: Annotated[
        bool | None, typer.Option("--codes/--no-codes", help="Hide barcodes and QR codes.")
    ] = None,
    marks: Annotated[
        bool | None, typer.Option("--marks/--no-marks", help="Ask about likely tattoos: review/.")
    ] = None,
    faces: Annotated[
        bool | None, typer.Option("--faces/--no-faces", help="Hide faces; without, review/.")
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option(help="Hide this place too: x,y,w,h in pixels; in a clip x,y,w,h@start-end. Repeatable."),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(help="Keep this place clear: x,y,w,h; the file waits in review/. Repeatable."),
    ] = None,
    keep_mouth: Annotated[
        bool | None,
        typer.Option("--keep-mouth", help="Keep the mouth visible in each face; waits in review/."),
    ] = None,
    crf: Annotated[int | None, typer.Option(help="A clip's quality, 0 to 40: smaller is better.")] = None,
    audio: Annotated[
        AudioPolicy | None, typer.Option(help="A clip's sound: drop, or keep (waits in review/).")
    ] = None,
    hdr: Annotated[
        HdrPolicy | None,
        typer.Option(help="A clip's high dynamic range: map to what every screen shows, or keep (10 bits)."),
    ] = None,
    keep_name: Annotated[
        bool | None, typer.Option("--keep-name", help="Keep the file's name (it may name the patient).")
    ] = None,
    known: Annotated[
        Path | None,
        typer.Option(
            help="A file of what you know of the case, one name, date or number a line (mode 0600)."
        ),
    ] = None,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
) -> None:
    """Make photos and clips publishable.

    What is safe lands in OUT/ready, what a person must see in OUT/review, the reports in OUT/reports.
    Exit codes: 0 all ready, 3 some in review, 4 some failed, 6 all ready but media of other kinds left, 2 wrong use, 5
    machine not ready.
    """
    from anonymizer.read.inputs import collect
    from anonymizer.road.pipeline import Session

    flags: dict[str, Any] = {
        "detector": detector, "style": style, "shape": shape, "margin": margin, "grid": grid, "noise": noise,
        "unsafe_strength": unsafe_strength, "text": text, "codes": codes, "marks": marks, "faces": faces,
        "regions": tuple(_region(r) for r in region) if region else None,
        "keep": tuple(_rect(k) for k in keep) if keep else None,
        "keep_mouth": keep_mouth, "keep_name": keep_name, "crf": crf, "audio": audio, "hdr": hdr,
        "known": known,
    }  # fmt: skip
    settings = _settings(settings_file, flags)
    target = (out or _beside(paths[0])).absolute()
    found = collect(paths, target)
    sources = found.media
    counts: Counter[Verdict] = Counter()
    _have_models(settings, show=not (quiet or as_json))
    with Session(target, settings) as session:
        with _bar(len(sources), show=not (quiet or as_json)) as (advance, within):
            for outcome in session.run_all(sources, within):
                counts[outcome.verdict] += 1
                if as_json:
                    _emit(_outcome_json(outcome))
                elif not quiet or outcome.verdict is Verdict.FAILED:
                    _say_outcome(outcome)
                advance()
        session.gate.ledger.pass_over([path.absolute() for path in paths], found.passed)
        index = session.write_index()
    _say_passed(found.passed, as_json=as_json, quiet=quiet)
    if not (quiet or as_json):
        said = ", ".join(f"{counts[v]} {_say(word)}" for v, word in _COUNTED if counts[v]) or "0"
        out_console.print(f"{said}. {escape(_say('cli.overview', path=_shown(index)))}")
    raise typer.Exit(_worst(counts, found.passed))


@app.command()
def batch(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Folders of photos and clips, or single ones; or one address, such as s3://bucket/folder.",
            metavar="PATH...",
        ),
    ],
    out: Annotated[
        str | None,
        typer.Option(
            help="Output folder; default: 'anonymized' beside the first PATH. Or an address: what is published is "
            "copied there.",
        ),
    ] = None,
    local: Annotated[
        Path | None,
        typer.Option(
            help="With addresses: the folder of the ledger and the outputs; default: 'anonymized' here."
        ),
    ] = None,
    settings_file: Annotated[
        Path | None,
        typer.Option("--settings", help="Settings file; default: anonymizer.toml in this folder, if there."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes; default: as cores and memory allow.", min=1, max=256)
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(help="Work on a Dask cluster: its scheduler, such as tcp://host:8786.")
    ] = None,
    include: Annotated[
        list[str] | None, typer.Option(help="Only files like this, for example '*.jpg'. Repeatable.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="No file like this, for example 'drafts/*'. Repeatable.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="At most so many files, the first by name.", min=1)
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Try again what failed before.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; do nothing.")] = False,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
) -> None:
    """Make whole folders publishable, in parallel; run again, it goes on where it stopped and does nothing twice.

    Exit codes: 0 all ready, 3 some in review, 4 some failed, 6 all ready but media of other kinds left, 2 wrong use, 5
    machine not ready.
    """
    from anonymizer.batch import run as command

    settings = _settings(settings_file, {})
    order = command.order(
        paths, out, local, command.Chosen(tuple(include or ()), tuple(exclude or ()), limit)
    )
    if dry_run:
        _have_models(settings, show=not (quiet or as_json))
        for source, said in command.foreseen(order, settings):
            if as_json:
                _emit({"source": _shown(source), "would": with_sentence(said)})
            else:
                out_console.print(escape(f"{_shown(source)}: {_shown(_say(said))}"))
        return
    if not cluster:
        _have_models(settings, show=not (quiet or as_json))
    tally = command.Tally(order.count)
    with _batch_bar(tally, not quiet) as moved:

        def tell(outcome: Any) -> None:
            if as_json:
                _emit(
                    _outcome_json(outcome)
                    | {"fresh": outcome.fresh, "note": with_sentence(outcome.note) if outcome.note else None}
                )
            elif not quiet or outcome.verdict is Verdict.FAILED:
                _say_outcome(outcome)
            moved()

        elsewhere = _cluster(cluster, settings)
        index = command.run(order, settings, tally, tell, workers=workers, pool=elsewhere, retry=retry)
    _say_passed(order.passed, as_json=as_json, quiet=quiet)
    if not (quiet or as_json):
        out_console.print(_summary(tally, order.passed))
        out_console.print(escape(_say("cli.overview", path=_shown(index))))
    raise typer.Exit(_worst(tally.verdicts, order.passed))


@app.command()
def verify(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Published files; or a folder: a release, or an output folder.", metavar="PATH..."
        ),
    ],
    reports: Annotated[
        Path | None, typer.Option(help="Folder with the reports; default: looked for near the file.")
    ] = None,
    key: Annotated[
        list[Path] | None,
        typer.Option(help="Public key of whoever signed; default: your own. Repeatable.", metavar="PUB"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check published files again: their reports, who signed them, and what needs no original.

    Each file is valid, changed, or unknown: not signed, or signed with an unknown key. Exit code 0 only if
    all are valid: ask this of a folder before you upload it.
    """
    from anonymizer.cli.verify import examined
    from anonymizer.core.signing import trusted

    counts: Counter[Verdict] = Counter()
    for finding in examined(files, reports, trusted(key or ())):
        counts[finding.verdict] += 1
        if as_json:
            _emit(finding.facts() | {"file": _shown(finding.path)})
        else:
            _say_finding(finding)
    raise typer.Exit(_worst(counts))


@app.command()
def release(
    out: Annotated[Path, typer.Argument(help="Output folder.", metavar="OUT")],
    to: Annotated[Path, typer.Option(help="Folder to copy into; a release of yours may be there already.")],
    initials: Annotated[str, typer.Option(help="Who releases: goes into the ledger.")] = "",
    consent: Annotated[
        bool,
        typer.Option(
            "--consent", help="Say that every patient's consent is there, where the law asks for it."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Copy what is in ready/, checked once more on its way, with its reports and a signed list, to where it goes out.

    Exit codes: 0 all copied, 4 something was held back, 2 wrong use.
    """
    from anonymizer.release.publish import CONSENT
    from anonymizer.release.publish import release as hand_out

    if not consent:
        if not (sys.stdin.isatty() and err_console.is_terminal):
            raise UsageError("cli.consent-flag", consent=CONSENT)
        err_console.print(f"[yellow]{_say(CONSENT)}[/]")
        if not typer.confirm(_say("cli.consent-question"), err=True):
            raise UsageError("cli.release-nothing")
    done = hand_out(out.absolute(), to.absolute(), initials=initials)
    if as_json:
        held = [{"name": name, "reason": with_sentence(said)} for name, said in done.held]
        _emit({"copied": list(done.copied), "there": list(done.there), "held": held})
    else:
        for name, said in done.held:
            err_console.print(
                f"[red]{_say('cli.held-back')}[/] {escape(_shown(name))}: {escape(_shown(_say(said)))}"
            )
        numbers = {"copied": len(done.copied), "there": len(done.there), "held": len(done.held)}
        out_console.print(_say("cli.release-done", **numbers, consent=CONSENT))
        if done.manifest:
            out_console.print(escape(_say("cli.manifest", path=_shown(done.manifest))))
    raise typer.Exit(ExitCode.FAILED if done.held else ExitCode.OK)


@app.command("app")
def app_page(
    out: Annotated[Path, typer.Argument(help="Output folder.", metavar="OUT")] = Path("anonymized"),
    settings_file: Annotated[
        Path | None,
        typer.Option("--settings", help="Settings file; default: anonymizer.toml in this folder, if there."),
    ] = None,
    port: Annotated[
        int, typer.Option(help="Port on this machine; 0 takes a free one.", min=0, max=65535)
    ] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the browser.")] = True,
    lang: Annotated[
        str | None, typer.Option(help="Language of the page: en, fr; default: the system's.")
    ] = None,
    idle_minutes: Annotated[
        float, typer.Option(help="Close when nobody used the page for so long.", min=0.05, max=1440)
    ] = 30,
) -> None:
    """Open the local page: drop files, look at what waits, correct it, approve or reject it."""
    from anonymizer.cli.app import serve

    language = chosen(lang) if lang else _LANGUAGE.get()
    settings = _settings(settings_file, {})
    _have_models(settings, show=True)
    serve(
        out.absolute(),
        settings,
        port=port,
        browser=browser,
        language=language,
        idle_minutes=idle_minutes,
        say=lambda link: out_console.print(_say("cli.page", link=link)),
    )


@app.command()
def watch(
    inbox: Annotated[Path, typer.Argument(help="Folder to watch, with its subfolders.", metavar="INBOX")],
    out: Annotated[
        Path | None, typer.Option(help="Output folder; default: a folder 'anonymized' beside INBOX.")
    ] = None,
    done: Annotated[
        Path | None,
        typer.Option(help="Move handled originals here (same disk); without, they stay where they are."),
    ] = None,
    settings_file: Annotated[
        Path | None,
        typer.Option("--settings", help="Settings file; default: anonymizer.toml in this folder, if there."),
    ] = None,
    poll: Annotated[
        bool, typer.Option("--poll", help="Look every few seconds; by itself on a network share.")
    ] = False,
    settle: Annotated[
        float, typer.Option(help="Seconds for which a file must be unchanged.", min=0.2, max=3600)
    ] = 5,
    rescan: Annotated[
        float, typer.Option(help="Seconds between two looks through the whole folder.", min=1, max=3600)
    ] = 60,
    workers: Annotated[int, typer.Option(help="Processes that work at the same time.", min=1)] = 1,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for folders that are not there yet, and create none.")
    ] = False,
    install: Annotated[
        bool, typer.Option("--install", help="Start this watch whenever you log in, from now on.")
    ] = False,
    uninstall: Annotated[bool, typer.Option("--uninstall", help="Undo --install.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
) -> None:
    """Watch a folder: whatever is complete there is made publishable, until Ctrl-C or SIGTERM (exit code 0)."""
    from anonymizer.cli import watch as command
    from anonymizer.watch.options import Options
    from anonymizer.watch.service import switch_off

    options = Options(
        _plain(inbox), _plain(out or _beside(inbox)), _plain(done) if done else None,
        poll=poll, quiet=settle, rescan=rescan, wait=wait, workers=workers,
    )  # fmt: skip
    if uninstall:
        there = switch_off(command.wanted_service(options, None))
        out_console.print(_say("cli.service-removed" if there else "cli.no-service"))
        return
    file = _settings_file(settings_file)
    settings = _settings(file, {})
    _have_models(settings, show=not quiet)
    if install:
        unit = command.install(options, settings, file)
        out_console.print(escape(_say("cli.service-installed", name=unit.name, folder=_shown(options.out))))
        return
    say = (
        (lambda message: None)
        if quiet
        else (lambda message: out_console.print(escape(_shown(_say(message)))))
    )
    raise typer.Exit(command.watch(options, settings, say))


@app.command()
def status(
    out: Annotated[Path, typer.Argument(help="Output folder.", metavar="OUT")] = Path("anonymized"),
    as_json: Json = False,
) -> None:
    """What the watcher of an output folder is doing, and what waits or failed. Exit 5 if none is running."""
    from anonymizer.cli.watch import sentences, watch_status

    found = watch_status(out.absolute())
    if as_json:
        _emit(json.loads(json.dumps(found, default=_shown)))
    else:
        for sentence in sentences(found, _say):
            out_console.print(escape(_shown(sentence)))
    raise typer.Exit(ExitCode.OK if found["running"] else ExitCode.NOT_READY)


@app.command("log")
def decision_log(
    out: Annotated[Path, typer.Argument(help="Output folder.", metavar="OUT")] = Path("anonymized"),
    key: Annotated[
        list[Path] | None,
        typer.Option(help="Public key of whoever signed; default: your own. Repeatable.", metavar="PUB"),
    ] = None,
    as_json: Json = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="A table for a spreadsheet on standard output.")
    ] = False,
) -> None:
    """Who decided what and when, what was changed by hand, and whether that is still what was recorded.

    It names sources and notes, which may name patients. Exit code 4 where the chain of decisions is broken.
    """
    from anonymizer.cli import log as command
    from anonymizer.core.signing import trusted

    found = command.read(out.absolute(), trusted(key or ()))
    if as_csv:
        sys.stdout.write(command.as_csv(found.rows))
    elif as_json:
        for row in found.rows:
            _emit(row.facts() | {"source": _shown(row.source)})
        _emit(found.chain)
    elif found.rows:
        table = Table(box=None, pad_edge=False)
        for heading in ("number", "when", "what", "who", "file", "source", "changed", "note"):
            table.add_column(_say(f"log.{heading}"), overflow="fold")
        for row in found.rows:
            when = row.at[:16].replace("T", " ")
            cells = (
                str(row.number),
                when,
                _say(f"log.action.{row.action}"),
                row.who,
                row.name,
                row.source,
                row.changed,
                row.note,
            )
            table.add_row(*(escape(_shown(cell)) for cell in cells))
        out_console.print(table)
    if not (as_csv or as_json):
        for flaw in found.flaws:
            err_console.print(f"[red]{escape(_shown(_say(flaw.said)))}[/]")
        if not found.flaws:
            out_console.print(_say("log.chain-valid", count=len(found.rows)))
    raise typer.Exit(found.exit_code)


@models_app.command("list")
def models_list(as_json: Json = False) -> None:
    """Every model: what it is for, its licence, and whether it is here."""
    from anonymizer.detect.models.store import Store

    for entry, state in Store().check():
        if as_json:
            _emit({"name": entry.name, "state": state, "licence": entry.licence, "purpose": entry.purpose})
        else:
            out_console.print(f"{entry.name:22} {state:10} {entry.licence:12} {escape(entry.purpose)}")


@models_app.command("fetch")
def models_fetch(
    names: Annotated[list[str] | None, typer.Argument(help="Which; default: all that a run needs.")] = None,
) -> None:
    """Fetch the models now, so that no later run needs a network."""
    from anonymizer.detect.models.store import Store

    store = Store()
    wanted = names or [entry.name for entry in store.entries() if not entry.optional]
    for path in _fetch(store, wanted, show=True):
        out_console.print(escape(str(path)))


@models_app.command("check")
def models_check(as_json: Json = False) -> None:
    """Compare each model's file with its hash; exit 5 where one that a run needs is missing or wrong."""
    from anonymizer.detect.finder import check_entries
    from anonymizer.detect.models.store import Store

    good = True
    check_entries(store := Store())
    for entry, state in store.check():
        good = good and (state == "ok" or entry.optional)
        if as_json:
            _emit({"name": entry.name, "state": state})
        else:
            out_console.print(f"{entry.name:22} {state}")
    raise typer.Exit(ExitCode.OK if good else ExitCode.NOT_READY)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Is this machine ready: libraries, models, runtime device, outside checkers. Exit 5 if not."""
    from anonymizer.cli.doctor import examine

    findings = examine()
    for finding in findings:
        if as_json:
            _emit(
                {"what": finding.what, "ok": finding.ok, "needed": finding.needed, "said": str(finding.said)}
            )
        else:
            mark = "[green]ok  [/]" if finding.ok else "[red]no  [/]" if finding.needed else "[yellow]none[/]"
            out_console.print(f"{mark} {_in_words(finding.what):18} {escape(_in_words(finding.said))}")
    ready = all(finding.ok or not finding.needed for finding in findings)
    if not as_json:
        out_console.print(_say("cli.ready" if ready else "cli.not-ready"))
    raise typer.Exit(ExitCode.OK if ready else ExitCode.NOT_READY)


def _in_words(said: Message | str) -> str:
    return _say(said) if isinstance(said, Message) else said


def _cluster(address: str | None, settings: Settings) -> Any:
    """What makes the pool of a Dask cluster, None where the work is done here."""
    if address is None:
        return None
    from anonymizer.cluster.pool import ClusterPool

    return lambda folder: ClusterPool(settings.checked(), address, folder)


_COUNTED = (
    (Verdict.READY, "state.ready"),
    (Verdict.REVIEW, "cli.in-review"),
    (Verdict.FAILED, "state.failed"),
)


def _settings(path: Path | None, flags: dict[str, Any]) -> Settings:
    settings = load(_settings_file(path), flags)
    return settings if settings.language else settings.model_copy(update={"language": _LANGUAGE.get()})


def _settings_file(path: Path | None) -> Path | None:
    here = Path("anonymizer.toml")
    return path or (here if here.is_file() else None)


def _plain(path: Path) -> Path:
    """Absolute and without ``..``, links as they are: a drive letter stays one."""
    return Path(os.path.normpath(path.absolute()))


def _beside(path: Path) -> Path:
    return path.absolute().parent / "anonymized"


def _worst(counts: Counter[Verdict], passed: Sequence[PassedOver] = ()) -> ExitCode:
    if counts[Verdict.FAILED]:
        return ExitCode.FAILED
    if counts[Verdict.REVIEW]:
        return ExitCode.REVIEW
    return ExitCode.NOT_TAKEN if any(one.media for one in passed) else ExitCode.OK


def _say_passed(passed: Sequence[PassedOver], *, as_json: bool, quiet: bool) -> None:
    """What was not taken, each with what to do; what was skipped by rule in numbers, and in full for programs."""
    for one in passed:
        if as_json:
            facts = {"verdict": one.how, "media": one.media, "reasons": [with_sentence(one.reason)]}
            _emit({"source": _shown(one.path)} | facts)
        elif one.how is Passed.NOT_TAKEN and (one.media or not quiet):
            console = err_console if one.media else out_console
            said = f"{escape(_shown(one.path))}: {escape(_say(one.reason))}"
            console.print(f"[yellow]{_say('state.not-taken')}[/] {said}")
    skipped = sum(one.how is Passed.SKIPPED for one in passed)
    if skipped and not (as_json or quiet):
        out_console.print(_say("cli.skipped", count=skipped))


def _shown(path: Path | str) -> str:
    """A path or a sentence for the terminal: no control, direction or surrogate character gets through."""
    text = str(path).encode("utf-8", "replace").decode("utf-8")
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _emit(value: dict[str, Any]) -> None:
    print(json.dumps(value), flush=True)


def _outcome_json(outcome: Any) -> dict[str, Any]:
    return {
        "source": _shown(outcome.source),
        "verdict": outcome.verdict,
        "id": outcome.id,
        "output": str(outcome.output) if outcome.output else None,
        "report": str(outcome.report) if outcome.report else None,
        "reasons": [with_sentence(one) for one in outcome.reasons],
        "redacted": outcome.redacted,
        "seconds": round(outcome.seconds, 3),
    }


def _say_finding(finding: Any) -> None:
    colour = {"ready": "green", "review": "yellow", "failed": "red"}[finding.verdict]
    console = err_console if finding.error else out_console
    console.print(f"[{colour}]{_say(finding.word)}[/] {escape(_shown(finding.path))}")
    for reason in finding.reasons:
        console.print(f"    {escape(_shown(_say(reason)))}")


def _say_outcome(outcome: Any) -> None:
    name = escape(_shown(outcome.source))
    note = f" ({_say(outcome.note)})" if outcome.note else ""
    if outcome.verdict is Verdict.FAILED:
        said = _say(outcome.reasons[0]) if outcome.reasons else ""
        err_console.print(f"[red]{_say('state.failed')}[/] {name}: {escape(_shown(said + note))}")
        return
    hidden = _say("cli.hidden", count=outcome.redacted) if outcome.redacted else _say("cli.nothing-to-hide")
    colour = "green" if outcome.verdict is Verdict.READY else "yellow"
    where = escape(f"{outcome.output.parent.name}/{outcome.output.name}")
    out_console.print(
        f"[{colour}]{_say(f'state.{outcome.verdict}')}[/] {name} → {where} ({hidden}){escape(note)}"
    )
    for reason in outcome.reasons:
        out_console.print(f"    {escape(_say(reason))}")


def _have_models(settings: Settings, *, show: bool) -> None:
    """Fetch the models that this run needs and that are not here yet, under a progress bar: once, at first use."""
    from anonymizer.detect.finder import models_needed
    from anonymizer.detect.models.store import Store

    _fetch(Store(), models_needed(settings), show=show)


def _fetch(store: Any, names: Sequence[str], *, show: bool) -> list[Path]:
    missing = [name for name in names if not store.present(name)]
    if not (missing and show):
        return [store.path(name) for name in names]
    if not err_console.is_terminal:
        err_console.print(_say("cli.fetching", count=len(missing)))
        return [store.path(name) for name in names]
    columns = (TextColumn("fetching {task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=err_console, transient=True) as progress:
        tasks = {name: progress.add_task(name, total=store.entry(name).size) for name in missing}
        return [
            store.path(
                name,
                progress=lambda model, done, total: progress.update(
                    tasks[model], completed=done, total=total or None
                ),
            )
            for name in names
        ]


@contextmanager
def _bar(total: int, *, show: bool) -> Iterator[Any]:
    """A progress bar on a terminal, silence elsewhere; it appears by itself and goes when all is done."""
    if not (show and err_console.is_terminal):
        yield (lambda: None), None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err_console, transient=True) as progress:
        task = progress.add_task("media", total=total, speed="")
        clip = progress.add_task("clip", total=None, visible=False, speed="")
        stages: dict[str, float] = {}

        def within(stage: str, done: int, all: int) -> None:
            if stage not in stages or done <= 1:
                stages.clear()
                stages[stage] = time.monotonic()
                progress.reset(clip, total=all or None, visible=True, description=_say(f"cli.{stage}"))
            spent = time.monotonic() - stages[stage]
            speed = _say("cli.frames-per-second", speed=done / spent) if spent > 0.5 else ""
            progress.update(clip, completed=done, total=all or None, speed=speed)

        def advance() -> None:
            progress.advance(task)
            progress.update(clip, visible=False)

        yield advance, within


@contextmanager
def _batch_bar(tally: Any, show: bool) -> Iterator[Any]:
    """How far a batch is, on a terminal: what came of it so far, files per second, time left."""
    if not (show and err_console.is_terminal):
        yield lambda: None
        return
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[said]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err_console, transient=True) as progress:
        task = progress.add_task("batch", total=tally.total, said=_say("cli.starting"))

        def moved() -> None:
            said = ", ".join(f"{tally.verdicts[v]} {_say(word)}" for v, word in _COUNTED if tally.verdicts[v])
            speed = _say("cli.files-per-second", speed=tally.speed)
            progress.update(task, completed=tally.done, said=f"{said}; {speed}")

        yield moved


_HOW = {Passed.NOT_TAKEN: "state.not-taken", Passed.SKIPPED: "state.skipped"}


def _summary(tally: Any, passed: Sequence[PassedOver]) -> Table:
    table = Table("what", "files", box=None, pad_edge=False, show_header=False)
    for verdict, word in _COUNTED:
        table.add_row(_say(word), str(tally.verdicts[verdict]))
    table.add_row(_say("cli.known-already"), str(tally.known))
    for how in Passed:
        table.add_row(_say(_HOW[how]), str(sum(one.how is how for one in passed)))
    table.add_row(_say("cli.places-hidden"), str(tally.hidden))
    table.add_row(_say("cli.time"), _say("cli.time-and-speed", seconds=tally.seconds, speed=tally.speed))
    return table


def _kind(error: Exception) -> Message | str:
    """Which error it is, and what the system said, if it did, without the path."""
    kind = type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        return Message("cli.system-said", kind=kind, cause=error.strerror)
    return kind


def _system_said(error: OSError, arguments: Sequence[str] | None) -> tuple[Message, ExitCode] | None:
    """What the system says against a path that was given, or against what is printed: no defect of the program."""
    if error.filename is None and error.errno in (errno.ENOSPC, errno.EIO, errno.EDQUOT):
        said = Message("cli.output-unwritable", cause=error.strerror or error)
        return said, ExitCode.FAILED
    if error.errno not in _OF_A_PATH or not isinstance(error.filename, str):
        return None
    found = os.path.abspath(error.filename)  # noqa: PTH100  a Path of it may not even be made
    for given in sys.argv[1:] if arguments is None else arguments:
        whole = os.path.abspath(given)  # noqa: PTH100
        if found == whole or found.startswith(whole + os.sep):
            return (
                Message("cli.path-unusable", path=given, cause=error.strerror or error),
                ExitCode.USAGE,
            )
    return None


_OF_A_PATH = frozenset(
    {errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP}
)


def _show_defect(code: int) -> None:
    if code == ExitCode.UNEXPECTED and _DEBUG.get():
        traceback.print_exc()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; every error is one sentence and an exit code."""
    _LANGUAGE.set("")
    _DEBUG.set(False)
    try:
        code = app(args=arguments, standalone_mode=False)
    except AnonymizerError as error:
        err_console.print(f"[red]anonymizer:[/] {escape(_shown(_say(error.message)))}")
        code = error.exit_code
        _show_defect(code)
    except (KeyboardInterrupt, typer.Abort):
        code = ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has left: nobody is there to be told.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.UNEXPECTED
    except typer.Exit as done:
        code = done.exit_code
    except Exception as error:  # noqa: BLE001  whatever it is, a traceback may name a patient's file
        if hasattr(error, "format_message") and not error.format_message():
            # A group of commands without a command: its help.
            error.show()  # type: ignore[attr-defined]
            code = ExitCode.USAGE
        elif hasattr(error, "format_message"):
            # A wrong option or argument, in the words of the option parser.
            err_console.print(f"[red]anonymizer:[/] {escape(_shown(error.format_message()))} Try --help.")
            code = ExitCode.USAGE
        elif isinstance(error, OSError) and (told := _system_said(error, arguments)):
            err_console.print(f"[red]anonymizer:[/] {escape(_shown(_say(told[0])))}")
            code = told[1]
        else:
            # Its own words may name a file, and stderr may be a file that others read.
            said = _say("cli.defect", kind=_kind(error))
            err_console.print(f"[red]anonymizer:[/] {escape(_shown(said))}")
            code = ExitCode.UNEXPECTED
            _show_defect(code)
    # Typer turns Ctrl-C into this code without a word.
    if code == ExitCode.INTERRUPTED:
        err_console.print(_say("cli.stopped"))
    sys.exit(int(code or 0))


if __name__ == "__main__":
    main()
