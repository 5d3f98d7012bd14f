"""Where this system keeps what belongs to a user: his configuration and his caches."""

from __future__ import annotations

from pathlib import Path

import platformdirs

NAME = "anonymizer"


def config_folder() -> Path:
    """The program's folder among the user's configurations, such as ``~/.config/anonymizer``."""
    return platformdirs.user_config_path(NAME, appauthor=False, roaming=True)


def cache_folder() -> Path:
    """The program's folder among the user's caches, such as ``~/.cache/anonymizer``."""
    return platformdirs.user_cache_path(NAME, appauthor=False, opinion=False)
