"""The process that verifies signatures for a center (``node.federation.verifier``); ends with its input.

A job is a length and a list as ``marshal`` writes it, from our own parent process; the answer is one byte for each
signature. It imports as little as it can: it takes memory beside the center's.
"""

import marshal
import struct
import sys

from protocol.keys import Signed

_LENGTH = struct.Struct(">I")


def main() -> None:
    """Serve until the input ends."""
    jobs, answers = sys.stdin.buffer, sys.stdout.buffer
    while len(head := jobs.read(_LENGTH.size)) == _LENGTH.size:
        (length,) = _LENGTH.unpack(head)
        job = marshal.loads(jobs.read(length))  # noqa: S302 - our own parent wrote it
        answers.write(bytes(Signed(*one).verifies() for one in job))
        answers.flush()


if __name__ == "__main__":
    main()
