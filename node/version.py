"""The version of this software, from the installed distribution."""

from importlib.metadata import version

VERSION = version("liandong")
