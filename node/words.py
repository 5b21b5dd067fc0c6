"""The words of the field for its codes: what ``neighbourhood`` or ``handed_off`` is called on a page.

Each list is named as the field is named in the API, so that ``spoken`` can put words into any refusal whose
places carry codes. A code that no list knows (a newer peer may send one) is shown as it is.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from node.accounts.roles import ROLE_NAMES
from node.accounts.tables import TokenKind
from node.audit.trail import COMMAND_LINE, SYSTEM, Event
from node.i18n import N_, Language, translate
from protocol.actions import StopReason
from protocol.codes import AgreementForm, Category, Grade, Part, PartyRole, Retention, Rung, Source, Status, Trigger
from protocol.entries import Kind
from protocol.messages import Type

LEVELS: Final[Mapping[str, str]] = {
    "county": N_("County level"),
    "township": N_("Township level"),
    "village": N_("Village level"),
}

PLACE_LEVELS: Final[Mapping[str, str]] = {
    "county": N_("county"),
    "township": N_("township"),
    "village": N_("village"),
}
"""A level within a sentence."""

LETTERS: Final[Mapping[str, str]] = {
    "county": N_("C"),
    "township": N_("T"),
    "village": N_("V"),
}
"""The one letter in the square that names a level."""

CATEGORIES: Final[Mapping[str, str]] = {
    Category.MARRIAGE_FAMILY: N_("Marriage and family"),
    Category.NEIGHBOURHOOD: N_("Neighbours"),
    Category.HOUSING_HOMESTEAD: N_("Housing and homestead"),
    Category.CONTRACT: N_("Contract"),
    Category.PRODUCTION_BUSINESS: N_("Production and business"),
    Category.DAMAGES: N_("Damages"),
    Category.FOREST_LAND: N_("Forest and land"),
    Category.EXPROPRIATION: N_("Expropriation"),
    Category.ENVIRONMENT: N_("Environment"),
    Category.MIGRANT_WAGES: N_("Migrant workers' wages"),
    Category.LABOUR_OTHER: N_("Other labour dispute"),
    Category.TOURISM: N_("Tourism"),
    Category.E_COMMERCE: N_("Online trade"),
    Category.CONSUMER_OTHER: N_("Other consumer dispute"),
    Category.MEDICAL: N_("Medical"),
    Category.TRAFFIC: N_("Traffic accident"),
    Category.PROPERTY_MANAGEMENT: N_("Property management"),
    Category.OTHER: N_("Other"),
}

GRADES: Final[Mapping[str, str]] = {
    Grade.LOW: N_("Low risk"),
    Grade.MEDIUM: N_("Medium risk"),
    Grade.HIGH: N_("High risk"),
}

SOURCES: Final[Mapping[str, str]] = {
    Source.VISIT: N_("Resident's visit"),
    Source.GRID_WORKER: N_("Grid worker"),
    Source.INSPECTION: N_("Inspection"),
    Source.HOTLINE: N_("Hotline"),
    Source.PETITION: N_("Petition"),
    Source.COURT: N_("Court"),
    Source.POLICE: N_("Police"),
    Source.PROCURATORATE: N_("Procuratorate"),
    Source.SUPERIOR: N_("Superior"),
    Source.DEPARTMENT: N_("Department"),
}

PARTY_ROLES: Final[Mapping[str, str]] = {
    PartyRole.APPLICANT: N_("Applicant"),
    PartyRole.RESPONDENT: N_("Respondent"),
    PartyRole.OTHER: N_("Other"),
}

STATUSES: Final[Mapping[str, str]] = {
    Status.REGISTERED: N_("Registered"),
    Status.ACCEPTED: N_("Accepted"),
    Status.MEDIATING: N_("In mediation"),
    Status.AGREED: N_("Agreed"),
    Status.FAILED: N_("Mediation failed"),
    Status.CLOSED: N_("Closed"),
    Status.WITHDRAWN: N_("Withdrawn"),
    Status.REFERRED: N_("Referred"),
    Status.MERGED: N_("Merged"),
}

TRIGGERS: Final[Mapping[str, str]] = {
    Trigger.GRADE_HIGH: N_("High risk"),
    Trigger.GROUP_INCIDENT: N_("Group incident"),
    Trigger.CROSSES_VILLAGES: N_("Crosses villages"),
    Trigger.DANGER_TO_LIFE: N_("Danger to life"),
    Trigger.DEADLINE_MISSED: N_("Deadline missed"),
    Trigger.REPEATED_FAILURE: N_("Mediation failed repeatedly"),
}

STATION_KINDS: Final[Mapping[str, str]] = {
    "department": N_("Department"),
    "station": N_("Station"),
    "room": N_("Mediation room"),
    "mediator": N_("Mediator"),
}
"""What a center has in its house (``node.cases.stations.StationKind``)."""

FORMS: Final[Mapping[str, str]] = {
    AgreementForm.WRITTEN: N_("Written"),
    AgreementForm.ORAL: N_("Oral"),
}
"""How an agreement was made."""

PARTS: Final[Mapping[str, str]] = {
    Part.APPLICATION: N_("Application or register of acceptance"),
    Part.NOTICE: N_("Notice of rights and duties"),
    Part.IDENTITY: N_("Proofs of identity"),
    Part.AUTHORISATION: N_("Authorisation"),
    Part.INQUIRY: N_("Inquiry record"),
    Part.EVIDENCE: N_("Evidence"),
    Part.MEDIATION: N_("Mediation record"),
    Part.AGREEMENT: N_("Agreement, or register of an oral one"),
    Part.FULFILMENT: N_("Proof of fulfilment"),
    Part.VISIT: N_("Visit record"),
    Part.CONFIRMATION: N_("Judicial confirmation"),
    Part.EXPLANATION: N_("Explanation"),
    Part.BACK_COVER: N_("Back cover"),
}
"""Parts of the dossier (卷宗)."""

DOSSIER: Final[Mapping[str, str]] = {"settled": N_("closed as settled"), **PARTS}
"""What a claim of a subsidy may lack (``protocol.subsidies.missing``)."""

RETENTIONS: Final[Mapping[str, str]] = {
    Retention.SHORT: N_("10 years"),
    Retention.LONG: N_("30 years"),
    Retention.PERMANENT: N_("For ever"),
}
"""How long an archived dossier is kept (保管期限)."""

SUBSIDY_STATES: Final[Mapping[str, str]] = {
    "claimed": N_("claimed"),
    "approved": N_("approved"),
    "rejected": N_("rejected"),
}
"""Where a claim of a subsidy stands (``protocol.case.SubsidyState``)."""

RUNGS: Final[Mapping[str, str]] = {
    Rung.BLUE: N_("Blue: the deadline is near"),
    Rung.YELLOW: N_("Yellow: due today"),
    Rung.RED: N_("Red: overdue"),
}
"""Steps of the ladder of a deadline."""

MISSING: Final[Mapping[str, str]] = {
    "mediation": N_("a mediation attempt"),
    **{f"trigger:{trigger}": name for trigger, name in TRIGGERS.items()},
}
"""What keeps the gate upward shut (``protocol.policy.Gate.missing``)."""

KINDS: Final[Mapping[str, str]] = {
    Kind.REGISTERED: N_("Case registered"),
    Kind.GRADED: N_("Grade set"),
    Kind.CORRECTED: N_("Correction"),
    Kind.ACCEPTED: N_("Case accepted"),
    Kind.NOTED: N_("Note"),
    Kind.MEDIATED: N_("Mediation session"),
    Kind.AGREED: N_("Agreement reached"),
    Kind.FULFILLED: N_("Term fulfilled"),
    Kind.COUNTERSIGNED: N_("Agreement countersigned"),
    Kind.FAILED: N_("Mediation failed"),
    Kind.WITHDRAWN: N_("Application withdrawn"),
    Kind.REFERRED: N_("Referred elsewhere"),
    Kind.CLOSED: N_("Case closed"),
    Kind.REOPENED: N_("Case reopened"),
    Kind.MERGED: N_("Merged as a duplicate"),
    Kind.ABSORBED: N_("Duplicate taken in"),
    Kind.INQUIRED: N_("Inquiry"),
    Kind.FILED: N_("Papers filed"),
    Kind.ATTACHED: N_("Attachment added"),
    Kind.ARCHIVED: N_("Dossier archived"),
    Kind.VISITED: N_("Follow-up visit"),
    Kind.VISIT_MISSED: N_("Visit missed"),
    Kind.SUBSIDY_CLAIMED: N_("Subsidy claimed"),
    Kind.SUBSIDY_JUDGED: N_("Subsidy judged"),
    Kind.ESCALATED: N_("Escalated"),
    Kind.ASSIGNED: N_("Assigned"),
    Kind.RETURNED: N_("Returned"),
    Kind.HANDED_OFF: N_("Handed off"),
    Kind.DELIVERED: N_("Delivered"),
    Kind.BOUNCED: N_("Came back undelivered"),
    Kind.RECALLED: N_("Recalled"),
    Kind.EXTENDED: N_("Deadline put off"),
    Kind.CALLED: N_("Department called"),
    Kind.REPORTED: N_("Department reported"),
    Kind.URGED: N_("Supervision order"),
    Kind.ANSWERED: N_("Order answered"),
    Kind.INVITED: N_("Joint mediation proposed"),
    Kind.OFFERED: N_("Hand-off offered"),
    Kind.JOINED: N_("Joined the mediation"),
    Kind.DECLINED: N_("Declined"),
    Kind.JOINT_NOTED: N_("Joint entry"),
    Kind.LEAD_ORDERED: N_("Lead decided"),
    Kind.RULED: N_("Ruling who deals with it"),
    Kind.VIEWED: N_("Content viewed"),
    Kind.RENUMBERED: N_("Renumbered"),
    Kind.REHOMED: N_("Moved to the successor center"),
    Kind.REPLACED: N_("Merged center replaced by its successor"),
}

REQUESTS: Final[Mapping[str, str]] = {
    "note": N_("Note"),
    "urge": N_("Supervision order"),
    "answer": N_("Order answered"),
    "joint_accept": N_("Joining the mediation"),
    "joint_decline": N_("Declining the mediation"),
    "joint_entry": N_("Joint entry"),
    "countersign": N_("Countersigning"),
    "handoff_accept": N_("Taking the case over"),
    "handoff_decline": N_("Declining the case"),
    "recall": N_("Recall"),
    "visit": N_("Follow-up visit"),
    "reopen": N_("Reopening"),
    "attach": N_("Attachment"),
    "lead_order": N_("Lead decision"),
    "judge_subsidy": N_("Subsidy judged"),
    "rule": N_("Ruling"),
    "absorb": N_("Taking in a duplicate"),
    "view": N_("View of the content"),
}

REQUEST_STATES: Final[Mapping[str, str]] = {
    "pending": N_("waiting for the holder"),
    "granted": N_("granted"),
    "refused": N_("turned down"),
}

PARTNER_STATES: Final[Mapping[str, str]] = {
    "invited": N_("invited"),
    "accepted": N_("takes part"),
    "declined": N_("declined"),
}

LINK_TROUBLES: Final[Mapping[str, str]] = {
    StopReason.PEER_RESTORED: N_("its database went back in time; it is getting its own messages back"),
    StopReason.SELF_RESTORED: N_("our database went back in time; our messages come back from there"),
    StopReason.PEER_FORKED: N_("two computers run with its identity; one of them must be switched off"),
    StopReason.SELF_FORKED: N_("another computer runs with our identity; one of the two must be switched off"),
    StopReason.DIVERGED: N_("the two databases contradict each other"),
    StopReason.INCOMPATIBLE: N_("it runs a version that does not fit ours"),
}
"""Why nothing moves on a link."""

ACCESS: Final[Mapping[str, str]] = {
    "full": N_("Everything"),
    "invited": N_("Invitation only"),
    "header": N_("Header only"),
}

_ROLES: Final[Mapping[str, str]] = {role.value: name for role, name in ROLE_NAMES.items()}

MESSAGES: Final[Mapping[str, str]] = {
    Type.ENTRIES: N_("Log entries"),
    Type.TRANSFER: N_("Transfer of a case"),
    Type.REFUSAL: N_("Refusal of a transfer"),
    Type.HEADER: N_("Header of a case"),
    Type.INVITATION: N_("Invitation"),
    Type.REQUEST: N_("Request"),
    Type.ANSWER: N_("Answer to a request"),
    Type.VIEW: N_("Look at a case"),
    Type.CERTIFICATES: N_("Certificates"),
    Type.POLICIES: N_("Rules"),
    Type.KNOCK: N_("Move to another superior"),
    Type.WELCOME: N_("Move to another superior"),
    Type.FAREWELL: N_("Move to another superior"),
    Type.NEW_KEY: N_("New signing key"),
    Type.ATTACHMENT_PIECE: N_("Attachments"),
    Type.ATTACHMENT_WANTED: N_("Attachments"),
    Type.ATTACHMENT_ABSENT: N_("Attachments"),
    Type.LOST: N_("Lost database"),
    Type.TOLD: N_("Lost database"),
    Type.RECOVERED: N_("Lost database"),
    Type.BACKUP_PART: N_("Backup"),
    Type.BACKUP_WANTED: N_("Backup"),
    Type.BACKUP_OFFERED: N_("Backup"),
    Type.AUDIT_HEAD: N_("Audit log"),
    Type.DAYS: N_("Daily figures"),
    Type.WEEKLY_REPORT: N_("Weekly report"),
    Type.RECEIPT: N_("Receipt"),
    Type.UNDELIVERABLE: N_("Undeliverable message"),
    Type.SEALED: N_("Sealed message"),
    Type.VOID: N_("Empty message"),
}

AUDIT_EVENTS: Final[Mapping[str, str]] = {
    Event.LOGGED_IN: N_("signed in"),
    Event.LOGIN_FAILED: N_("sign-in failed"),
    Event.LOGGED_OUT: N_("signed out"),
    Event.SESSION_ENDED: N_("ended a sign-in"),
    Event.REFUSED: N_("was refused"),
    Event.CASE_VIEWED: N_("looked at a case"),
    Event.FIELD_SHOWN: N_("had a masked number shown"),
    Event.GLASS_BROKEN: N_("asked to look at another center's case"),
    Event.SUBJECT_TOLD: N_("had written out what is held of a party"),
    Event.PAPERS_MADE: N_("had papers of a case made"),
    Event.FILE_OPENED: N_("opened an attachment of a case"),
    Event.EXPORTED: N_("exported the ledger"),
    Event.IMPORTED: N_("brought a ledger in"),
    Event.USER_CREATED: N_("created an account"),
    Event.USER_DISABLED: N_("locked an account"),
    Event.USER_ENABLED: N_("unlocked an account"),
    Event.ROLES_CHANGED: N_("changed roles"),
    Event.PASSWORD_CHANGED: N_("changed a password"),
    Event.SECOND_FACTOR_SET: N_("set up a second factor"),
    Event.SECOND_FACTOR_ENDED: N_("ended a second factor"),
    Event.TOKEN_MADE: N_("made a token for a program"),
    Event.CHILD_ENROLLED: N_("enrolled a center"),
    Event.CHILD_REVOKED: N_("cut a center off"),
    Event.POLICY_SET: N_("set the rules"),
    Event.PARKED_RETRIED: N_("had parked messages tried again"),
    Event.FRAME_REFUSED: N_("refused frames of a neighbour"),
    Event.LINK_LIMITED: N_("stopped listening to a neighbour for a while"),
    Event.MESSAGE_REFUSED: N_("refused a message"),
    Event.KEY_CHANGED: N_("changed a signing key"),
    Event.CASE_PURGED: N_("party data of a case went, its time was over"),
    Event.DATA_RESEALED: N_("sealed the stored data under a new key"),
    Event.BACKUP_MADE: N_("made a backup"),
    Event.BACKUP_CHECKED: N_("checked a backup"),
    Event.AUDIT_EXPORTED: N_("exported the audit log"),
    Event.AUDIT_PURGED: N_("old audit rows went"),
}

AUDIT_ACTORS: Final[Mapping[str, str]] = {
    SYSTEM.name: N_("the system"),
    COMMAND_LINE.name: N_("command line"),
}

TOKEN_KINDS: Final[Mapping[str, str]] = {
    TokenKind.session: N_("On the pages"),
    TokenKind.token: N_("By a program"),
}

PARTY_FIELDS: Final[Mapping[str, str]] = {
    "phone": N_("Phone"),
    "id_number": N_("Identity number"),
}
"""What of a party is masked until somebody asks for it."""

LISTS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "level": LEVELS,
        "letter": LETTERS,
        "place_level": PLACE_LEVELS,
        "category": CATEGORIES,
        "grade": GRADES,
        "source": SOURCES,
        "party_role": PARTY_ROLES,
        "status": STATUSES,
        "trigger": TRIGGERS,
        "triggers": TRIGGERS,
        "dossier": DOSSIER,
        "subsidy_state": SUBSIDY_STATES,
        "parts": PARTS,
        "retention": RETENTIONS,
        "station_kind": STATION_KINDS,
        "manner": FORMS,
        "rung": RUNGS,
        "orders_at": RUNGS,
        "missing": MISSING,
        "kind": {**REQUESTS, **KINDS},
        "state": REQUEST_STATES,
        "partner": PARTNER_STATES,
        "access": ACCESS,
        "message": MESSAGES,
        "audit_event": AUDIT_EVENTS,
        "audit_actor": AUDIT_ACTORS,
        "audit_kind": TOKEN_KINDS,
        "audit_field": PARTY_FIELDS,
        "audit_roles": _ROLES,
        "role": _ROLES,
        "roles": _ROLES,
    }
)


_PLACES: Final = (
    ("社区村民委员会", "社区"),
    ("社区居民委员会", "社区"),
    ("村民委员会", "村"),
    ("居民委员会", "社区"),
)


def place_name(name: str) -> str:
    """The place as people say it: 谢官营村民委员会 -> 谢官营村, 沙龙社区村民委员会 -> 沙龙社区."""
    for official, spoken_form in _PLACES:
        if name.endswith(official) and len(name) > len(official):
            return name.removesuffix(official) + spoken_form
    return name


def word(language: Language, name: str, code: str | None) -> str:
    """What ``code`` of the list ``name`` is called; an unknown code stays as it is."""
    return translate(language, LISTS[name].get(code or "", code or ""))


def words(language: Language, name: str) -> list[tuple[str, str]]:
    """The codes of a list with their words, to choose from."""
    return [(str(code), translate(language, msgid)) for code, msgid in LISTS[name].items()]


def spoken(language: Language, places: Mapping[str, object]) -> dict[str, object]:
    """The same places with words for codes, ready for ``translate``."""
    return {name: _spoken(language, name, value) for name, value in places.items()}


def _spoken(language: Language, name: str, value: object) -> object:
    if name not in LISTS:
        return value
    if isinstance(value, str):
        return word(language, name, value)
    if isinstance(value, list | tuple | set | frozenset):
        return [word(language, name, str(item)) for item in value]
    return value
