"""How centers come into the federation and leave it: keys, certificates, links, brokers, and every refusal."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from node import brokers, enrolment
from node.cases import service
from node.cases.acts import perform
from node.cases.inputs import AssignInput
from node.cases.tables import CaseRow
from node.center import Center
from node.directory import add_certificates
from node.enrolment import revoke
from node.federation.nkey import public_of
from node.federation.tables import CertificateRow, InboxRow, LaneRow, LinkRow, OutboxRow
from node.founding import init_root, join
from node.opening import open_center
from node.settings import ExternalBroker, NoBroker, OwnBroker
from node.trouble import BrokerTrouble, EnrolmentRefused
from node.unit import unit_of
from protocol.codes import Category
from protocol.entries import Party
from protocol.messages import Type, read_message, read_payload
from protocol.payloads import CERTIFICATES_MAX, Certificates
from tests.centers import COUNTY, NEIGHBOUR, TOWNSHIP, VILLAGE, Family, Made, family


@pytest.fixture
def people(tmp_path: Path) -> Iterator[Family]:
    with family(tmp_path) as made:
        yield made


@pytest.fixture
def root(people: Family) -> Made:
    return people.root()


def certificates_for(center: Center, peer: str) -> list[list[str]]:
    """Codes of the certificates in each message that waits for a neighbour."""
    with center.database.read() as session:
        bodies = session.scalars(select(OutboxRow.body).where(OutboxRow.peer == peer).order_by(OutboxRow.seq)).all()
    payloads = [read_payload(message) for message in map(read_message, bodies) if message.type == Type.CERTIFICATES]
    return [
        [certificate.parse().code for certificate in payload.certificates]
        for payload in payloads
        if isinstance(payload, Certificates)
    ]


# --- coming in ------------------------------------------------------------------------------------------------------


def test_a_federation_grows_from_its_root(people: Family, root: Made) -> None:
    township = people.child(root, TOWNSHIP)
    village = people.child(township, VILLAGE)
    assert (root.center.name, township.center.name, village.center.name) == ("祥云县", "沙龙镇", "谢官营村民委员会")
    assert village.center.parent == TOWNSHIP
    assert village.center.directory.tree.ancestors(VILLAGE) == [TOWNSHIP, COUNTY]
    assert village.center.root_key == root.center.identity.signing.public
    assert village.settings.parent_url == "nats://127.0.0.1:4222"
    assert village.center.identity.incarnation != township.center.identity.incarnation


def test_a_child_has_keys_of_its_own_that_its_parent_has_certified(people: Family, root: Made) -> None:
    township = people.child(root, TOWNSHIP)
    claims = root.center.directory.tree.claims[TOWNSHIP]
    assert claims.signing_key == township.center.identity.signing.public
    assert claims.sealing_key == township.center.identity.sealing.public
    with root.center.database.read() as session:
        link = session.get_one(LinkRow, TOWNSHIP)
        assert township.settings.link_seed_file is not None
        assert link.nkey == public_of(township.settings.link_seed_file.read_text(encoding="ascii"))
        assert link.direction == "down"
    with township.center.database.read() as session:
        assert session.get_one(LinkRow, COUNTY).direction == "up"


def test_secrets_are_readable_by_their_owner_only(people: Family, root: Made, tmp_path: Path) -> None:
    root.enroll(TOWNSHIP).write(tmp_path / "join.json")
    township = join(tmp_path / "join.json", tmp_path / "there", broker=OwnBroker(), environment=False)
    for path in (tmp_path / "join.json", *(township.data_dir / name for name in ("keys.json", "link.seed"))):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(township.data_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE((township.broker_dir / "hub.seed").stat().st_mode) == 0o600


def test_the_new_child_hears_of_everybody_and_the_others_of_it(people: Family, root: Made) -> None:
    root.enroll(NEIGHBOUR)
    township = people.child(root, TOWNSHIP)
    assert certificates_for(root.center, TOWNSHIP) == [[COUNTY, TOWNSHIP, NEIGHBOUR]]
    assert certificates_for(root.center, NEIGHBOUR)[-1] == [TOWNSHIP]
    township.enroll(VILLAGE)
    assert certificates_for(township.center, COUNTY) == [[VILLAGE]], "the parent spreads it further"


def test_many_certificates_come_in_messages_that_can_be_checked_one_after_another(people: Family, root: Made) -> None:
    township = people.child(root, TOWNSHIP)
    for number in range(CERTIFICATES_MAX):
        township.enroll(f"5329231023{number:02}", name=f"新村{number}", level="village")
    village = people.child(township, VILLAGE)
    messages = certificates_for(township.center, VILLAGE)
    assert [len(codes) for codes in messages] == [CERTIFICATES_MAX, 3]
    with township.center.database.read() as session:
        bodies = session.scalars(select(OutboxRow.body).where(OutboxRow.peer == VILLAGE).order_by(OutboxRow.seq)).all()
    for body in bodies:
        payload = read_payload(read_message(body))
        assert isinstance(payload, Certificates)
        with village.center.database.write() as session:
            add_certificates(session, payload.certificates, village.center.root_key)
    with village.center.database.read() as session:
        assert session.scalar(select(func.count()).select_from(CertificateRow)) == CERTIFICATES_MAX + 3


def test_a_center_outside_of_the_shipped_divisions_needs_name_and_level(root: Made) -> None:
    join_file = root.enroll("532923400000", name=" 祥云经济技术开发区 ", level="township")
    assert (join_file.name, join_file.level) == ("祥云经济技术开发区", "township")


def test_a_division_of_another_county_can_be_enrolled_on_purpose(root: Made) -> None:
    assert root.enroll("532901105000", name="喜洲镇", level="township").parent == COUNTY


REFUSED: list[tuple[str, dict[str, str | bool], str]] = [
    ("5329", {}, "12 digits"),
    ("53292310200x", {}, "12 digits"),
    ("532923999000", {}, "--name and --level"),
    ("532923999000", {"name": "新镇"}, "--name and --level"),
    ("532901105000", {}, "532901000000"),
    (COUNTY, {}, "this center itself"),
    (TOWNSHIP, {"level": "empire"}, "empire"),
    (TOWNSHIP, {"name": "x" * 101}, "100 characters"),
    (TOWNSHIP, {"name": "a\nb"}, "100 characters"),
]


@pytest.mark.parametrize(("code", "given", "reason"), REFUSED, ids=[f"{code} {given}" for code, given, _ in REFUSED])
def test_what_cannot_be_enrolled_is_refused_with_its_reason(
    root: Made, code: str, given: dict[str, str | bool], reason: str
) -> None:
    if "name" in given and "level" not in given and reason == "100 characters":
        given = {**given, "level": "township"}
    with pytest.raises(EnrolmentRefused, match=reason) as refused:
        root.enroll(code, **given)
    assert refused.value.exit_code == 7
    with root.center.database.read() as session:
        assert session.scalar(select(func.count()).select_from(LinkRow)) == 0


def test_a_center_takes_part_once(people: Family, root: Made) -> None:
    township = people.child(root, TOWNSHIP)
    with pytest.raises(EnrolmentRefused, match="already") as refused:
        root.enroll(TOWNSHIP)
    assert "--again" in str(refused.value)
    with pytest.raises(EnrolmentRefused, match=COUNTY):
        township.enroll(COUNTY, name="祥云县", level="county")
    root.enroll(NEIGHBOUR)
    with township.center.database.write() as session, root.center.database.read() as there:
        row = there.get_one(CertificateRow, (NEIGHBOUR, 1))
        session.merge(CertificateRow(code=row.code, version=1, claims=row.claims, signature=row.signature))
    with pytest.raises(EnrolmentRefused, match="revoked there first"):
        township.enroll(NEIGHBOUR, name="云南驿镇", level="township", again=True)


def test_without_a_broker_there_are_no_children(tmp_path: Path) -> None:
    settings = init_root(tmp_path / "root", COUNTY, broker=NoBroker(), environment=False)
    center = open_center(settings)
    with pytest.raises(BrokerTrouble, match=r"center\.toml"):
        enrolment.enroll(center, settings, TOWNSHIP)
    center.database.dispose()


def test_an_enrolment_that_fails_leaves_nothing_behind(root: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the power went")

    monkeypatch.setattr(enrolment, "spread", fail)
    with pytest.raises(RuntimeError, match="the power went"):
        root.enroll(TOWNSHIP)
    assert not root.center.directory.tree.known(TOWNSHIP), "not in memory either"
    with root.center.database.read() as session:
        assert session.get(LinkRow, TOWNSHIP) is None
        assert session.get(CertificateRow, (TOWNSHIP, 1)) is None


def test_enrolled_again_it_has_new_keys_and_a_link_that_begins_at_zero(people: Family, root: Made) -> None:
    old = people.child(root, TOWNSHIP)
    new = root.enroll(TOWNSHIP, again=True)
    assert new.keys.signing.public != old.center.identity.signing.public
    assert root.center.directory.tree.claims[TOWNSHIP].version == 2
    with root.center.database.read() as session:
        assert session.get_one(LinkRow, TOWNSHIP).nkey == public_of(new.link_seed)
        assert session.scalars(select(InboxRow.applied_seq).where(InboxRow.peer == TOWNSHIP)).all() == [0, 0]
        kept = session.scalar(select(func.count()).select_from(OutboxRow).where(OutboxRow.peer == f"{TOWNSHIP}#1"))
        lanes = session.scalars(select(LaneRow.offered_seq).where(LaneRow.peer == TOWNSHIP)).all()
    assert kept == 1, "what was meant for the old one can still be looked at"
    assert lanes == [0, 0]
    assert certificates_for(root.center, TOWNSHIP) == [[COUNTY, TOWNSHIP, TOWNSHIP]]


# --- leaving --------------------------------------------------------------------------------------------------------


def registered(center: Center) -> str:
    with unit_of(center) as unit:
        registration = service.Registration(
            title="排水沟纠纷", category=Category.NEIGHBOURHOOD, place="三组", parties=(Party(name="王"),)
        )
        return service.register(unit, registration, "杨秀英").id


def holder(center: Center, case_id: str) -> tuple[str | None, str | None]:
    with center.database.read() as session:
        row = session.get_one(CaseRow, case_id)
        return row.holder, row.in_transit_to


def test_a_revoked_child_is_known_to_be_so_by_everybody(people: Family, root: Made) -> None:
    people.child(root, TOWNSHIP)
    root.enroll(NEIGHBOUR)
    assert revoke(root.center, TOWNSHIP) == 0
    assert not root.center.directory.tree.known(TOWNSHIP)
    assert root.center.directory.tree.claims[TOWNSHIP].version == 2
    assert certificates_for(root.center, NEIGHBOUR)[-1] == [TOWNSHIP]
    with root.center.database.read() as session:
        assert session.get_one(LinkRow, TOWNSHIP).revoked_at is not None
    config = brokers.broker_config(root.center.database, root.settings)
    assert config is not None
    assert set(config.children) == {NEIGHBOUR}


def test_what_waits_for_a_revoked_child_comes_back(people: Family, root: Made) -> None:
    people.child(root, TOWNSHIP)
    case_id = registered(root.center)
    order = AssignInput(to=TOWNSHIP, working_days=7, lead="李", department="平安法治办", handler="张")
    with unit_of(root.center) as unit:
        perform(unit, case_id, "assign", order, "杨秀英")
    assert holder(root.center, case_id) == (None, TOWNSHIP)
    assert revoke(root.center, TOWNSHIP, reason="电脑被盗") == 1
    assert holder(root.center, case_id) == (COUNTY, None)
    with unit_of(root.center) as unit:
        state = unit.book.state(case_id)
        assert state is not None
        last = unit.book.entry(case_id, state.seq)
    assert last is not None
    assert "电脑被盗" in str(last.record.body)


def test_only_a_child_can_be_revoked_and_only_once(people: Family, root: Made) -> None:
    township = people.child(root, TOWNSHIP)
    for center, code in ((root.center, VILLAGE), (township.center, COUNTY), (root.center, COUNTY)):
        with pytest.raises(EnrolmentRefused, match=f"{code} is not a child"):
            revoke(center, code)
    revoke(root.center, TOWNSHIP)
    with pytest.raises(EnrolmentRefused, match="revoked already"):
        revoke(root.center, TOWNSHIP)


def test_a_revoked_child_can_come_back(people: Family, root: Made) -> None:
    people.child(root, TOWNSHIP)
    revoke(root.center, TOWNSHIP)
    root.enroll(TOWNSHIP)
    assert root.center.directory.tree.known(TOWNSHIP)
    assert root.center.directory.tree.claims[TOWNSHIP].version == 3


# --- brokers outside of this machine --------------------------------------------------------------------------------


def test_outside_of_loopback_the_join_file_brings_the_authority(people: Family, tmp_path: Path) -> None:
    root = people.root(broker=OwnBroker(host="0.0.0.0", port=4555, names=("zongzhi.example",)))  # noqa: S104
    join_file = root.enroll(TOWNSHIP)
    assert join_file.parent_url == "tls://zongzhi.example:4555"
    assert join_file.ca is not None
    settings = join(join_file, tmp_path / "there", environment=False)
    assert settings.parent_ca_file == tmp_path / "there" / "parent-ca.pem"
    assert settings.parent_ca_file.read_text(encoding="ascii") == join_file.ca
    config = brokers.broker_config(root.center.database, root.settings)
    assert config is not None
    assert config.tls is not None
    assert config.tls.cert_file.exists()


def test_a_broker_that_listens_everywhere_needs_a_name(people: Family) -> None:
    root = people.root(broker=OwnBroker(host="0.0.0.0"))  # noqa: S104 - read, not bound
    with pytest.raises(BrokerTrouble, match="names under"):
        root.enroll(TOWNSHIP)


def test_the_operator_of_an_external_server_gets_every_key(people: Family) -> None:
    root = people.root(broker=ExternalBroker(url="tls://nats.example:4222"))
    join_file = root.enroll(TOWNSHIP)
    assert join_file.parent_url == "tls://nats.example:4222"
    assert join_file.ca is None
    text = brokers.snippet(root.center.database, root.settings)
    assert text is not None
    assert public_of(join_file.link_seed) in text
    revoke(root.center, TOWNSHIP)
    after = brokers.snippet(root.center.database, root.settings)
    assert after is not None
    assert public_of(join_file.link_seed) not in after
