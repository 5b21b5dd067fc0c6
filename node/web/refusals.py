"""Refusals in words for people: codes become words of the field, centers are called by their names."""

import re

from node.center import Center
from node.i18n import Language, translate
from node.problems import Problem
from node.words import place_name, spoken
from protocol.codes import CODE_PATTERN


def refusal_text(problem: Problem, center: Center, language: Language) -> str:
    """Why it was refused."""
    if type(problem).document is not Problem.document:
        return str(problem.document(language)["detail"])
    places = {name: _named(center, value) for name, value in problem.members.items()}
    return translate(language, problem.detail, **spoken(language, places))


def _named(center: Center, value: object) -> object:
    """The name of a center instead of its code, alone or in a list."""
    if isinstance(value, list):
        return [_named(center, item) for item in value]
    if isinstance(value, str) and re.match(CODE_PATTERN, value):
        return place_name(center.directory.tree.name(value))
    return value
