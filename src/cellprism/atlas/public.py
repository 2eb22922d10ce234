"""What may be published of a configuration: never a path of the machine it came from."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any


def public(value: Any) -> Any:
    """Config values as they may be published: absolute paths are cut to their last part."""
    if isinstance(value, dict):
        return {key: public(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [public(item) for item in value]
    if isinstance(value, str) and PurePath(value).is_absolute():
        return PurePath(value).name
    return value
