"""The policy that a county center starts with; the county may set another version, stricter below."""

from protocol.policy import Policy

POLICY = Policy()
