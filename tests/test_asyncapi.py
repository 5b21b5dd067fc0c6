"""The AsyncAPI document says what the code says, and every reference in it leads somewhere."""

import json
from collections.abc import Iterator
from typing import Any

from typer.testing import CliRunner

from node.asyncapi import document
from node.cli import app
from protocol.messages import PAYLOADS, Lane, Message, Type, lane_of


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$ref":
                yield str(inner)
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def found(whole: dict[str, Any], reference: str) -> object:
    place: Any = whole
    for step in reference.removeprefix("#/").split("/"):
        place = place[step]
    return place


def test_it_is_asyncapi_3_with_the_channels_of_the_link() -> None:
    whole = document()
    assert whole["asyncapi"] == "3.0.0"
    assert {channel["address"] for channel in whole["channels"].values()} == {"up.{code}", "st.{code}", "dn.{code}"}
    assert {name: one["action"] for name, one in whole["operations"].items()} == {
        "up": "send",
        "st": "send",
        "dn": "receive",
    }


def test_every_type_of_message_is_in_it_with_lane_and_payload() -> None:
    messages = document()["components"]["messages"]
    assert set(messages) == {*map(str, Type), "frame.HELLO", "frame.DATA", "frame.ACK", "frame.STATUS"}
    for type_ in Type:
        assert messages[type_]["tags"] == [{"name": f"lane:{lane_of(type_).value}"}]
        envelope, specific = messages[type_]["payload"]["allOf"]
        assert envelope["$ref"].endswith("/Message")
        assert specific["properties"]["type"] == {"const": type_}
        assert ("data" in specific["properties"]) == (type_ in PAYLOADS)
    assert set(Lane) == {"case", "bulk"}


def test_every_reference_leads_somewhere() -> None:
    whole = document()
    all_of_them = set(references(whole))
    assert len(all_of_them) > 30
    for reference in all_of_them:
        assert isinstance(found(whole, reference), dict), reference


def test_the_envelope_is_that_of_cloudevents() -> None:
    envelope = document()["components"]["schemas"]["Message"]
    assert set(Message.model_fields) == set(envelope["properties"])
    assert {"id", "source", "type"} <= set(envelope["required"])


def test_the_command_prints_it() -> None:
    assert json.loads(CliRunner().invoke(app, ["asyncapi"]).stdout) == json.loads(json.dumps(document()))
