"""``openapi`` and ``asyncapi``: the documents of the HTTP API and of the link, as JSON."""

import json

import typer


def show_openapi(level: str) -> None:
    """Print the OpenAPI document of a center of this level."""
    from node.app import assemble  # noqa: PLC0415 - the other document does not need the service
    from node.level import load_level  # noqa: PLC0415

    _show(assemble(load_level(level)).openapi())


def show_asyncapi() -> None:
    """Print the AsyncAPI document of the link."""
    from node.asyncapi import document  # noqa: PLC0415 - the other document does not need it

    _show(document())


def _show(document: object) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
