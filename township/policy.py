"""The policy that a township center starts with; the county may set another version, stricter below."""

from protocol.policy import Policy

POLICY = Policy()
