"""Instants as people say them, in local time (今天10:36, 3月18日16:52), and deadlines with what is left."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Literal

from node.clock import LOCAL_ZONE
from node.i18n import N_, Language, translate, translate_plural

Tone = Literal["none", "blue", "yellow", "red"]

MONTHS: Final = (
    N_("January"),
    N_("February"),
    N_("March"),
    N_("April"),
    N_("May"),
    N_("June"),
    N_("July"),
    N_("August"),
    N_("September"),
    N_("October"),
    N_("November"),
    N_("December"),
)

WEEKDAYS: Final = (
    N_("Monday"),
    N_("Tuesday"),
    N_("Wednesday"),
    N_("Thursday"),
    N_("Friday"),
    N_("Saturday"),
    N_("Sunday"),
)


@dataclass(frozen=True, slots=True)
class Due:
    """A deadline to show.

    Attributes:
        tone: plain, near (blue), today (yellow), late (red).
        text: how much is left, or how late it is.
        iso: the local instant for machines.
    """

    tone: Tone
    text: str
    iso: str


def day_words(day: date, today: date, language: Language) -> str:
    """A day: today, yesterday, or its date, with the year if it is another one."""
    if day == today:
        return translate(language, N_("today"))
    if day == today - timedelta(days=1):
        return translate(language, N_("yesterday"))
    return date_words(day, today, language)


def date_words(day: date, today: date, language: Language) -> str:
    """A date, with the year if it is not this one."""
    month = translate(language, MONTHS[day.month - 1])
    if day.year == today.year:
        return translate(language, N_("{day} {month}"), day=day.day, month=month)
    return translate(language, N_("{day} {month} {year}"), day=day.day, month=month, year=day.year)


def long_day(instant: datetime, language: Language) -> str:
    """The local day with its weekday, for headings."""
    day = instant.astimezone(LOCAL_ZONE).date()
    return translate(
        language,
        N_("{weekday}, {date}"),
        weekday=translate(language, WEEKDAYS[day.weekday()]),
        date=date_words(day, day, language),
    )


def when(instant: datetime, now: datetime, language: Language) -> str:
    """An instant: ``today 10:36``, ``18 March 10:36``."""
    local = instant.astimezone(LOCAL_ZONE)
    day = day_words(local.date(), now.astimezone(LOCAL_ZONE).date(), language)
    return translate(language, N_("{day} {time}"), day=day, time=clock_time(instant))


def clock_time(instant: datetime) -> str:
    """The local time of day, ``10:36``."""
    return f"{instant.astimezone(LOCAL_ZONE):%H:%M}"


def iso(instant: datetime) -> str:
    """The local instant for ``<time datetime>``."""
    return instant.astimezone(LOCAL_ZONE).isoformat(timespec="minutes")


def due(deadline: datetime, now: datetime, near_days: int, language: Language) -> Due:
    """How a deadline stands; ``near_days`` is policy."""
    local = deadline.astimezone(LOCAL_ZONE)
    days = (local.date() - now.astimezone(LOCAL_ZONE).date()).days
    if deadline < now:
        late = (now - deadline).days
        if late:
            text = translate_plural(language, "{n} day late", "{n} days late", late)
        else:
            text = translate(language, N_("late since {time}"), time=when(deadline, now, language))
        return Due("red", text, iso(deadline))
    if days == 0:
        return Due("yellow", translate(language, N_("due today {time}"), time=clock_time(deadline)), iso(deadline))
    text = translate_plural(language, "{n} day left", "{n} days left", days)
    return Due("blue" if days <= near_days else "none", text, iso(deadline))


HOUR: Final = 3600
DAY: Final = 24 * HOUR


def span(start: datetime, end: datetime, language: Language) -> str:
    """How long something lasts or lasted, in its largest unit."""
    seconds = max(0, int((end - start).total_seconds()))
    if seconds >= DAY:
        return translate_plural(language, "{n} day", "{n} days", seconds // DAY)
    if seconds >= HOUR:
        return translate_plural(language, "{n} hour", "{n} hours", seconds // HOUR)
    return translate_plural(language, "{n} minute", "{n} minutes", max(1, seconds // 60))
