"""What goes wrong between nats-py and a broker, in words for people."""

import socket
import ssl

import nats.errors


def is_refusal(error: BaseException) -> bool:
    """Whether the broker refuses the key; only a person can change that, so trying again has time."""
    text = str(error).lower()
    return "authorization" in text or "authentication" in text


def is_permission(error: BaseException) -> bool:
    """Whether the broker refuses one subject; the connection stays up."""
    return "permissions violation" in str(error).lower()


def explain(error: BaseException, where: str) -> str:
    """Say what happened.

    Args:
        error: what nats-py, the TLS library or the operating system raised.
        where: the URL of the broker.
    """
    broker = f"the broker at {where}"
    text = str(error).removeprefix("nats: ").strip("'")
    match error:
        case _ if is_permission(error):
            said = f"{broker} does not permit this: {text}"
        case _ if is_refusal(error):
            said = f"{broker} refuses this center's key: not enrolled there, or revoked"
        case nats.errors.SecureConnRequiredError():
            said = f"{broker} offers no TLS; nothing is sent to it in the clear"
        case ssl.SSLCertVerificationError():
            said = f"the certificate of {broker} is not trusted: {error.verify_message}"
        case ssl.SSLError():
            said = f"no TLS connection to {broker}: {error.reason}"
        case nats.errors.UnexpectedEOF() | ConnectionResetError() | BrokenPipeError():
            said = f"{broker} closed the connection"
        case socket.gaierror():
            said = f"the name of {broker} is not known: {error.strerror}"
        case TimeoutError():
            said = f"{broker} does not answer"
        case OSError() if isinstance(error, ConnectionRefusedError) or "Connect call failed" in text:
            said = f"no broker listens at {where}"  # the second is a name with several addresses
        case _:
            said = f"{broker}: {text or type(error).__name__}"
    return said
