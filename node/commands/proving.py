"""``verify``: prove the history of a case, or of all, and name the first entry that does not hold."""

from pathlib import Path

import typer

from node.cases.proof import Proof, prove_all
from node.commands.opened import opened
from node.commands.terminal import complain, language, show_json, word
from node.i18n import N_, translate_plural
from node.trouble import Trouble


def run_verify(directory: Path, named: str | None, *, as_json: bool) -> None:
    """Check certificates, signatures, digests and the fold; exit code 1 where something does not hold."""
    with opened(directory) as (_, center), center.database.read() as session:
        bad, proofs = prove_all(session, center.root_key, named)
        found = list(proofs)
    if named is not None and not found:
        raise Trouble(N_("There is no log of a case {case} here."), case=named)
    broken = [proof for proof in found if proof.flaw is not None]
    if as_json:
        certificates = [{"code": one.code, "version": one.version} for one in bad]
        show_json({"certificates": certificates, "cases": [_document(proof) for proof in found]})
    else:
        for one in bad:
            complain(
                word(
                    N_("Certificate {version} of {code} does not lead up to the root."),
                    code=one.code,
                    version=one.version,
                )
            )
        for proof in broken:
            _complain(proof)
        _sum_up([proof for proof in found if proof.flaw is None])
    if broken or bad:
        raise typer.Exit(1)


def _complain(proof: Proof) -> None:
    assert proof.flaw is not None
    reason = word(proof.flaw.reason)
    complain(
        word(
            N_("{number}: entry {seq} does not hold. {reason}"), number=proof.number, seq=proof.flaw.seq, reason=reason
        )
    )


def _sum_up(holding: list[Proof]) -> None:
    typer.echo(translate_plural(language(), "{n} case holds.", "{n} cases hold.", len(holding)))
    entries, purged = sum(proof.entries for proof in holding), sum(proof.purged for proof in holding)
    typer.echo(translate_plural(language(), "{n} signed entry.", "{n} signed entries.", entries))
    if purged:
        typer.echo(
            translate_plural(language(), "The body of {n} was purged.", "The bodies of {n} were purged.", purged)
        )


def _document(proof: Proof) -> dict[str, object]:
    flaw = None if proof.flaw is None else {"seq": proof.flaw.seq, "reason": word(proof.flaw.reason)}
    named: dict[str, object] = {"id": proof.case_id, "number": proof.number}
    return {**named, "entries": proof.entries, "purged": proof.purged, "flaw": flaw}
