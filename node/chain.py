"""The certificates from a center up to the root, and its keys, as they lie beside its database."""

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from node.directory import Directory
from node.i18n import N_
from node.identity import NEXT_KEYS_FILE, Keys, load_keys, save_keys
from node.trouble import Trouble
from protocol.centers import Certificate

CHAIN_FILE = "chain.json"

_CHAIN = TypeAdapter(tuple[Certificate, ...])


def save_chain(data_dir: Path, chain: tuple[Certificate, ...]) -> None:
    """Keep the certificates from this center up to the root."""
    (data_dir / CHAIN_FILE).write_bytes(_CHAIN.dump_json(chain, indent=1))


def load_chain(data_dir: Path) -> tuple[Certificate, ...]:
    """Read the certificates from this center up to the root.

    Raises:
        Trouble: the file is missing or damaged.
    """
    path = data_dir / CHAIN_FILE
    try:
        return _CHAIN.validate_json(path.read_bytes())
    except OSError as error:
        raise Trouble(N_("{file} can't be read: {reason}"), file=str(path), reason=error.strerror) from error
    except ValidationError as error:
        raise Trouble(N_("{file} is damaged; restore it from a backup."), file=str(path)) from error


def adopt_files(data_dir: Path, keys: Keys, directory: Directory, code: str) -> Keys:
    """The keys that count: where a certificate names those that were asked for, these take the place of the former."""
    try:
        asked = load_keys(data_dir, NEXT_KEYS_FILE)
    except FileNotFoundError:
        return keys
    claims = directory.tree.claims.get(code)
    if claims is None or claims.signing_key != asked.signing.public:
        return keys
    save_keys(data_dir, asked)
    save_chain(data_dir, tuple(directory.chain(code)))
    (data_dir / NEXT_KEYS_FILE).unlink()
    return asked
