"""The storage key of databases that tests make without a data directory."""

from node.vault import KEY_BYTES, Vault

TEST_VAULT = Vault([bytes(range(KEY_BYTES))])
