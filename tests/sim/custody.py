"""Who has a case: the oracle's own rules of custody, which share nothing with the code under test."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from protocol.keys import from_text, verify
from protocol.requests import CONTEXT as REQUEST_CONTEXT

BOUND = {"recall", "countersign", "joint_accept", "joint_decline", "handoff_accept", "handoff_decline"}
TRANSFERS = {"escalated", "assigned", "returned", "handed_off", "recalled", "rehomed"}


class Violation(AssertionError):
    """Something that may never be."""


@dataclass(frozen=True, slots=True)
class Custody:
    """Who has a case after an entry: a holder, or a flight from one center to another."""

    epoch: int
    holder: str | None
    sender: str | None = None
    to: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """One entry as it was first seen."""

    head: str
    signature: str
    salt: str | None
    body: str | None
    kind: str
    center: str
    custody: Custody


def check_request(new: Written, before: Custody | None, where: str, keys: Mapping[str, Sequence[str]]) -> None:
    """An entry made from a request contains it, signed by the asker, and bound to its epoch where it must be."""
    asked = json.loads(new.body or "{}").get("request")
    if asked is None:
        return
    head = json.loads(asked["head"])
    signature = from_text(asked["signature"])
    if not any(verify(key, REQUEST_CONTEXT, asked["head"].encode(), signature) for key in keys[head["center"]]):
        raise Violation(f"{where}: its request is not signed by {head['center']}")
    if head["kind"] in BOUND and before is not None and head["epoch"] != before.epoch:
        raise Violation(f"{where}: asked for in epoch {head['epoch']}, granted in epoch {before.epoch}")


NOBODY = Custody(0, None)


def follow(before: Custody | None, new: Written, where: str) -> Custody:
    """Custody after an entry, by rules of the oracle's own."""
    body = json.loads(new.body or "{}")
    if before is None:
        if new.kind != "registered":
            raise Violation(f"{where} begins a log")
        return Custody(1, new.center)
    if new.kind == "delivered":
        if before.to != new.center:
            raise Violation(f"{where}: {new.center} takes what is {before}")
        return Custody(before.epoch, new.center)
    if new.kind == "bounced" or body.get("taken_back"):
        if before.sender != new.center:
            raise Violation(f"{where}: {new.center} takes back what is {before}")
        return Custody(before.epoch + 1, new.center)
    if before.holder != new.center:
        raise Violation(f"{where}: {new.center} writes to what is {before}")
    if new.kind in TRANSFERS:
        return Custody(before.epoch + 1, None, new.center, body["to"])
    return before
