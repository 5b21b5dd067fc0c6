"""The second factor: a code of six digits that a telephone shows (TOTP, RFC 6238), and codes on paper in its place.

Theory of operation. A secret is offered, and counts only once a code made with it came back. A code is taken in its own
step of 30 s and the ones beside it (clocks differ), and never twice: the step of the last one is kept. Ten recovery
codes of 80 random bits are shown once; only hashes stay here, and each works once.
"""

import hashlib
import io
import re
import secrets
from typing import Final

import pyotp
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from node.accounts.tables import RecoveryCode, User
from node.clock import Clock
from node.i18n import N_
from node.problems import Problem

RECOVERY_CODES: Final = 10
RECOVERY_BYTES: Final = 10
"""80 bits: nobody guesses one, so a plain SHA-256 is enough to store it."""

STEP_S: Final = 30
STEPS_BESIDE: Final = 1
"""Steps before and after the present one whose codes are taken, too: for clocks that are half a minute off."""

ISSUER: Final = "Liandong"

SECRET_PATTERN: Final = "[A-Z2-7]{32}"  # noqa: S105 - a form, not a secret
"""Of an offered secret: base32."""


def new_secret() -> str:
    """A secret to offer: 160 bits, base32."""
    return pyotp.random_base32()


def is_secret(text: str) -> bool:
    """Whether this may be a secret that ``new_secret`` offered."""
    return re.fullmatch(SECRET_PATTERN, text) is not None


def uri_of(secret: str, username: str) -> str:
    """What a telephone reads from the picture."""
    return pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=ISSUER)


def picture_of(uri: str) -> str:
    """The QR code as an inline SVG; made here, nothing is fetched."""
    import segno  # noqa: PLC0415 - memory

    out = io.BytesIO()
    segno.make(uri, error="m").save(out, kind="svg", scale=4, border=3, xmldecl=False, svgns=False, nl=False)
    return out.getvalue().decode()


def begin(session: Session, clock: Clock, user_id: str, secret: str, code: str) -> list[str]:
    """Take the offered secret, by the first code made with it; the recovery codes, in clear for the only time.

    Raises:
        Problem: 422 ``bad-code``.
    """
    step = _step(secret, code, clock, None) if is_secret(secret) else None
    if step is None:
        raise Problem(422, N_("bad-code"), N_("This code is wrong, or was used already."))
    session.execute(update(User).where(User.id == user_id).values(totp_secret=secret, totp_step=step))
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    codes = [_grouped(secrets.token_hex(RECOVERY_BYTES)) for _ in range(RECOVERY_CODES)]
    session.add_all(RecoveryCode(user_id=user_id, hash=_digest(code)) for code in codes)
    return codes


def end(session: Session, user_id: str) -> None:
    """Forget the second factor and its recovery codes."""
    session.execute(update(User).where(User.id == user_id).values(totp_secret=None, totp_step=None))
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))


def use_code(session: Session, clock: Clock, user_id: str, code: str) -> bool:
    """Whether this code is good; it is used up then."""
    user = session.scalar(select(User).where(User.id == user_id).with_for_update())
    if user is None or user.totp_secret is None:
        return False
    step = _step(user.totp_secret, code, clock, user.totp_step)
    if step is not None:
        user.totp_step = step
        return True
    paper = delete(RecoveryCode).where(RecoveryCode.user_id == user_id, RecoveryCode.hash == _digest(code))
    return session.scalar(paper.returning(RecoveryCode.hash)) is not None


def codes_left(session: Session, user_id: str) -> int:
    """How many recovery codes were not used yet."""
    return len(session.scalars(select(RecoveryCode.hash).where(RecoveryCode.user_id == user_id)).all())


def _step(secret: str, code: str, clock: Clock, last: int | None) -> int | None:
    """The step that this code belongs to, if it may still be used."""
    plain = "".join(code.split())
    if not plain.isascii() or not plain.isdecimal():
        return None
    now = int(clock.now().timestamp()) // STEP_S
    totp = pyotp.TOTP(secret, interval=STEP_S)
    for step in range(now - STEPS_BESIDE, now + STEPS_BESIDE + 1):
        if (last is None or step > last) and secrets.compare_digest(totp.generate_otp(step), plain):
            return step
    return None


def _grouped(code: str) -> str:
    return "-".join(code[at : at + 5] for at in range(0, len(code), 5))


def _digest(code: str) -> str:
    return hashlib.sha256(code.replace("-", "").strip().lower().encode("utf-8", "surrogatepass")).hexdigest()
