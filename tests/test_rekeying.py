"""A center signs with another key; nothing that counts hangs on the former one, and what it signed still verifies."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from node import rekeying
from node.cases.log import write
from node.cases.proof import prove_all
from node.identity import NEXT_KEYS_FILE, load_keys
from node.trouble import Trouble
from node.unit import Unit
from protocol import entries as e
from protocol.centers import check, prove_key
from protocol.codes import Category, PartyRole
from protocol.errors import BadRecord
from protocol.keys import SigningKey
from protocol.messages import Message, Type, source_of
from protocol.payloads import NewKey
from tests.federation_kit import Fed, Member, Wire, county

COUNTY, TOWN, VILLAGE, NEW = "532923000000", "532923102000", "532923102205", "532923102201"


def play(directory: Path, scene: Callable[[Fed, Member, Member], Awaitable[None]]) -> None:
    async def played() -> None:
        async with county(directory, codes=[VILLAGE], acquainted=True, wire=Wire.MEMORY) as fed:
            await fed.settle()
            await scene(fed, fed[TOWN], fed[VILLAGE])

    asyncio.run(played())


def register(unit: Unit, case_id: str, number: int) -> None:
    body = e.Registered(
        number=f"{unit.me}-2026-{number:04}",
        display_number=f"沙龙〔2026〕{number}号",
        title="界桩",
        category=Category.NEIGHBOURHOOD,
        place="村口",
        parties=(e.Party(name="赵甲", role=PartyRole.APPLICANT),),
    )
    write(unit, case_id, e.Kind.REGISTERED, body, "受理员")


async def changed(fed: Fed, member: Member) -> None:
    """Wait until the center signs with the key that it asked a certificate for; its chores come every half minute."""
    former = member.center.identity.signing.public

    def adopted() -> bool:
        rekeying.go_on(member.center)
        return member.center.identity.signing.public != former

    await fed.until(adopted)
    rekeying.go_on(member.center)


def test_a_key_is_changed_over_the_link_and_the_link_goes_on(tmp_path: Path) -> None:
    async def scene(fed: Fed, town: Member, village: Member) -> None:
        with town.act() as unit:
            register(unit, "case-1", 1)
        await fed.settle()
        former = town.center.identity.signing.public
        begun = {peer: runner.carried for peer, runner in town.federation.links.items()} if town.federation else {}
        rekeying.rotate(town.center)
        rekeying.rotate(town.center)  # asked twice, it is one key
        await changed(fed, town)
        await fed.settle()
        with town.act() as unit:
            register(unit, "case-2", 2)
            write(unit, "case-1", e.Kind.ACCEPTED, e.Body(), "受理员")
        # Everybody knows the new key first, and the former one still.
        for member in fed:
            keys = member.center.directory.known.keys_of(TOWN)
            assert keys == (town.center.identity.signing.public, former)
        # No certificate that counts hangs on the former key.
        for code in (TOWN, VILLAGE):
            issuer = fed[COUNTY if code == TOWN else TOWN].center.identity.signing.public
            check(village.center.directory.known.certificates[code], (issuer,))
        # The links went on where they were, and a restart finds its keys.
        assert town.federation is not None
        assert {peer: runner.carried for peer, runner in town.federation.links.items()} == begun
        with town.read() as session:
            bad, proofs = prove_all(session, town.center.root_key)
            assert not bad
            assert [proof.flaw for proof in proofs] == [None, None]
        await town.stop()
        again = await fed.reopen(TOWN)
        assert again.center.identity.signing.public != former
        assert not (again.settings.data_dir / NEXT_KEYS_FILE).exists()
        await again.start()
        await fed.settle()
        # Who joins from now on is vouched for by the new key.
        newcomer = await fed.enrol(TOWN, NEW, tmp_path / NEW, name="新村", level="village")
        await newcomer.start()
        await fed.settle()

    play(tmp_path, scene)


def test_a_center_that_stopped_meanwhile_takes_its_new_key_when_it_is_opened(tmp_path: Path) -> None:
    async def scene(fed: Fed, town: Member, village: Member) -> None:
        del town
        rekeying.rotate(village.center)
        asked = load_keys(village.settings.data_dir, NEXT_KEYS_FILE).signing.public
        await fed.until(lambda: village.center.directory.known.keys_of(VILLAGE)[0] == asked)
        await village.stop()
        again = await fed.reopen(VILLAGE)
        assert again.center.identity.signing.public == asked
        await again.start()
        await fed.settle()

    play(tmp_path, scene)


def test_nobody_gets_a_certificate_of_a_key_that_is_not_shown_to_be_its_own(tmp_path: Path) -> None:
    async def scene(fed: Fed, town: Member, village: Member) -> None:
        stolen, own = SigningKey(b"s" * 32), SigningKey(b"o" * 32)
        for sender, asked in (
            (VILLAGE, NewKey(signing_key=stolen.public, proof=prove_key(own, VILLAGE))),
            (VILLAGE, NewKey(signing_key=own.public, proof=prove_key(own, TOWN))),
            (COUNTY, NewKey(signing_key=own.public, proof=prove_key(own, COUNTY))),
        ):
            message = Message(
                id="m", source=source_of(sender), type=Type.NEW_KEY, time=fed.clock.now(), destination=TOWN
            )
            with pytest.raises(BadRecord), town.act() as unit:
                rekeying.on_new_key(unit, message, asked)
        assert len(town.center.directory.known.keys_of(VILLAGE)) == 1
        assert village.running

    play(tmp_path, scene)


def test_the_root_s_key_can_t_be_changed(tmp_path: Path) -> None:
    async def scene(fed: Fed, town: Member, village: Member) -> None:
        del town, village
        with pytest.raises(Trouble, match="anchor"):
            rekeying.rotate(fed.root.center)

    play(tmp_path, scene)
