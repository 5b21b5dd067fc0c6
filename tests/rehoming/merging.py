"""A village that is merged into another one, with cases in all states."""

from node.rehoming.deciding import merge, merge_progress
from tests.cases.scene import FAR_VILLAGE, FOUR, OTHER_VILLAGE, SESSION, TOWN, VILLAGE, Scene
from tests.rehoming.books import holders, in_flight, until

OLD, NEW = VILLAGE, OTHER_VILLAGE


def merged(scene: Scene, old: str = OLD, new: str = NEW, at: str = TOWN) -> None:
    """Decide, and wait until all is done."""
    merge(scene[at].center, old, new)
    gone_over(scene, old)


def gone_over(scene: Scene, old: str = OLD) -> None:
    """Wait until the old center has nothing any more and everybody knows the successor."""

    def done() -> bool:
        known = all(desk.center.directory.tree.retired(old) for desk in scene if desk.member.running)
        return known and old not in holders(scene).values() and not in_flight(scene)

    until(scene, done)
    scene.settle()


def settled(scene: Scene, old: str = OLD) -> bool:
    """Whether the old center's parent knows that everything has gone over."""
    center = scene[TOWN].center
    with center.database.read() as session:
        return merge_progress(center, session, old).finished


def lives(scene: Scene) -> dict[str, str]:
    """Twelve cases in all states, by what became of them."""
    old, new, town = scene[OLD], scene[NEW], scene.town
    cases = {
        name: old.registers(title=name)
        for name in (
            "registered",
            "accepted",
            "mediating",
            "agreed",
            "failed",
            "closed",
            "withdrawn",
            "escalated",
            "given back",
            "joint lead",
        )
    }
    for name in ("accepted", "mediating", "agreed", "failed", "closed", "escalated"):
        old.does(cases[name], "accept")
    for name in ("mediating", "agreed", "failed", "closed", "escalated"):
        old.does(cases[name], "mediations", **SESSION)
    for name in ("agreed", "closed"):
        old.does(cases[name], "agree", agreement="各让一步")
    old.does(cases["failed"], "fail", reason="谈不拢")
    old.does(cases["closed"], "close")
    old.does(cases["withdrawn"], "withdraw", reason="自行和解")
    old.does(cases["escalated"], "escalate", reason="超出能力")
    old.does(cases["given back"], "escalate", reason="涉及邻镇", triggers=["crosses_villages"])
    old.does(cases["joint lead"], "joint", partners=[FAR_VILLAGE], reason="跨界")
    cases["assigned"] = town.registers(title="assigned")
    town.does(cases["assigned"], "assign", to=OLD, **FOUR)
    cases["joint partner"] = new.registers(title="joint partner")
    new.does(cases["joint partner"], "joint", partners=[OLD], reason="跨村")
    scene.settle()
    town.does(cases["given back"], "assign", to=OLD, **FOUR)
    scene[FAR_VILLAGE].asks(cases["joint lead"], "joint/accept", members=[])
    old.asks(cases["joint partner"], "joint/accept", members=[])
    scene.settle()
    return cases
