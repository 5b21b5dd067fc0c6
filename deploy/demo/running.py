"""A demo from its first port to its last log line."""

import signal
import socket
import time
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import httpx2
import typer

from deploy.demo.building import build, directory_of, move_ports
from deploy.demo.plan import FIRST_PORT, Plan, new_plan, read_plan
from deploy.demo.processes import Processes
from deploy.demo.record import FILE, remove_record, url_of, write_record
from node.accounts.roles import Role
from node.commands.terminal import complain, language, remark, say, show_table, word
from node.i18n import N_
from node.running import running_pid
from node.trouble import PortTaken, Trouble
from node.words import LEVELS

LINKED_WITHIN = 60.0
"""Seconds for all centers to start and link; on two cores it takes about ten."""

LOOK_AGAIN = 0.1
"""Seconds between two looks at a center that is starting."""

WATCH_EVERY = 0.5
"""Seconds between two looks at whether all processes live."""


class Interrupted(Exception):
    """Ctrl-C or SIGTERM."""


def run(
    directory: Path,
    *,
    county: str,
    townships: int,
    villages: int,
    port: int | None,
    cases: int,
    browser: bool,
) -> None:
    """Run a demo until it is interrupted.

    Args:
        directory: where everything of it lies; one that an earlier demo left goes on where that stopped.
        county: division code of the county.
        townships: how many.
        villages: how many in each.
        port: ports count up from here.
        cases: matters to play.
        browser: show the county's page.

    Raises:
        Trouble: a port is taken, a center runs already, or one ended before all were linked.
    """
    directory = directory.expanduser().absolute()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    remove_record(directory)
    plan, is_new = _plan(directory, county=county, townships=townships, villages=villages, port=port)
    _check_nothing_runs(directory, plan)
    processes = Processes()
    with _interruptible():
        try:
            began = time.monotonic()
            if is_new:
                say(N_("Making {n} centers in {directory} ..."), n=len(plan.centers), directory=str(directory))
            build(directory, plan, language(), lambda one: say(N_("  {name} {code}"), name=one.name, code=one.code))
            processes.start(directory, plan)
            _wait_until_linked(plan, processes)
            write_record(directory, plan, processes)
            _show(directory, plan, time.monotonic() - began)
            _play(plan, cases)
            if browser:
                _browse(url_of(plan.centers[0]))
            say(N_("The demo runs until you press Ctrl-C."))
            _watch(processes)
        except (Interrupted, KeyboardInterrupt):
            remark(N_("Stopping ..."))
        finally:
            _stop(directory, processes)


def _plan(directory: Path, *, county: str, townships: int, villages: int, port: int | None) -> tuple[Plan, bool]:
    """The plan of this directory, or a new one."""
    plan = read_plan(directory)
    if plan is None:
        plan = new_plan(county, townships=townships, villages=villages, first_port=port or FIRST_PORT)
        plan.write(directory)
        return plan, True
    is_new = not directory_of(directory, plan.centers[0].code).exists()
    if not is_new:
        say(N_("Going on with the demo in {directory}; its centers are what they were."), directory=str(directory))
    if port is not None and port != plan.centers[0].port:
        plan = plan.moved(port)
        if not is_new:
            move_ports(directory, plan)
        plan.write(directory)
    return plan, is_new


def _check_nothing_runs(directory: Path, plan: Plan) -> None:
    for one in plan.centers:
        pid = running_pid(directory_of(directory, one.code))
        if pid is not None:
            raise Trouble(
                N_("{name} of this demo runs already, as process {pid}. Stop it first."), name=one.name, pid=pid
            )
    for port in plan.ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise PortTaken(
                    N_("Port {port} is taken; this demo needs {first} to {last}. Name others with --port."),
                    port=port,
                    first=min(plan.ports),
                    last=max(plan.ports),
                ) from error


def _wait_until_linked(plan: Plan, processes: Processes) -> None:
    say(N_("Starting ..."))
    deadline = time.monotonic() + LINKED_WITHIN
    waiting = {one.code: one for one in plan.centers}
    with httpx2.Client(timeout=2, trust_env=False) as client:
        while waiting:
            for one in list(waiting.values()):
                if _linked(client, url_of(one)):
                    del waiting[one.code]
            for gone in processes.ended():
                complain(gone.last_words())
                raise Trouble(
                    N_("{name} ended at once (exit code {code}); its log is {file}."),
                    name=gone.center.name,
                    code=gone.process.returncode,
                    file=str(gone.log),
                )
            if time.monotonic() > deadline:
                raise Trouble(
                    N_("Not linked within {seconds} seconds: {names}. See center.log in their directories."),
                    seconds=round(LINKED_WITHIN),
                    names=[one.name for one in waiting.values()],
                )
            if waiting:
                time.sleep(LOOK_AGAIN)


def _linked(client: httpx2.Client, url: str) -> bool:
    try:
        answer = client.get(f"{url}/readyz")
        return answer.status_code == httpx2.codes.OK and answer.json().get("parent") == "linked"
    except (httpx2.HTTPError, ValueError):
        return False


def _show(directory: Path, plan: Plan, seconds: float) -> None:
    """The table of centers and logins."""
    typer.echo()
    show_table(
        [N_("Name"), N_("Level"), N_("Code"), N_("Address"), N_("Broker")],
        [
            [
                one.name,
                word(LEVELS.get(one.level, one.level)),
                one.code,
                url_of(one),
                None if one.broker_port is None else f"nats://127.0.0.1:{one.broker_port}",
            ]
            for one in plan.centers
        ],
    )
    typer.echo()
    users = plan.centers[0].users
    say(
        N_("Sign in anywhere as {names}; the password is {password}"),
        names=[user.username for user in users.values()],
        password=users[Role.admin].password,
    )
    say(
        N_("All are linked after {seconds} s. Details are in {file}."),
        seconds=f"{seconds:.1f}",
        file=str(directory / FILE),
    )
    typer.echo()


def _play(plan: Plan, cases: int) -> None:
    if cases <= 0:
        return
    from deploy.demo.stories import play  # noqa: PLC0415 - not every start plays

    play(plan, cases)


def _browse(url: str) -> None:
    with suppress(webbrowser.Error):
        webbrowser.open(url)


def _watch(processes: Processes) -> None:
    """Report every center that ends; go on with the others."""
    while True:
        for gone in processes.ended():
            complain(
                word(
                    N_("{name} ended (exit code {code}). It is not started again; you can, with: {argv}"),
                    name=gone.center.name,
                    code=gone.process.returncode,
                    argv=" ".join(gone.argv),
                )
            )
        time.sleep(WATCH_EVERY)


def _stop(directory: Path, processes: Processes) -> None:
    """Stop everything; a second Ctrl-C does not interrupt this."""
    with _ignoring_signals():
        remove_record(directory)
        for one in processes.stop():
            complain(word(N_("{name} did not stop and was killed."), name=one.center.name))


Handler = Callable[[int, FrameType | None], object] | int | None
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


@contextmanager
def _interruptible() -> Iterator[None]:
    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise Interrupted

    with _handled(interrupt):
        yield


@contextmanager
def _ignoring_signals() -> Iterator[None]:
    with _handled(signal.SIG_IGN):
        yield
