"""Every way the program says no: one class per exit code, each carrying one message to act on."""

from __future__ import annotations

from enum import IntEnum

from anonymizer.core.message import Given, Message


class ExitCode(IntEnum):
    """Stable exit codes. A caller must treat any other code as a failure."""

    OK = 0
    """Everything is in ``ready/``."""
    UNEXPECTED = 1
    """A defect in the program: nothing was published."""
    USAGE = 2
    """Wrong use: an unknown option, a missing path, a setting that does not parse."""
    REVIEW = 3
    """Nothing failed, but some media wait in ``review/`` for a person."""
    FAILED = 4
    """Some media could not be processed or verified."""
    NOT_READY = 5
    """The machine is not ready: a model, a library or the output folder is missing."""
    NOT_TAKEN = 6
    """Everything that was taken is in ``ready/``, but photos or clips of kinds that are not taken were left."""
    UNLISTED = 7
    """Every file of a folder is valid, but its signed list is missing: nobody can tell whether a file is."""
    INTERRUPTED = 130
    """Stopped by the user: Ctrl-C, or SIGTERM."""


class AnonymizerError(Exception):
    """Base of every error meant for a person: a message that says what to do, or its code and values.

    ``str(error)`` is the sentence in English.
    """

    exit_code = ExitCode.FAILED

    def __init__(self, what: Message | str, /, **values: Given) -> None:
        self.message = what if isinstance(what, Message) else Message(what, **values)
        super().__init__(self.message)


class UsageError(AnonymizerError):
    """The call itself is wrong."""

    exit_code = ExitCode.USAGE


class SettingsError(UsageError):
    """A setting is unknown or out of range; the message names the key and, from a file, the line."""


class MediumError(AnonymizerError):
    """This one file cannot be processed; the others can."""


class UnsupportedError(MediumError):
    """The content is none of the formats that the program opens."""


class DamagedError(MediumError):
    """The file is empty, truncated or does not decode."""


class LimitError(MediumError):
    """The file is larger, or costs more to decode, than the limits allow."""


class UnreadableError(MediumError):
    """The file cannot be read: permissions, a vanished file, a symbolic link, a device."""


class OutputError(AnonymizerError):
    """The output folder cannot be written: full, read-only, gone."""


class DefectError(AnonymizerError):
    """The program itself is wrong; the message names the file at which that showed."""

    exit_code = ExitCode.UNEXPECTED


class DecisionError(AnonymizerError):
    """What a person decided cannot be done with this medium; nothing was changed."""


class NotReadyError(AnonymizerError):
    """A model or a library that the work needs is missing or not what it should be."""

    exit_code = ExitCode.NOT_READY


class ModelError(NotReadyError):
    """A model's file is missing, cannot be fetched, or has the wrong hash."""
