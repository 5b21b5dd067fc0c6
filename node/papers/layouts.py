"""How the templates of the forms are laid out (``node.papers.forms`` says which there are).

Loads python-docx and lxml, 12 MB: imported where a paper is filled, not where a center starts.
"""

from collections.abc import Callable
from typing import Final

from docx.shared import Pt

from node.papers.sheet import CENTER, RIGHT, Sheet

MEDIATORS: Final = "调解员{% if mediators %}（{{ mediators }}）{% endif %}"


def _cover(sheet: Sheet) -> None:
    sheet.space(2)
    sheet.line("{{ center }}", align=CENTER, bold=True)
    sheet.title("人民调解卷宗", size=Pt(36), space=48)
    sheet.grid(
        [
            ["卷　　名", "{{ title }}"],
            ["纠纷类型", "{{ category }}", "风险等级", "{{ grade }}"],
            ["当事人", "{{ names }}"],
            ["年　　度", "{{ year }}", "卷　　号", "{{ number }}"],
            ["调解员", "{{ mediators }}", "处理结果", "{{ outcome }}"],
            ["受理日期", "{{ registered_on }}", "结案日期", "{{ ended_on }}"],
            ["立卷人", "{{ archivist }}", "立卷日期", "{{ archived_on }}"],
            ["保管期限", "{{ retention }}", "备　　注", ""],
        ],
        (1.1, 2.3, 1.1, 2.3),
    )
    sheet.page_end()
    sheet.title("卷内目录")
    sheet.listing(
        ("序号", "文书名称", "有无", "页次"),
        "one in contents",
        ("{{ one.number }}", "{{ one.title }}", "{{ one.there }}", "{{ one.pages }}"),
        (0.8, 5, 1, 1.2),
    )


def _people(sheet: Sheet, loop: str, label: str) -> None:
    sheet.control(f"for one in {loop}")
    sheet.grid(
        [
            [label, "{{ one.name }}", "联系电话", "{{ one.phone }}"],
            ["身份证号", "{{ one.id_number }}"],
            ["住　　址", "{{ one.address }}"],
        ],
        (1.1, 2.3, 1.1, 2.3),
    )
    sheet.control("endfor")


def _application(sheet: Sheet) -> None:
    sheet.title("人民调解申请书")
    _people(sheet, "applicants", "申请人")
    _people(sheet, "respondents", "被申请人")
    sheet.line("纠纷简要情况：", bold=True)
    sheet.text("{{ description }}")
    sheet.space()
    sheet.line("当事人申请事项：", bold=True)
    sheet.space(3)
    sheet.text("特申请{{ center }}予以调解。")
    sheet.signatures("申请人")


def _acceptance(sheet: Sheet) -> None:
    sheet.title("人民调解受理登记表")
    sheet.line("编号：{{ number }}", align=RIGHT)
    sheet.grid(
        [
            ["登记时间", "{{ registered_on }}", "受理时间", "{{ accepted_on }}"],
            ["纠纷名称", "{{ title }}"],
            ["纠纷类型", "{{ category }}", "案件来源", "{{ source }}"],
            ["发生地点", "{{ place }}", "发生时间", "{{ occurred_on }}"],
            ["风险等级", "{{ grade }}", "承办人", "{{ handler }}"],
        ],
        (1.1, 2.3, 1.1, 2.3),
    )
    sheet.listing(
        ("当事人", "身份", "联系电话", "住址"),
        "one in parties",
        ("{{ one.name }}", "{{ one.role }}", "{{ one.phone }}", "{{ one.address }}"),
        (1.4, 1.2, 1.6, 2.8),
    )
    sheet.grid(
        [["纠纷简要情况", "{{ description }}"], ["登记人", "{{ registrar }}"]],
        (1.1, 5.7),
        tall=(0,),
    )
    sheet.signatures("当事人", "登记人")


RIGHTS: Final = (
    "一、人民调解委员会调解民间纠纷，不收取任何费用。",
    (
        "二、当事人在调解活动中享有下列权利：选择或者接受人民调解员；接受调解、拒绝调解或者要求终止调解；"
        "要求调解公开进行或者不公开进行；自主表达意愿、自愿达成调解协议。"
    ),
    "三、当事人在调解活动中履行下列义务：如实陈述纠纷事实；遵守调解现场秩序，尊重人民调解员；尊重对方当事人行使权利。",
    "四、经调解达成的调解协议具有法律约束力，当事人应当按照约定履行。",
    "五、双方当事人认为有必要的，可以自调解协议生效之日起三十日内共同向人民法院申请司法确认。",
    "六、调解不成的，当事人可以依法通过仲裁、行政、司法等途径维护自己的权利。",
)
"""人民调解法 §4, §23, §24, §26, §31, §33."""


def _notice(sheet: Sheet) -> None:
    sheet.title("人民调解当事人权利义务告知书")
    sheet.line("编号：{{ number }}", align=RIGHT)
    sheet.text("{{ names }}：")
    sheet.text(
        "你们因“{{ title }}”向{{ center }}申请调解。根据《中华人民共和国人民调解法》，现将有关权利和义务告知如下："
    )
    for right in RIGHTS:
        sheet.text(right)
    sheet.text("以上内容已告知，我们已经知悉。")
    sheet.signatures("当事人", "调解员")


def _pasted(title: str, loop: str, told: str) -> Callable[[Sheet], None]:
    """A sheet to which copies are pasted, with what was filed for this part."""

    def lay_out(sheet: Sheet) -> None:
        sheet.title(title)
        sheet.line("编号：{{ number }}　　当事人：{{ names }}")
        sheet.listing(
            ("归卷日期", "材料说明", "页数", "经办人"),
            f"one in {loop}",
            ("{{ one.day }}", "{{ one.note }}", "{{ one.pages }}", "{{ one.by }}"),
            (1.8, 3.6, 0.8, 1.4),
        )
        sheet.space()
        sheet.line(told, align=CENTER)

    return lay_out


def _authorisation(sheet: Sheet) -> None:
    sheet.title("授权委托书")
    _people(sheet, "applicants", "委托人")
    sheet.grid(
        [
            ["受委托人", "", "联系电话", ""],
            ["身份证号", ""],
            ["与委托人关系", ""],
        ],
        (1.1, 2.3, 1.1, 2.3),
    )
    sheet.text("委托人因“{{ title }}”一事，现委托上列受委托人参加{{ center }}组织的调解。")
    sheet.line("委托权限：", bold=True)
    sheet.line("□ 一般授权：参加调解，陈述事实，提供证据。")
    sheet.line("□ 特别授权：代为承认、放弃、变更请求，代为达成并签署调解协议。")
    sheet.line("委托期限：自　　　　年　　月　　日至调解终结。")
    sheet.signatures("委托人", "受委托人")


def _between_pages(sheet: Sheet) -> None:
    sheet.control("if not loop.last")
    sheet.page_end()
    sheet.control("endif")


def _inquiry(sheet: Sheet) -> None:
    sheet.control("for one in inquiries")
    sheet.title("人民调解调查记录")
    sheet.grid(
        [
            ["时　　间", "{{ one.day }}"],
            ["地　　点", "{{ one.place }}"],
            ["调查人", "{{ one.inquirers }}", "记录人", "{{ one.recorder }}"],
            ["被调查人", "{{ one.asked }}", "编　　号", "{{ number }}"],
            ["调查记录", "{{ one.text }}"],
        ],
        (1.1, 2.3, 1.1, 2.3),
        tall=(4,),
    )
    sheet.signatures("被调查人", "调查人", "记录人")
    _between_pages(sheet)
    sheet.control("endfor")


def _mediation(sheet: Sheet) -> None:
    sheet.control("for one in sessions")
    sheet.title("人民调解记录")
    sheet.grid(
        [
            ["编　　号", "{{ number }}", "第　　次", "{{ loop.index }}"],
            ["时　　间", "{{ one.day }}"],
            ["地　　点", "{{ one.place }}"],
            ["调解员", "{{ one.mediators }}", "记录人", "{{ one.recorder }}"],
            ["参加人", "{{ one.participants }}"],
            ["调解记录", "{{ one.summary }}"],
            ["调解结果", "{{ one.outcome }}"],
        ],
        (1.1, 2.3, 1.1, 2.3),
        tall=(5,),
    )
    sheet.signatures("当事人", "调解员", "记录人")
    _between_pages(sheet)
    sheet.control("endfor")


def _terms(sheet: Sheet) -> None:
    sheet.listing(
        ("序号", "履行内容", "金额", "履行期限", "履行人"),
        "one in terms",
        ("{{ one.number }}", "{{ one.text }}", "{{ one.amount }}", "{{ one.due_on }}", "{{ one.by }}"),
        (0.7, 3, 1.2, 1.7, 1.2),
    )


def _agreement(sheet: Sheet) -> None:
    sheet.title("人民调解协议书")
    sheet.line("编号：{{ number }}", align=RIGHT)
    _people(sheet, "parties", "当事人")
    sheet.line("纠纷主要事实、争议事项：", bold=True)
    sheet.text("{{ description }}")
    sheet.line("经调解，自愿达成如下协议：", bold=True)
    sheet.text("{{ agreement }}")
    sheet.line("履行方式、时限：", bold=True)
    _terms(sheet)
    sheet.text("协议应于下列日期前履行完毕：{{ due_on }}")
    sheet.text(
        "本协议一式　　份，当事人、{{ center }}各持一份。双方可以自本协议生效之日起三十日内，"
        "共同向人民法院申请司法确认。"
    )
    sheet.text("共同调处单位会签：{{ countersigned }}")
    sheet.signatures("当事人", MEDIATORS, "{{ center }}", day="{{ agreed_on }}")


def _oral_agreement(sheet: Sheet) -> None:
    sheet.title("人民调解口头协议登记表")
    sheet.line("编号：{{ number }}", align=RIGHT)
    _people(sheet, "parties", "当事人")
    sheet.grid(
        [
            ["纠纷事实", "{{ description }}"],
            ["协议内容", "{{ agreement }}"],
            ["履行期限", "{{ due_on }}"],
        ],
        (1.1, 5.7),
        tall=(0, 1),
    )
    _terms(sheet)
    sheet.signatures(MEDIATORS, "记录人", day="{{ agreed_on }}")


def _fulfilment(sheet: Sheet) -> None:
    sheet.title("调解协议履行凭证")
    sheet.line("编号：{{ number }}　　当事人：{{ names }}")
    sheet.listing(
        ("序号", "履行内容", "金额", "约定期限", "履行日期", "说明"),
        "one in terms",
        (
            "{{ one.number }}",
            "{{ one.text }}",
            "{{ one.amount }}",
            "{{ one.due_on }}",
            "{{ one.fulfilled_on }}",
            "{{ one.note }}",
        ),
        (0.7, 2.4, 1.1, 1.5, 1.5, 1.5),
    )
    sheet.space()
    sheet.line("（收条、转账凭证等粘贴处）", align=CENTER)
    sheet.space(6)
    sheet.signatures("收款人（权利人）", "调解员")


def _visit(sheet: Sheet) -> None:
    sheet.control("for one in visits")
    sheet.title("人民调解回访记录")
    sheet.grid(
        [
            ["编　　号", "{{ number }}", "第　　次", "{{ loop.index }}"],
            ["回访事由", "{{ title }}"],
            ["回访时间", "{{ one.day }}"],
            ["回访方式", "{{ one.method }}", "回访人", "{{ one.visitor }}"],
            ["被回访人", "{{ names }}"],
            ["协议履行", "{{ one.fulfilled }}", "是否满意", "{{ one.satisfied }}"],
            ["新的隐患", "{{ one.danger }}"],
            ["回访情况", "{{ one.note }}"],
        ],
        (1.1, 2.3, 1.1, 2.3),
        tall=(7,),
    )
    sheet.signatures("被回访人", "回访人")
    _between_pages(sheet)
    sheet.control("endfor")


def _confirmation(sheet: Sheet) -> None:
    sheet.title("司法确认申请书")
    _people(sheet, "parties", "申请人")
    sheet.line("请求事项：", bold=True)
    sheet.text("请求人民法院依法确认{{ center }}于{{ agreed_on }}主持达成的调解协议（编号：{{ number }}）有效。")
    sheet.line("事实和理由：", bold=True)
    sheet.text("申请人因“{{ title }}”发生纠纷，经调解自愿达成如下协议：")
    sheet.text("{{ agreement }}")
    sheet.text(
        "申请人保证：出于解决纠纷的目的自愿达成协议，没有恶意串通、规避法律的行为；"
        "如果因为该协议内容给他人造成损害，愿意承担相应的民事责任和其他法律责任。"
    )
    sheet.line("此致")
    sheet.line("________________人民法院")
    sheet.signatures("申请人", "申请人")


def _explanation(sheet: Sheet) -> None:
    sheet.title("卷宗情况说明")
    sheet.line("编号：{{ number }}")
    sheet.text("{{ explanation }}")
    sheet.space(6)
    sheet.signatures("立卷人{% if archivist %}（{{ archivist }}）{% endif %}", day="{{ archived_on }}")


def _back_cover(sheet: Sheet) -> None:
    sheet.space(8)
    sheet.title("卷宗封底", space=36)
    sheet.grid(
        [
            ["卷　　号", "{{ number }}"],
            ["本卷共", "　　　　页"],
            ["立卷人", "{{ archivist }}"],
            ["检查人", ""],
            ["归档日期", "{{ archived_on }}"],
            ["保管期限", "{{ retention }}"],
        ],
        (1.2, 4),
    )


LAYOUTS: Final[dict[str, Callable[[Sheet], None]]] = {
    "cover": _cover,
    "application": _application,
    "acceptance": _acceptance,
    "notice": _notice,
    "identity": _pasted("当事人身份证明", "identity", "（身份证件复印件粘贴处）"),
    "authorisation": _authorisation,
    "inquiry": _inquiry,
    "evidence": _pasted("证据材料", "evidence", "（证据材料粘贴处）"),
    "mediation": _mediation,
    "agreement": _agreement,
    "oral_agreement": _oral_agreement,
    "fulfilment": _fulfilment,
    "visit": _visit,
    "confirmation": _confirmation,
    "explanation": _explanation,
    "back_cover": _back_cover,
}
"""By the form's name."""
