"""What the queues of cases are called."""

from collections.abc import Mapping
from typing import Final

from node.cases.queues import Queue
from node.i18n import N_

QUEUE_WORDS: Final[Mapping[Queue, str]] = {
    Queue.OPEN: N_("All open"),
    Queue.HELD: N_("Held here"),
    Queue.TO_ACCEPT: N_("Arrived, to be accepted"),
    Queue.NEW: N_("Registered, to be accepted"),
    Queue.CAME_BACK: N_("Came back"),
    Queue.ORDERS: N_("Orders to answer"),
    Queue.LATE: N_("Overdue"),
    Queue.TODAY: N_("Due today"),
    Queue.NEAR: N_("Due soon"),
    Queue.INVITED: N_("Invitations"),
    Queue.VISITS: N_("Visits due"),
    Queue.AWAY: N_("With others now"),
    Queue.IN_TRANSIT: N_("In transit"),
    Queue.JOINT: N_("Joint mediation"),
    Queue.SUPERVISED: N_("Supervised"),
    Queue.ENDED: N_("Ended"),
}

QUEUE_ICONS: Final[Mapping[Queue, str]] = {
    Queue.OPEN: "files",
    Queue.HELD: "building",
    Queue.TO_ACCEPT: "inbox",
    Queue.NEW: "circle-dashed",
    Queue.CAME_BACK: "corner-down-left",
    Queue.ORDERS: "bell-ringing",
    Queue.LATE: "alarm",
    Queue.TODAY: "clock-exclamation",
    Queue.NEAR: "clock",
    Queue.INVITED: "users-group",
    Queue.VISITS: "phone-check",
    Queue.AWAY: "send",
    Queue.IN_TRANSIT: "plane-departure",
    Queue.JOINT: "users-group",
    Queue.SUPERVISED: "bell-ringing",
    Queue.ENDED: "archive",
}
