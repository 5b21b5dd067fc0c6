"""Party data lies sealed in the database, with a key outside of it that can be changed."""

from pathlib import Path

import pytest
from sqlalchemy import select, text

from node.cases.log import write
from node.cases.tables import CaseRow, EntryRow, RequestRow
from node.db import Base, Database
from node.opening import open_storage
from node.resealing import reseal
from node.trouble import Trouble
from node.unit import unit_of
from node.vault import KEY_BYTES, Sealed, Unsealable, Vault, open_vault, read_secrets, vault_of
from protocol import entries as e
from protocol.codes import Category, PartyRole
from tests.cases.scene import Scene
from tests.centers import Made, family

NAME, PHONE = "柯纳蕊", "13900004711"
PLACE = b"entries.body"


def vault(*letters: str) -> Vault:
    return Vault([letter.encode() * KEY_BYTES for letter in letters])


def test_a_value_opens_only_with_its_key_and_at_its_place() -> None:
    sealed = vault("a").seal(b"plain", PLACE)
    assert b"plain" not in sealed
    assert vault("a").open(sealed, PLACE) == b"plain"
    assert vault("b", "a").open(sealed, PLACE) == b"plain"
    assert vault("a").seal(b"plain", PLACE) != sealed
    for wrong, place in ((vault("b"), PLACE), (vault("a"), b"cases.state")):
        with pytest.raises(Unsealable):
            wrong.open(sealed, place)
    for at in range(len(sealed)):
        changed = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        with pytest.raises(Unsealable):
            vault("a").open(changed, PLACE)


def test_a_database_without_its_key_neither_reads_nor_writes_in_the_clear(database: Database) -> None:
    without = Database("sqlite://")
    Base.metadata.create_all(without.engine)
    with pytest.raises(Exception, match="storage key"), without.write() as session:
        session.add(EntryRow(case_id="c", seq=1, epoch=1, kind="noted", center="x", head="{}", signature="", body="y"))
    without.dispose()
    assert vault_of(database.engine.dialect).secrets


def test_a_damaged_or_missing_key_file_is_said_clearly(tmp_path: Path) -> None:
    with family(tmp_path) as people:
        settings = people.root().settings
        assert settings.storage_key.stat().st_mode & 0o777 == 0o600
        kept = settings.storage_key.read_bytes()
        for damaged in (b"{}", b"no json", b'{"keys": []}', b'{"keys": ["AAAA"]}'):
            settings.storage_key.write_bytes(damaged)
            with pytest.raises(Trouble, match="damaged"):
                open_storage(settings)
        settings.storage_key.unlink()
        with pytest.raises(Trouble, match="key of the stored data"):
            open_storage(settings)
        settings.storage_key.write_bytes(kept)


def test_no_party_data_stands_open_in_the_database_file_of_anybody(scene: Scene) -> None:
    case = scene.village.registers(parties=[{"name": NAME, "phone": PHONE}], description="沉默")
    scene.village.does(case, "accept")
    scene.village.does(case, "notes", text=f"{NAME}说过的话")
    scene.village.does(case, "escalate", reason=f"{NAME}要求", triggers=["group_incident"])
    scene.settle()
    scene.town.does(case, "accept")
    assert scene.town.case(case)["parties"][0]["name"] == NAME
    for desk in (scene.village, scene.town):
        place = desk.member.settings.data_dir
        stored = b"".join(path.read_bytes() for path in place.glob("center.db*"))
        assert case.encode() in stored
        for word in (NAME, PHONE, f"{NAME}说过的话"):
            assert word.encode() not in stored
            assert word.encode("unicode_escape") not in stored


def test_the_stored_data_is_sealed_anew_under_another_key(tmp_path: Path) -> None:
    with family(tmp_path) as people:
        root = people.root()
        register(root)
        before = root.settings.storage_key.read_bytes()
        other = Database(root.settings.database_url, vault=open_vault(root.settings.storage_key))
        count = reseal(root.center, root.settings)
        assert count > 0
        assert root.settings.storage_key.read_bytes() != before
        [secret] = read_secrets(root.settings.storage_key)
        newest = Vault([secret])
        with root.center.database.read() as session:
            for table in Base.metadata.sorted_tables:
                for column in table.columns:
                    if isinstance(column.type, Sealed):
                        rows = session.execute(text(f"SELECT {column.name} FROM {table.name}")).scalars()  # noqa: S608
                        assert all(newest.is_newest(bytes(value)) for value in rows if value is not None)
        with other.read() as session:  # whoever had opened it before finds the new key by itself
            state = session.scalar(select(CaseRow.state))
        other.dispose()
        assert state is not None
        assert NAME in state


def register(made: Made) -> None:
    with unit_of(made.center) as unit:
        body = e.Registered(
            number=f"{made.center.code}-2026-0001",
            display_number="祥云〔2026〕1号",
            title="界桩",
            category=Category.NEIGHBOURHOOD,
            place="村口",
            parties=(e.Party(name=NAME, phone=PHONE, role=PartyRole.APPLICANT),),
        )
        write(unit, "case-1", e.Kind.REGISTERED, body, "受理员")


def test_nobody_can_ask_the_database_what_a_sealed_column_says() -> None:
    with pytest.raises(TypeError, match="sealed column"):
        select(RequestRow).where(RequestRow.reason == "2")
    assert "IS NOT NULL" in str(select(RequestRow.id).where(RequestRow.reason.is_not(None)))
