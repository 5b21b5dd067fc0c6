"""The center that the application serves."""

from typing import cast

from starlette.requests import Request

from node.center import Center


def center_of(request: Request) -> Center:
    """The center that this application serves; ``create_app`` has put it there."""
    return cast("Center", request.app.state.center)
