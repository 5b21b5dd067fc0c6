"""Matters for measuring: seeded, in the words of a village, with lengths and variety as in real ones."""

import random
from collections.abc import Callable

from node.cases.inputs import MediationInput, NoteInput
from node.cases.service import Registration
from node.clock import SystemClock
from protocol.codes import Category
from protocol.entries import Party

_SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎"
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红梅建国志文斌金凤翠莲家福永昌德贵春生荣光"
_WHERE = ("上村", "下村", "小营", "大沟边", "老街子", "水井湾", "石桥头", "松坪", "营盘山", "晒谷场", "河尾", "后山")
_WHAT = (
    "灌溉水渠放水先后",
    "宅基地滴水檐位置",
    "承包地田埂被挖占",
    "牛踩坏烟苗赔偿",
    "合伙修路摊派费用",
    "邻居夜间加工噪音",
    "山林界桩移动",
    "外嫁女土地份额",
    "借款到期未还",
    "老人赡养轮流照料",
)
_SAID = (
    "双方各自陈述了经过",
    "到现场丈量并拍照",
    "核对了土地承包证上的四至",
    "一方情绪激动，已劝回",
    "约定三日内再谈",
    "请村民小组长作证",
    "愿意让出一尺，但要求先清淤",
    "提出赔偿{n}元，对方未同意",
    "赔偿数额由{n}元降到{m}元",
    "查看了{y}年的调解协议",
    "电话联系在外务工的儿子",
    "向司法所询问了类似案件",
    "天黑前恢复了通水",
    "暂由网格员每日巡看",
)

Give = NoteInput | MediationInput


class Matters:
    """Makes matters and what is written about them; the same seed makes the same."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - repeatable figures, no secrets
        self._now = SystemClock().now()

    def registration(self) -> Registration:
        """A matter as it is registered."""
        where = self._random.choice(_WHERE)
        return Registration(
            title=f"{where}{self._random.choice(_WHAT)}纠纷",
            category=self._random.choice(list(Category)),
            place=f"{where}{self._random.randint(1, 180)}号旁",
            parties=(Party(name=self._name(), phone=self._phone()), Party(name=self._name())),
            description=self._text(4),
            occurred_at=self._now,
        )

    def act(self) -> tuple[str, Give]:
        """What a mediator writes: a note, or now and then a mediation."""
        makers: list[Callable[[], tuple[str, Give]]] = [self._note, self._note, self.mediation]
        return self._random.choice(makers)()

    def mediation(self) -> tuple[str, MediationInput]:
        """A mediation session."""
        given = MediationInput(
            held_at=self._now, place="村委会调解室", mediators=[self._name()], summary=self._text(5), outcome="待续"
        )
        return "mediations", given

    def choose(self, among: int) -> int:
        """A number from 0 on."""
        return self._random.randrange(among)

    def _note(self) -> tuple[str, NoteInput]:
        return "notes", NoteInput(text=self._text(7))

    def _text(self, sentences: int) -> str:
        said = self._random.sample(_SAID, sentences)
        numbers = {"n": self._random.randint(300, 9000), "m": self._random.randint(100, 300)}
        return f"{self._name()}：" + "；".join(said).format(y=self._random.randint(1998, 2024), **numbers) + "。"

    def _name(self) -> str:
        return self._random.choice(_SURNAMES) + "".join(self._random.sample(_GIVEN, self._random.randint(1, 2)))

    def _phone(self) -> str:
        return f"1{self._random.randint(3_000_000_000, 9_999_999_999)}"
