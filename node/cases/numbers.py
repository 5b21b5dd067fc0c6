"""Numbers of matters (登记号): ``532923102205-2026-0008``, without gaps within a center and a year."""

import re

NUMBER = re.compile(r"[0-9]{12}-(?P<year>[0-9]{4})-(?P<running>[0-9]{1,9})")
"""A number; what other programs imported may look otherwise."""
