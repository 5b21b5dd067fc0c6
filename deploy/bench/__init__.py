"""Measurements: the link against JetStream, and how long an escalation takes. ``liandong bench``."""

from deploy.bench.cli import app

__all__ = ["app"]
