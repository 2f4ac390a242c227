"""Functions that do not exist, made up of verbs, nouns and parameters, with the words that ask for them.

Knows which of them are kept for the evaluation; knows nothing of chat templates.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from seedling import words
from seedling.functions import Parameter, held_names

VERBS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("get", ("get", "show me", "tell me", "give me", "what is", "I need"), "查询"),
    ("find", ("find", "look for", "find me"), "查找"),
    ("search", ("search for", "search"), "搜索"),
    ("list", ("list", "show me", "give me a list of"), "列出"),
    ("create", ("create", "make", "set up"), "创建"),
    ("delete", ("delete", "remove", "get rid of"), "删除"),
    ("update", ("update", "change", "modify"), "更新"),
    ("send", ("send", "send out"), "发送"),
    ("book", ("book", "reserve"), "预订"),
    ("cancel", ("cancel", "call off"), "取消"),
    ("check", ("check", "have a look at", "verify"), "检查"),
    ("set", ("set", "adjust"), "设置"),
    ("start", ("start", "begin", "launch"), "启动"),
    ("stop", ("stop", "halt", "end"), "停止"),
    ("add", ("add", "put in"), "添加"),
    ("calculate", ("calculate", "work out", "compute"), "计算"),
    ("convert", ("convert", "change"), "转换"),
    ("download", ("download", "fetch"), "下载"),
    ("upload", ("upload",), "上传"),
    ("order", ("order", "buy"), "订购"),
    ("open", ("open",), "打开"),
    ("close", ("close", "shut"), "关闭"),
    ("print", ("print",), "打印"),
    ("rename", ("rename",), "重命名"),
    ("archive", ("archive",), "归档"),
    ("measure", ("measure",), "测量"),
    ("approve", ("approve",), "批准"),
    ("assign", ("assign",), "分配"),
    ("repair", ("repair", "fix", "mend"), "修理"),
    ("rent", ("rent", "hire"), "租用"),
    ("sell", ("sell",), "出售"),
    ("move", ("move", "shift"), "移动"),
    ("copy", ("copy", "duplicate"), "复制"),
    ("share", ("share",), "分享"),
    ("lock", ("lock",), "锁定"),
    ("scan", ("scan",), "扫描"),
    ("test", ("test", "try out"), "测试"),
    ("plan", ("plan", "schedule"), "计划"),
    ("pause", ("pause", "suspend"), "暂停"),
    ("resume", ("resume", "go on with"), "继续"),
    ("renew", ("renew", "extend"), "续订"),
    ("compare", ("compare",), "比较"),
    ("count", ("count", "tell me how many there are of"), "统计"),
    ("sort", ("sort", "order"), "排序"),
    ("merge", ("merge", "join"), "合并"),
    ("split", ("split", "divide"), "拆分"),
    ("publish", ("publish", "post"), "发布"),
    ("translate", ("translate",), "翻译"),
    ("watch", ("watch", "monitor", "keep an eye on"), "监控"),
    ("clean", ("clean", "clean up"), "清理"),
    ("charge", ("charge", "load"), "充电"),
    ("register", ("register", "sign up"), "登记"),
    ("report", ("report",), "上报"),
    ("review", ("go through", "inspect"), "查看"),
    ("return", ("return", "give back"), "退还"),
    ("pay", ("pay", "pay for"), "支付"),
    ("sign", ("sign",), "签署"),
    ("reset", ("reset", "restore"), "重置"),
    ("load", ("load", "read in"), "加载"),
    ("export", ("export", "save"), "导出"),
    ("import", ("import", "take in"), "导入"),
    ("inspect", ("inspect", "look at"), "查看"),
    ("collect", ("collect", "pick up", "fetch"), "收集"),
    ("deliver", ("deliver", "bring"), "派送"),
)
NOUNS: tuple[tuple[str, str], ...] = tuple(
    (entry.split("=")[0].strip(), entry.split("=")[1].strip())
    for entry in """invoice=发票|report=报告|account=账户|document=文档|image=图片|video=视频|playlist=歌单|recipe=食谱|contact=联系人
|meeting=会议|ticket=票|project=项目|task=任务|backup=备份|database=数据库|server=服务器|job=作业|payment=付款|balance=余额|shipment=货物
|product=产品|price=价格|review=评论|course=课程|grade=成绩|student=学生|employee=员工|salary=工资|room=房间|device=设备|sensor=传感器|alarm=警报
|camera=摄像头|route=路线|trip=行程|train=火车|bus schedule=公交时刻|forecast=预报|score=比分|game=游戏|movie=电影|book=书|article=文章|note=笔记
|comment=评论|photo=照片|message=消息|subscription=订阅|coupon=优惠券|appointment=预约|patient record=病历|prescription=处方|blood test=血检
|loan=贷款|contract=合同|policy=保单|claim=理赔|vehicle=车辆|parking spot=停车位|fuel level=油量|battery=电池|temperature=温度|humidity=湿度
|exchange rate=汇率|horoscope=星座运势|lyrics=歌词|holiday=假期|birthday=生日|poll=投票|survey=调查|quiz=测验|tax=税|tip=小费|discount=折扣
|distance=距离|population=人口|capital=首都|elevation=海拔|tide=潮汐|sunrise=日出|air ticket=机票|visa=签证|menu=菜单|workout=锻炼
|calorie count=卡路里|water usage=用水量|power usage=用电量|deployment=部署|container=容器|certificate=证书|log=日志|metric=指标|queue=队列
|webhook=回调|branch=分支|commit=提交|release=版本|bug=缺陷|vote=投票|badge=徽章|gift=礼物|donation=捐款|volunteer=志愿者|garden=花园
|robot=机器人|drone=无人机|satellite=卫星|telescope=望远镜|aquarium=水族箱|printer=打印机|elevator=电梯|washing machine=洗衣机
|truck=卡车|ship=轮船|bus=公交车|bicycle=自行车|taxi=出租车|engine=发动机|tyre=轮胎|suitcase=行李箱|umbrella=雨伞|wallet=钱包|key=钥匙|door=门
|window=窗户|lamp=灯|kettle=水壶|fridge=冰箱|oven=烤箱|chair=椅子|sofa=沙发|bed=床|table=桌子|carpet=地毯|mirror=镜子|shelf=架子|fence=围栏
|bridge=桥|street=街道|station=车站|airport=机场|harbour=港湾|beach=海滩|lake=湖|river=河|forest=森林|mountain=山|island=岛|village=村庄
|doctor=医生|nurse=护士|patient=病人|teacher=老师|driver=司机|pilot=飞行员|lawyer=律师|farmer=农民|visitor=访客|tenant=租客|neighbour=邻居
|breakfast=早餐|lunch=午餐|dinner=晚餐|bread=面包|cheese=奶酪|soup=汤|coffee=咖啡|tea=茶|wine=葡萄酒|cake=蛋糕|fruit=水果|vegetable=蔬菜
|concert=音乐会|exhibition=展览|festival=节日|lecture=讲座|exam=考试|match=比赛|race=赛跑|wedding=婚礼|party=聚会|interview=面试|visit=拜访
|noise=噪音|wind=风|rain=雨|snow=雪|traffic=交通|smoke=烟|dust=灰尘|soil=土壤|pollen=花粉|signal=信号|network=网络|password=密码|address=地址
|file=文件|folder=文件夹|page=页面|chart=图表|form=表单|letter=信件|newspaper=报纸|magazine=杂志|dictionary=词典|calendar=日历|reminder=提醒
|budget=预算|insurance=保险|mortgage=按揭|bonus=奖金|fine=罚款|refund=退款|receipt=收据|stock=股票|currency=货币|membership=会员|ticket office=售票处
|tree=树|flower=花|grass=草|dog=狗|cat=猫|horse=马|cow=奶牛|chicken=鸡|sheep=羊|bee=蜜蜂|fish=鱼|bird=鸟|seed=种子|crop=庄稼|greenhouse=温室""".replace(
        "\n", ""
    ).split("|")
)
PARAMETERS: tuple[tuple[str, str, str], ...] = (
    ("city", "city", "城市"), ("location", "city", "地点"), ("country", "city", "国家"), ("name", "name", "名字"), ("title", "phrase", "标题"),
    ("user_id", "int", "用户编号"), ("id", "code", "编号"), ("order_number", "code", "订单号"), ("date", "date", "日期"), ("start_date", "date", "开始日期"),
    ("end_date", "date", "结束日期"), ("time", "clock", "时间"), ("quantity", "int", "数量"), ("amount", "number", "金额"), ("limit", "int", "上限"),
    ("page", "int", "页码"), ("price", "number", "价格"), ("currency", "currency", "货币"), ("language", "language", "语言"), ("email", "email", "邮箱"),
    ("person", "person", "人"), ("owner", "person", "负责人"), ("color", "word", "颜色"), ("size", "enum:small|medium|large", "尺寸"),
    ("category", "word", "类别"), ("status", "enum:open|closed|pending", "状态"), ("format", "enum:pdf|csv|json|html", "格式"), ("text", "phrase", "文字"),
    ("message", "phrase", "消息"), ("path", "path", "路径"), ("host", "host", "主机"), ("port", "int", "端口"), ("urgent", "bool", "紧急"),
    ("active", "bool", "启用"), ("verbose", "bool", "详细"), ("tags", "list", "标签"), ("members", "list", "成员"), ("weight", "number", "重量"),
    ("height", "number", "高度"), ("level", "int", "级别"), ("duration", "int", "时长"), ("room", "word", "房间"), ("department", "word", "部门"),
    ("sort_by", "enum:date|name|price", "排序"), ("unit", "enum:metric|imperial", "单位"), ("symbol", "ticker", "代码"), ("year", "int", "年份"),
    ("note", "phrase", "备注"), ("genre", "word", "类型"), ("version", "code", "版本"), ("priority", "enum:low|normal|high", "优先级"),
    ("street", "name", "街道"), ("district", "city", "区"), ("village", "city", "村"), ("start", "city", "起点"), ("goal", "city", "终点"),
    ("from", "city", "从"), ("to", "city", "到"), ("author", "person", "作者"), ("teacher", "person", "老师"), ("driver", "person", "司机"),
    ("sender", "person", "发件人"), ("receiver", "person", "收件人"), ("doctor", "person", "医生"), ("client", "person", "客户方"), ("friend", "person", "朋友"),
    ("brand", "word", "品牌"), ("material", "word", "材料"), ("flavour", "word", "口味"), ("team", "word", "团队"), ("shape", "word", "形状"),
    ("animal", "word", "动物"), ("topic_name", "word", "话题"), ("field", "word", "字段"), ("key", "word", "键"), ("value", "word", "值"),
    ("query", "phrase", "查询"), ("comment", "phrase", "评论"), ("question", "phrase", "问题"), ("content", "phrase", "内容"), ("subject", "phrase", "主题行"),
    ("address", "phrase", "地址"), ("answer", "phrase", "答案"), ("cause", "phrase", "缘由"), ("serial", "code", "序列号"), ("ticket_id", "code", "工单号"),
    ("flight", "code", "航班号"), ("seat", "code", "座位"), ("shelf", "code", "货架"), ("token", "code", "令牌"), ("plate", "code", "车牌"),
    ("hours", "int", "小时"), ("minutes", "int", "分钟"), ("days", "int", "天数"), ("weeks", "int", "周数"), ("months", "int", "月数"),
    ("count", "int", "个数"), ("age", "int", "年龄"), ("floor", "int", "楼层"), ("pages", "int", "页数"), ("copies", "int", "份数"),
    ("seats", "int", "座位数"), ("rows", "int", "行数"), ("grams", "int", "克数"), ("points", "int", "分数"), ("rank", "int", "名次"),
    ("depth", "number", "深度"), ("length", "number", "长度"), ("area", "number", "面积"), ("rate", "number", "比率"), ("budget", "number", "预算"),
    ("distance", "number", "距离"), ("temperature", "number", "温度"), ("discount", "number", "折扣"), ("volume", "number", "音量"), ("score", "number", "得分"),
    ("due", "date", "到期日"), ("birthday", "date", "生日"), ("arrival", "date", "到达日"), ("departure", "date", "出发日"), ("opening", "clock", "开门时间"),
    ("alarm", "clock", "闹钟"), ("noon", "clock", "中午"), ("target", "path", "目标"), ("source", "path", "来源"), ("folder", "path", "文件夹"),
    ("server", "host", "服务器"), ("proxy", "host", "代理"), ("contact", "email", "联系方式"), ("reply_to", "email", "回复地址"), ("shared", "bool", "共享"),
    ("force", "bool", "强制"), ("public", "bool", "公开"), ("recursive", "bool", "递归"), ("enabled", "bool", "开启"), ("labels", "list", "标记"),
    ("guests", "list", "来宾"), ("items", "list", "物品"), ("names", "list", "名单"), ("colors", "list", "多种颜色"), ("gender", "enum:male|female", "性别"),
    ("side", "enum:left|right", "边"), ("shift", "enum:early|late|night", "班次"), ("meal", "enum:breakfast|lunch|dinner", "餐"), ("season", "enum:spring|summer|autumn|winter", "季节"),
)  # fmt: skip
PARAMETERS_HELD: tuple[tuple[str, str, str], ...] = (
    ("warehouse", "word", "仓库"), ("passengers", "int", "乘客数"), ("invoice_no", "code", "发票号"), ("deadline", "date", "截止日期"),
    ("speed", "number", "速度"), ("mode", "enum:fast|slow|auto", "模式"), ("reviewer", "person", "审核人"), ("harbor", "city", "港口"),
    ("nickname", "name", "昵称"), ("retries", "int", "重试次数"), ("dry_run", "bool", "试运行"), ("topics", "list", "主题"),
    ("altitude", "number", "高度"), ("hostname", "host", "主机名"), ("birthplace", "city", "出生地"), ("surname", "name", "姓"), ("checkout", "date", "退房"),
    ("bedtime", "clock", "就寝时间"), ("voltage", "number", "电压"), ("attempts", "int", "次数"), ("visibility", "enum:public|private", "可见性"),
    ("attendees", "list", "出席者"), ("caption", "phrase", "说明"), ("barcode", "code", "条码"), ("humidity", "number", "湿度"), ("postcode", "code", "邮编"),
    ("theme_name", "word", "主题名"), ("manager", "person", "经理"), ("overwrite", "bool", "覆盖"), ("keywords", "list", "关键词"), ("thickness", "number", "厚度"),
    ("columns", "int", "列数"), ("encoding", "word", "编码"), ("expiry", "date", "到期"), ("logfile", "path", "日志文件"), ("nationality", "word", "国籍"),
)  # fmt: skip


def _spell(rng: random.Random, *parts: str) -> str:
    """snake_case mostly; camelCase, kebab or dotted now and then."""
    pieces = [piece for part in parts for piece in part.replace("_", " ").split(" ")]
    roll = rng.random()
    if roll < 0.7:
        return "_".join(pieces)
    if roll < 0.88:
        return pieces[0] + "".join(p.capitalize() for p in pieces[1:])
    return ("-" if roll < 0.94 else ".").join(pieces)


def is_held_out(verb: str, noun: str) -> bool:
    """Whether this pair of verb and noun is kept for the evaluation: one in nine."""
    return sum(map(ord, verb + noun)) % 9 == 0


@dataclass(frozen=True, slots=True)
class Made:
    """A made-up function with the words that ask for it."""

    name: str
    text: str
    parameters: tuple[Parameter, ...]
    phrases: tuple[str, ...]
    phrase_zh: str
    labels_zh: tuple[str, ...]
    opaque: bool = False


def _parameter_name(rng: random.Random, base: str) -> tuple[str, bool]:
    """The usual name, or one that nobody has used: (name, is new)."""
    roll = rng.random()
    if roll < 0.35:
        return base, False
    if roll < 0.5:
        return _spell(rng, rng.choice(words.COMMON), base), True
    if roll < 0.6:
        return _spell(rng, base, words.made_up(rng)), True
    if roll < 0.85:
        return _spell(rng, *rng.sample(words.COMMON, rng.choice((1, 1, 2)))), True
    return words.made_up(rng), True


def made(rng: random.Random, held_out: bool = False, noun: str | None = None) -> Made:
    """A function that does not exist; `noun` keeps the same object for a distractor."""
    while True:
        verb, phrases, verb_zh = rng.choice(VERBS)
        if rng.random() < 0.2:
            verb = rng.choice(words.COMMON) if rng.random() < 0.6 else words.made_up(rng)
            phrases, verb_zh = (verb,), f" {verb} "
        thing, thing_zh = rng.choice(NOUNS)
        if rng.random() < 0.7:
            thing = words.thing(rng)
            thing_zh = f" {thing}"
        if noun is not None:
            thing, thing_zh = noun, f" {noun}"
        if f"{verb} {thing}".replace(" ", "_") in held_names():
            continue
        if noun is not None or is_held_out(verb, thing) == held_out:
            break
    pool = PARAMETERS_HELD if held_out else PARAMETERS
    chosen: list[tuple[Parameter, str]] = []
    for base, kind, label in rng.sample(pool, rng.choice((1, 1, 2, 2, 2, 3, 3, 4))):
        name, new = _parameter_name(rng, base)
        if any(p.name == name for p, _ in chosen):
            continue
        if kind.startswith("enum") and rng.random() < 0.5:
            kind = "enum:" + "|".join(
                {
                    rng.choice(words.COMMON) if rng.random() < 0.6 else words.made_up(rng): 0
                    for _ in range(rng.randint(2, 4))
                }
            )
        plain = name.replace("_", " ")
        text = rng.choice((f"The {plain}", plain.capitalize(), f"{plain} of the {thing}", ""))
        chosen.append((Parameter(name, kind, rng.random() < 0.3, text), name if new else label))
    article = rng.choice(("the", "a", ""))
    text = f"{verb.capitalize()} {article} {thing}".replace("  ", " ")
    opaque = rng.random() < 0.13
    return Made(
        name=words.made_up(rng) if opaque else _spell(rng, verb, thing),
        text=text
        if opaque
        else rng.choice(
            (
                text,
                text,
                text + ".",
                f"Use this to {verb} {article} {thing}".replace("  ", " "),
                f"{verb_zh}{thing_zh}".strip(),
            )
        ),
        parameters=tuple(p for p, _ in chosen),
        phrases=tuple(f"{phrase} the {thing}" for phrase in phrases),
        phrase_zh=f"{verb_zh}{thing_zh}".strip(),
        labels_zh=tuple(zh for _, zh in chosen),
        opaque=opaque,
    )
