"""What people do with a case, as forms: one table, in the order in which the buttons stand.

Each form sends what the same call of the API takes, and the same act does it. Which of them make sense now
is judged in ``node.web.case_offers``.
"""

from typing import Final

from node.accounts.roles import Action
from node.cases import inputs
from node.cases.acts import AnswerInput
from node.i18n import N_
from node.web.case_action import NAMES, REASON, TEXT, CaseAction
from node.web.forms import Field
from node.web.settling_actions import DECIDING, FILING, SETTLING
from protocol import entries as e

_ORDER = Field(name="text", label=N_("Order"), kind="long", required=True, limit=e.REQUEST_TEXT_MAX)
_ANSWER = Field(name="text", label=N_("Answer"), kind="long", required=True, limit=e.REQUEST_TEXT_MAX)
_MEMBERS = Field(
    name="members",
    label=N_("Our members"),
    kind="members",
    hint=N_("Names, each with the role in brackets if it matters."),
)

ACTIONS: Final = (
    CaseAction(action=Action.accept, act="accept", model=inputs.NothingInput, label=N_("Accept"), icon="signature"),
    CaseAction(
        action=Action.joint_accept,
        act="joint/accept",
        model=inputs.JoinInput,
        label=N_("Join the mediation"),
        icon="users-group",
        fields=(_MEMBERS,),
        note=N_("This center then gets the whole log, and its countersignature is needed before the case closes."),
    ),
    CaseAction(
        action=Action.joint_decline,
        act="joint/decline",
        model=inputs.ReasonInput,
        label=N_("Decline the mediation"),
        icon="circle-x",
        fields=(REASON,),
    ),
    CaseAction(
        action=Action.handoff_accept,
        act="handoff/accept",
        model=inputs.NothingInput,
        label=N_("Take the case over"),
        icon="arrows-exchange",
        note=N_("This center then becomes the holder."),
    ),
    CaseAction(
        action=Action.handoff_decline,
        act="handoff/decline",
        model=inputs.ReasonInput,
        label=N_("Decline the case"),
        icon="circle-x",
        fields=(REASON,),
    ),
    *SETTLING,
    CaseAction(
        action=Action.countersign,
        act="joint/countersign",
        model=inputs.CountersignInput,
        label=N_("Countersign"),
        icon="signature",
        fields=(Field(name="agreement_seq", label=N_("Agreement"), kind="hidden"),),
        note=N_("This center signs the agreement as it stands in the log now."),
    ),
    CaseAction(
        action=Action.escalate,
        act="escalate",
        model=inputs.EscalateInput,
        label=N_("Escalate"),
        icon="arrow-up",
        fields=(
            REASON,
            Field(name="triggers", label=N_("Why it may go up"), kind="choices", words="triggers"),
        ),
        note=N_("The superior becomes the holder on delivery. This center keeps a copy and gets every new entry."),
    ),
    CaseAction(
        action=Action.assign,
        act="assign",
        model=inputs.AssignInput,
        label=N_("Assign"),
        icon="arrow-down",
        fields=(
            Field(name="to", label=N_("To"), kind="center", required=True),
            Field(name="lead", label=N_("Leading official"), required=True, limit=e.NAME_MAX),
            Field(name="department", label=N_("Responsible department"), required=True, limit=e.NAME_MAX),
            Field(name="handler", label=N_("Handler"), required=True, limit=e.NAME_MAX),
            Field(name="working_days", label=N_("Working days from delivery"), kind="number"),
            Field(name="deadline", label=N_("or a fixed deadline"), kind="instant"),
            Field(name="instructions", label=N_("Instructions"), kind="long", limit=e.TEXT_MAX),
        ),
        note=N_("The assigned center becomes the holder when it is delivered there."),
    ),
    CaseAction(
        action=Action.return_,
        act="return",
        model=inputs.ReasonInput,
        label=N_("Return"),
        icon="corner-down-left",
        fields=(REASON,),
        note=N_("The case goes back to the center that gave it, with your reason."),
    ),
    CaseAction(
        action=Action.answer,
        act="urge/answer",
        model=AnswerInput,
        label=N_("Answer the order"),
        icon="bell-ringing",
        fields=(
            Field(name="urge_seq", label=N_("Which order"), kind="choice", required=True),
            _ANSWER,
        ),
    ),
    CaseAction(
        action=Action.joint_entry,
        act="joint/entries",
        model=inputs.NoteInput,
        label=N_("Joint entry"),
        icon="notes",
        fields=(TEXT,),
    ),
    CaseAction(
        action=Action.note,
        act="notes",
        model=inputs.NoteInput,
        label=N_("Note"),
        icon="note",
        fields=(TEXT,),
    ),
    CaseAction(
        action=Action.follow_up,
        act="follow-ups",
        model=inputs.VisitInput,
        label=N_("Record a visit"),
        icon="phone-check",
        fields=(
            Field(name="held_at", label=N_("Held at"), kind="instant", required=True),
            Field(
                name="method",
                label=N_("How"),
                required=True,
                limit=e.SHORT_TEXT_MAX,
                hint=N_("By phone, at home, ..."),
            ),
            Field(name="fulfilled", label=N_("Agreement fulfilled"), kind="truth"),
            Field(name="satisfied", label=N_("Parties satisfied"), kind="truth"),
            Field(name="danger", label=N_("Hidden danger"), limit=e.SHORT_TEXT_MAX),
            Field(name="relapsed", label=N_("Broke out again"), kind="truth"),
            Field(name="note", label=N_("Remark"), kind="long", limit=e.REQUEST_TEXT_MAX),
        ),
    ),
    CaseAction(
        action=Action.close,
        act="close",
        model=inputs.NothingInput,
        label=N_("Close"),
        icon="archive",
        note=N_("A closed case can be reopened with a reason."),
    ),
    CaseAction(
        action=Action.recall,
        act="recall",
        model=inputs.ReasonInput,
        label=N_("Recall"),
        icon="arrow-back-up",
        fields=(REASON,),
        note=N_("Granted by the other center's system as long as nobody there has accepted the case."),
    ),
    CaseAction(
        action=Action.extend,
        act="extend",
        model=inputs.ExtendInput,
        label=N_("Put the deadline off"),
        icon="calendar-plus",
        fields=(
            Field(name="working_days", label=N_("By working days"), kind="number"),
            Field(name="deadline", label=N_("or a fixed deadline"), kind="instant"),
            Field(
                name="consented",
                label=N_("Parties who agreed"),
                kind="names",
                required=True,
                hint=N_("Of either side at least one; names with commas between."),
            ),
            REASON,
        ),
    ),
    CaseAction(
        action=Action.urge,
        act="urge",
        model=inputs.UrgeInput,
        label=N_("Order"),
        icon="bell-ringing",
        fields=(_ORDER, Field(name="reply_by", label=N_("Answer by"), kind="instant")),
    ),
    CaseAction(
        action=Action.view,
        act="view",
        model=inputs.ReasonInput,
        label=N_("View the content"),
        icon="eye",
        fields=(REASON,),
        note=N_("The view and its reason stand in the log, and the holder sees them."),
    ),
    CaseAction(
        action=Action.joint_invite,
        act="joint",
        model=inputs.JointInput,
        label=N_("Joint mediation"),
        icon="users-group",
        fields=(
            Field(name="partners", label=N_("Partners"), kind="centers", required=True),
            REASON,
            _MEMBERS,
        ),
        note=N_("Those invited see title, place and reason; everything else only once they have accepted."),
    ),
    CaseAction(
        action=Action.handoff,
        act="handoff",
        model=inputs.ToInput,
        label=N_("Hand off"),
        icon="arrows-exchange",
        fields=(Field(name="to", label=N_("To"), kind="center", required=True), REASON),
        note=N_("Custody moves when the other center accepts."),
    ),
    CaseAction(
        action=Action.lead_order,
        act="joint/lead",
        model=inputs.ToInput,
        label=N_("Decide who leads"),
        icon="flag",
        fields=(Field(name="to", label=N_("To"), kind="center", required=True), REASON),
    ),
    CaseAction(
        action=Action.grade,
        act="grade",
        model=inputs.GradeInput,
        label=N_("Grade"),
        icon="flag",
        fields=(
            Field(name="grade", label=N_("Risk"), kind="choice", required=True, words="grade"),
            Field(name="triggers", label=N_("Triggers"), kind="choices", words="triggers"),
            Field(name="departments", label=N_("Departments needed"), kind="names", hint=NAMES),
            Field(name="judged_by", label=N_("Judged by"), kind="names", hint=NAMES),
            REASON,
        ),
    ),
    CaseAction(
        action=Action.correct,
        act="correct",
        model=inputs.CorrectInput,
        label=N_("Correct"),
        icon="pencil",
        fields=(
            Field(name="title", label=N_("In one sentence"), limit=e.TITLE_MAX),
            Field(name="category", label=N_("Type"), kind="choice", words="category"),
            Field(name="place", label=N_("Where"), limit=e.PLACE_MAX),
            Field(name="description", label=N_("What happened"), kind="long", limit=e.TEXT_MAX),
            REASON,
        ),
    ),
    *FILING,
    *DECIDING,
    CaseAction(
        action=Action.refer,
        act="refer",
        model=inputs.ReferInput,
        label=N_("Refer elsewhere"),
        icon="external-link",
        fields=(
            Field(name="to", label=N_("Court, arbitration or authority"), required=True, limit=e.SHORT_TEXT_MAX),
            REASON,
        ),
        note=N_("This ends the case here."),
        grave=True,
    ),
    CaseAction(
        action=Action.fail,
        act="fail",
        model=inputs.ReasonInput,
        label=N_("Mediation failed"),
        icon="circle-x",
        fields=(REASON,),
        grave=True,
    ),
    CaseAction(
        action=Action.withdraw,
        act="withdraw",
        model=inputs.ReasonInput,
        label=N_("Application withdrawn"),
        icon="arrow-back-up",
        fields=(REASON,),
        note=N_("This ends the case here."),
        grave=True,
    ),
    CaseAction(
        action=Action.reopen,
        act="reopen",
        model=inputs.ReasonInput,
        label=N_("Reopen"),
        icon="refresh",
        fields=(REASON,),
    ),
)

BY_ACT: Final = {one.act: one for one in ACTIONS}
"""The table by the paths of the pages."""
