"""Counters as tables keep them: a JSON object, parsed once for as long as it stays the same."""

import json
from functools import lru_cache
from types import MappingProxyType

from protocol.status import Counters

REMEMBERED = 2048
"""Texts whose counters are kept: those of a prefecture's centers and of their year; some two kilobytes each."""


@lru_cache(maxsize=REMEMBERED)
def read_counters(text: str) -> Counters:
    """The counters of a row. Most of a county's rows have not changed since they were last asked for."""
    return MappingProxyType(json.loads(text))
