"""What the matters of a demo are about: one or two of each category. People, places and facts are made up."""

from dataclasses import dataclass

from protocol.codes import Category, Grade, Source


@dataclass(frozen=True)
class Matter:
    """A made-up matter; ``{a}`` and ``{b}`` are the parties, ``{place}`` is where it happened.

    Attributes:
        category: its type.
        title: one line, without names: invited centers see it.
        facts: what the applicant told.
        talk: what was said at the mediation.
        terms: what was agreed.
        source: where it came from.
        grade: its risk grade.
        spot: the place within the village.
    """

    category: Category
    title: str
    facts: str
    talk: str
    terms: str
    source: Source = Source.VISIT
    grade: Grade = Grade.LOW
    spot: str = "一组"


MATTERS: tuple[Matter, ...] = (
    Matter(
        Category.NEIGHBOURHOOD,
        "屋后排水沟堵塞发生争执",
        "{b}家翻修围墙时把砂石堆在共用排水沟旁，连日下雨后水倒灌进{a}家院子，双方言语冲突。",
        "到现场看了水沟走向，双方都承认砂石堆放不当、疏通不及时。",
        "{b}三日内清走砂石，双方各出一人疏通水沟，今后每年汛期前共同清理一次。",
        spot="三组",
    ),
    Matter(
        Category.FOREST_LAND,
        "核桃林地界纠纷",
        "两家核桃林相邻，界石在修机耕路时被移动，今年采收时双方都称边上六棵树是自己的。",
        "调阅林权证附图，请老组长指认旧界，与护林员一起拉线丈量。",
        "按旧水渠中线为界，靠东四棵归{a}，靠西两棵归{b}，重新埋设界石。",
        Source.GRID_WORKER,
        Grade.MEDIUM,
        "后山箐",
    ),
    Matter(
        Category.MARRIAGE_FAMILY,
        "子女抚养费纠纷",
        "离婚协议约定每月抚养费八百元，{b}外出务工后连续五个月未付，{a}到中心求助。",
        "电话连线{b}，说明收入减少但愿意承担；妇联同志参加劝解。",
        "{b}本月先付两千元，其余分四个月补齐，今后每月十日前转账。",
        spot="五组",
    ),
    Matter(
        Category.MIGRANT_WAGES,
        "十二人被拖欠烤房建设工钱",
        "{b}承包烤房建设，完工后以工程款未结为由拖欠十二人工钱四万六千元，工人扬言要到县里讨要。",
        "核对考勤和记账本，联系发包方确认尚有尾款未付。",
        "发包方从尾款中直接支付工钱，{b}签字确认金额，十日内付清。",
        Source.HOTLINE,
        Grade.HIGH,
        "烤烟站",
    ),
    Matter(
        Category.HOUSING_HOMESTEAD,
        "宅基地通道纠纷",
        "{b}新砌围墙占去约四十公分，{a}家的三轮车无法通行，双方多次争吵。",
        "查看宅基地使用证并现场丈量，围墙确实超出批准范围。",
        "{b}将围墙后退五十公分，{a}补助拆除工钱八百元。",
        spot="二组",
    ),
    Matter(
        Category.TRAFFIC,
        "摩托车碰撞赔偿纠纷",
        "赶街天两人在路口碰撞，{a}小腿骨裂，交警认定{b}负主要责任，双方对误工费说不拢。",
        "按责任认定书逐项核算医疗费、误工费和护理费。",
        "{b}赔偿共计九千二百元，当场支付三千元，余款两个月内付清。",
        Source.POLICE,
        Grade.MEDIUM,
        "集市路口",
    ),
    Matter(
        Category.CONTRACT,
        "土地流转租金纠纷",
        "{b}租地种植大蒜，以价格下跌为由要求减少今年租金，{a}不同意。",
        "细读合同，没有价格变动减租的约定；了解到{b}确有亏损。",
        "租金照合同支付，{a}同意后半年租金延到明年二月底付，不计利息。",
        spot="大田坝",
    ),
    Matter(
        Category.EXPROPRIATION,
        "对道路扩建补偿面积有异议",
        "乡村公路扩建占用{a}家菜地，测量面积比自家量的少零点三亩，{a}拒绝签字。",
        "请自然资源所到场复测，{a}和施工方{b}都在场见证。",
        "以复测面积为准，补差额部分的补偿款十五日内到账。",
        Source.PETITION,
        Grade.HIGH,
        "公路沿线",
    ),
    Matter(
        Category.ENVIRONMENT,
        "反映养猪场气味扰民",
        "{b}的养猪场离最近的住户不足一百米，夏天气味难闻、蚊蝇多，{a}等八户联名反映。",
        "会同农业综合服务中心查看粪污处理设施，缺少密闭发酵池。",
        "{b}两个月内建好发酵池，期间每天清运，由村民代表监督。",
        Source.INSPECTION,
        Grade.MEDIUM,
        "四组",
    ),
    Matter(
        Category.DAMAGES,
        "秧苗被牛踩坏",
        "{b}家的黄牛夜间脱缰，踩坏{a}家约半亩秧苗，双方对损失估计不一。",
        "请两位种粮大户估损，折算补种人工和秧苗钱。",
        "{b}赔偿六百元并帮工补栽一天，今后夜间拴牢牲口。",
        spot="河边田",
    ),
    Matter(
        Category.PRODUCTION_BUSINESS,
        "争用灌溉水纠纷",
        "栽插季节水库放水，下游{a}称上游{b}私自加高闸板截水，险些动手。",
        "会同水管员查看闸口，确定轮灌顺序。",
        "按轮灌表放水，任何一方不得动闸板，由水管员上锁管理。",
        Source.GRID_WORKER,
        Grade.MEDIUM,
        "支渠三号闸",
    ),
    Matter(
        Category.CONSUMER_OTHER,
        "购买的复合肥疑似以次充好",
        "{a}从{b}的农资店买了二十包复合肥，施后苗黄，要求退赔。",
        "查看包装和进货单，送检一包，市场监管所参加。",
        "未用的十一包退货退款，已用部分按半价补偿。",
        Source.HOTLINE,
        Grade.LOW,
        "农资店",
    ),
    Matter(
        Category.LABOUR_OTHER,
        "砖厂受伤的医疗费纠纷",
        "{a}在砖厂搬运时砸伤脚趾，{b}只付了门诊费，拒付后续治疗费。",
        "讲解工伤有关规定，核对医疗票据。",
        "{b}承担全部医疗费并支付一个月误工费，共四千八百元。",
        Source.DEPARTMENT,
        Grade.MEDIUM,
        "砖厂",
    ),
    Matter(
        Category.MEDICAL,
        "对卫生室输液后过敏处理有意见",
        "{a}在村卫生室输液后出现皮疹，认为{b}询问过敏史不细，要求说法。",
        "卫生院派人参加，复核病历和用药记录，属一般过敏反应。",
        "卫生室当面致歉并承担复查费用，完善过敏史登记。",
        spot="村卫生室",
    ),
    Matter(
        Category.TOURISM,
        "投诉农家乐临时加价",
        "{a}一家预订的价格与到店价格不一致，{b}称节日加价，双方争执。",
        "查看订单截图，预订时没有提示节日加价。",
        "{b}退还差价二百六十元，并在订单页面注明节日价格。",
        Source.HOTLINE,
        spot="水目山脚",
    ),
    Matter(
        Category.E_COMMERCE,
        "网购农产品退款纠纷",
        "{a}网购土蜂蜜，认为掺糖要求退款，{b}称已拆封不退。",
        "双方提供聊天记录，{b}承认检测报告过期。",
        "{b}退款退货，运费各半，重新送检后再上架。",
        spot="电商服务站",
    ),
    Matter(
        Category.PROPERTY_MANAGEMENT,
        "住户对物业停车收费不满",
        "小区改为收费停车，事先没有征求意见，{a}等住户堵住出入口。",
        "社区召集业主代表和物业开会，核对委托合同。",
        "暂停收费一个月，由业主大会表决收费标准。",
        Source.INSPECTION,
        Grade.MEDIUM,
        "移民小区",
    ),
    Matter(
        Category.OTHER,
        "因迁坟风水之说发生争执",
        "{b}家迁坟挖土靠近{a}家祖坟，{a}认为坏了风水，两个家族聚集。",
        "请两个家族长辈分别劝说，现场划出间距。",
        "新坟后移十米，{b}家恢复植被，双方不再提旧事。",
        Source.GRID_WORKER,
        Grade.HIGH,
        "东山坟地",
    ),
)
