"""The AsyncAPI 3 document of the link: channels, frames, and the CloudEvents that they carry.

Generated from the models of ``protocol.wire`` and ``protocol.payloads``, so that it can't say anything else than the
code does. Operations are told from the child's side; its parent does the opposite.
"""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from node.version import VERSION
from protocol.messages import PAYLOADS, Message, Type, lane_of
from protocol.wire import Ack, Data, Hello, StatusFrame

Document = dict[str, Any]

SCHEMAS = "#/components/schemas/"

FRAMES: dict[str, tuple[type[BaseModel], str]] = {
    "HELLO": (Hello, "Opens a session: positions of both directions, versions, certificates, the clock."),
    "DATA": (Data, "Consecutive messages of one lane: zstd-compressed lines, each a CloudEvent."),
    "ACK": (Ack, "The receiver's database holds everything up to this number; also the sign of life."),
    "STATUS": (StatusFrame, "A last-value snapshot of counters; losing one is harmless."),
}
"""Headers of the frames by kind."""

CHANNELS: dict[str, tuple[str, tuple[str, ...], bool]] = {
    "up": ("From a child to its parent.", ("HELLO", "DATA", "ACK"), True),
    "st": ("Counters of a child and all below it, to its parent.", ("STATUS",), False),
    "dn": ("From a parent to its child.", ("HELLO", "DATA", "ACK"), True),
}
"""What each channel is for, which frames it carries, and whether these carry CloudEvents."""

OPERATIONS = {"up": "send", "st": "send", "dn": "receive"}


def document() -> Document:
    """The whole document."""
    models: list[type[BaseModel]] = [Message, *PAYLOADS.values(), *(model for model, _ in FRAMES.values())]
    schemas, definitions = models_json_schema(
        [(model, "serialization") for model in models], ref_template=SCHEMAS + "{model}"
    )
    references = {model: schemas[(model, "serialization")] for model in models}
    messages = {f"frame.{kind}": _frame(kind, references[model], text) for kind, (model, text) in FRAMES.items()}
    messages |= {str(type_): _event(str(type_), references) for type_ in [*PAYLOADS, Type.SEALED]}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Liandong link 联动",
            "version": VERSION,
            "description": "What parent and child say to each other over core NATS. See docs/protocol.md.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/vnd.liandong.frame",
        "servers": {
            "parent": {
                "host": "{host}:{port}",
                "protocol": "nats",
                "description": "The broker of the parent; TLS outside of loopback, one NKey for each child.",
                "variables": {"host": {"default": "127.0.0.1"}, "port": {"default": "4222"}},
            }
        },
        "channels": {name: _channel(name) for name in CHANNELS},
        "operations": {
            name: {
                "action": action,
                "channel": {"$ref": f"#/channels/{name}"},
                "summary": CHANNELS[name][0],
            }
            for name, action in OPERATIONS.items()
        },
        "components": {"messages": messages, "schemas": definitions["$defs"]},
    }


def _channel(name: str) -> Document:
    text, frames, carries_events = CHANNELS[name]
    carried = [f"frame.{kind}" for kind in frames]
    if carries_events:
        carried += [str(type_) for type_ in [*PAYLOADS, Type.SEALED]]
    return {
        "address": f"{name}.{{code}}",
        "description": text,
        "parameters": {"code": {"description": "Division code of the child, 12 digits."}},
        "messages": {key: {"$ref": f"#/components/messages/{key}"} for key in carried},
    }


def _frame(kind: str, header: Document, text: str) -> Document:
    return {
        "name": kind,
        "title": f"{kind} frame",
        "summary": text,
        "contentType": "application/vnd.liandong.frame",
        "description": "Binary: magic, version, kind, length of the header, this header as JSON, signature, payload.",
        "payload": header,
    }


def _event(type_: str, references: dict[type[BaseModel], Document]) -> Document:
    """A CloudEvent inside of a DATA frame."""
    payload = PAYLOADS.get(type_)
    specific: Document = {"type": "object", "properties": {"type": {"const": type_}}}
    if payload is not None:
        specific["properties"]["data"] = references[payload]
    summary = (
        (payload.__doc__ or "").strip() if payload is not None else "A message that only its destination can read."
    )
    return {
        "name": type_,
        "title": type_,
        "summary": summary.split("\n")[0],
        "contentType": "application/cloudevents+json",
        "tags": [{"name": f"lane:{lane_of(type_).value}"}],
        "payload": {"allOf": [references[Message], specific]},
    }
