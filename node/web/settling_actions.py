"""Forms of what settles a matter: sessions, agreements, calls of departments; subsidies, duplicates, rulings."""

from typing import Final

from node.accounts.roles import Action
from node.cases import inputs
from node.cases.acts import ReportInput
from node.i18n import N_
from node.web.case_action import NAMES, REASON, TEXT, CaseAction
from node.web.forms import Field
from protocol import entries as e

SETTLING: Final = (
    CaseAction(
        action=Action.mediate,
        act="mediations",
        model=inputs.MediationInput,
        label=N_("Record a session"),
        icon="messages",
        fields=(
            Field(name="held_at", label=N_("Held at"), kind="instant", required=True),
            Field(name="place", label=N_("Place"), required=True, limit=e.PLACE_MAX),
            Field(
                name="mediators",
                label=N_("Mediators"),
                kind="names",
                required=True,
                hint=N_("Several names with commas between."),
            ),
            Field(
                name="participants", label=N_("Present"), kind="names", hint=N_("Several names with commas between.")
            ),
            Field(name="summary", label=N_("What was said"), kind="long", required=True, limit=e.TEXT_MAX),
            Field(name="outcome", label=N_("Result"), limit=e.SHORT_TEXT_MAX),
        ),
    ),
    CaseAction(
        action=Action.agree,
        act="agree",
        model=inputs.AgreeInput,
        label=N_("Agreement reached"),
        icon="file-check",
        fields=(
            Field(
                name="agreement",
                label=N_("Agreement"),
                kind="long",
                required=True,
                limit=e.TEXT_MAX,
                hint=N_("Facts and responsibility, terms, way and time of fulfilment."),
            ),
            Field(
                name="terms",
                label=N_("Terms"),
                kind="terms",
                hint=N_("One a line: what; how much; until when; by whom. Such as: lost wages; 800 yuan; 2026-05-01"),
            ),
            Field(name="due_on", label=N_("To be fulfilled by"), kind="day"),
            Field(name="manner", label=N_("Form"), kind="choice", words="manner"),
        ),
    ),
    CaseAction(
        action=Action.fulfil,
        act="fulfilments",
        model=inputs.FulfilInput,
        label=N_("Term fulfilled"),
        icon="check",
        fields=(
            Field(name="agreement_seq", label=N_("Agreement"), kind="hidden"),
            Field(name="term", label=N_("Term"), kind="choice", required=True),
            Field(name="on", label=N_("Fulfilled on"), kind="day", required=True),
            Field(name="note", label=N_("Remark"), kind="long", limit=e.TEXT_MAX),
        ),
    ),
    CaseAction(
        action=Action.call,
        act="calls",
        model=inputs.CallInput,
        label=N_("Call departments"),
        icon="bell",
        fields=(
            Field(name="stations", label=N_("Who is called"), kind="choices", required=True),
            Field(name="task", label=N_("Task"), kind="long", required=True, limit=e.TEXT_MAX),
            Field(name="report_by", label=N_("Report by"), kind="instant", required=True),
        ),
    ),
    CaseAction(
        action=Action.report,
        act="calls/report",
        model=ReportInput,
        label=N_("Department reported"),
        icon="check",
        fields=(Field(name="call_seq", label=N_("Which call"), kind="choice", required=True), TEXT),
    ),
)
"""From the first session to the last term."""

FILING: Final = (
    CaseAction(
        action=Action.inquire,
        act="inquiries",
        model=inputs.InquiryInput,
        label=N_("Record an inquiry"),
        icon="search",
        fields=(
            Field(name="held_at", label=N_("Held at"), kind="instant", required=True),
            Field(name="place", label=N_("Place"), required=True, limit=e.PLACE_MAX),
            Field(name="inquirers", label=N_("Asked by"), kind="names", required=True, hint=NAMES),
            Field(name="asked", label=N_("Who was asked"), required=True, limit=e.NAME_MAX),
            Field(name="text", label=N_("What was said"), kind="long", required=True, limit=e.TEXT_MAX),
        ),
    ),
    CaseAction(
        action=Action.file,
        act="filings",
        model=inputs.FileInput,
        label=N_("File papers"),
        icon="files",
        fields=(
            Field(name="parts", label=N_("Parts of the dossier"), kind="choices", required=True, words="parts"),
            Field(name="pages", label=N_("Sheets"), kind="number"),
            Field(name="note", label=N_("Remark"), kind="long", limit=e.TEXT_MAX),
        ),
    ),
    CaseAction(
        action=Action.archive,
        act="archive",
        model=inputs.ArchiveInput,
        label=N_("Archive the dossier"),
        icon="archive",
        fields=(
            Field(name="retention", label=N_("Kept for"), kind="choice", required=True, words="retention"),
            Field(
                name="explanation",
                label=N_("Explanation"),
                kind="long",
                limit=e.REASON_MAX,
                hint=N_("Needed where a part is missing: why."),
            ),
        ),
    ),
)
"""What belongs to the dossier alone."""

DECIDING: Final = (
    CaseAction(
        action=Action.claim_subsidy,
        act="subsidy",
        model=inputs.SubsidyInput,
        label=N_("Claim the subsidy"),
        icon="file-text",
        fields=(Field(name="mediators", label=N_("Mediators"), kind="names", required=True, hint=NAMES),),
        note=N_("One dispute pays once. A center above judges the claim."),
    ),
    CaseAction(
        action=Action.judge_subsidy,
        act="subsidy/judge",
        model=inputs.JudgeInput,
        label=N_("Judge the subsidy"),
        icon="check",
        fields=(
            Field(name="approved", label=N_("Approved"), kind="truth", required=True),
            Field(name="reason", label=N_("Reason"), kind="long", limit=e.REASON_MAX),
        ),
    ),
    CaseAction(
        action=Action.merge,
        act="merge",
        model=inputs.MergeInput,
        label=N_("Merge as a duplicate"),
        icon="copy",
        fields=(Field(name="into", label=N_("Number of the other case"), required=True, limit=100),),
        note=N_("This case ends; the other one goes on. Both histories stay, and the matter counts once."),
        grave=True,
    ),
    CaseAction(
        action=Action.rule,
        act="rule",
        model=inputs.RuleInput,
        label=N_("Rule who deals with it"),
        icon="flag",
        fields=(
            Field(name="to", label=N_("To"), kind="center", required=True),
            Field(name="department", label=N_("Responsible department"), limit=e.NAME_MAX),
            REASON,
            Field(
                name="route_place",
                label=N_("Offer this next time for the place"),
                limit=e.PLACE_MAX,
                hint=N_("Empty: the ruling holds for this case alone."),
            ),
        ),
        note=N_("Custody follows at once, and nobody returns the case any more."),
    ),
)
"""What is seldom done, and by few."""
