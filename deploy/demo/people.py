"""The API of a demo's centers as its people use it: everybody signs in with their own account."""

import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx2

from deploy.demo.plan import Plan, PlannedCenter
from deploy.demo.record import url_of
from node.accounts.roles import Role
from node.i18n import N_
from node.trouble import Trouble
from node.web.policy_page import values_of
from protocol.policy import Policy

ARRIVES_WITHIN = 20.0
"""Seconds for something to arrive at another center; it takes a tenth of one."""

LOOK_AGAIN = 0.1

Case = dict[str, Any]
"""A case as the API shows it."""


class Refusal(Trouble):
    """A center refused what a story wanted."""


class People:
    """Everybody in one demo.

    Args:
        plan: the demo.
        client: talks to all its centers.
    """

    def __init__(self, plan: Plan, client: httpx2.Client) -> None:
        self.plan = plan
        self._client = client
        self._tokens: dict[tuple[str, Role], str] = {}

    def do(self, center: PlannedCenter, role: Role, path: str, given: dict[str, Any] | None = None) -> Case:
        """POST as somebody of this role; once, however often the network makes us send it.

        Raises:
            Refusal: the center says no.
        """
        return self._answer(
            self._client.post(
                f"{url_of(center)}/api/v1/{path}",
                json=given or {},
                headers={"Authorization": f"Bearer {self._token(center, role)}", "Idempotency-Key": str(uuid.uuid4())},
            ),
            center,
        )

    def set_rules(self, center: PlannedCenter, rules: dict[str, Any]) -> None:
        """Set the rules of a center and all below it, by the form of its page; what is not named stays as it is.

        Raises:
            Refusal: the center says no.
        """
        user, url = center.users[Role.director], url_of(center)
        with httpx2.Client(base_url=url, trust_env=False, headers={"Accept": "text/html", "Origin": url}) as browser:
            browser.post("/login", data={"username": user.username, "password": user.password})
            answer = browser.post("/policy", data={**values_of(Policy()), **rules})
        if answer.status_code != httpx2.codes.SEE_OTHER:
            raise Refusal(N_("{name} refused: {reason}"), name=center.name, reason=f"HTTP {answer.status_code}")

    def see(self, center: PlannedCenter, case_id: str) -> Case | None:
        """The case as this center sees it; None if it does not."""
        answer = self._client.get(
            f"{url_of(center)}/api/v1/cases/{case_id}",
            headers={"Authorization": f"Bearer {self._token(center, Role.director)}"},
        )
        return None if answer.status_code == httpx2.codes.NOT_FOUND else self._answer(answer, center)

    def until(self, center: PlannedCenter, case_id: str, condition: Callable[[Case], bool]) -> Case:
        """Wait until the case looks so from this center.

        Raises:
            Refusal: it does not.
        """
        deadline = time.monotonic() + ARRIVES_WITHIN
        while time.monotonic() < deadline:
            case = self.see(center, case_id)
            if case is not None and condition(case):
                return case
            time.sleep(LOOK_AGAIN)
        raise Refusal(N_("{name}: what was expected did not arrive."), name=center.name)

    def held(self, center: PlannedCenter, case_id: str) -> Case:
        """Wait until this center holds the case."""
        return self.until(center, case_id, lambda case: case["holder"] == center.code)

    def _token(self, center: PlannedCenter, role: Role) -> str:
        key = (center.code, role)
        if key not in self._tokens:
            user = center.users[role]
            credentials = {"username": user.username, "password": user.password}
            answer = self._client.post(f"{url_of(center)}/api/v1/login", json=credentials)
            self._tokens[key] = str(self._answer(answer, center)["token"])
        return self._tokens[key]

    def _answer(self, answer: httpx2.Response, center: PlannedCenter) -> Case:
        try:
            document = answer.json()
        except ValueError:
            document = None
        if answer.is_success and isinstance(document, dict):
            return document
        detail = document.get("detail") if isinstance(document, dict) else None
        raise Refusal(
            N_("{name} refused: {reason}"), name=center.name, reason=str(detail or f"HTTP {answer.status_code}")
        )
