"""Progress on standard error: one line a step."""

import time

import typer

_BEGAN = time.monotonic()


def say(text: str) -> None:
    """Tell what is being done now."""
    typer.echo(f"[{time.monotonic() - _BEGAN:5.1f} s] {text}", err=True)
