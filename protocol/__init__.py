"""The protocol between centers, pure: no IO, no clock, no randomness."""
