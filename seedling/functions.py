"""Functions a model may be asked to call: the hand-written ones of functions.txt and made-up ones, as JSON schemas with values.

Knows how a function is described and how a person asks for it; knows nothing of chat templates.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from seedling import words

Value = str | int | float | bool | list[str]


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    kind: str
    optional: bool
    text: str

    def schema(self) -> dict[str, Any]:
        base, _, choices = self.kind.partition(":")
        json_type = {"int": "integer", "number": "number", "float": "number", "bool": "boolean", "list": "array"}.get(
            base, "string"
        )
        schema: dict[str, Any] = {"type": json_type}
        if base == "list":
            schema["items"] = {"type": "string"}
        if choices:
            schema["enum"] = choices.split("|")
        return schema


@dataclass(frozen=True, slots=True)
class Function:
    names: tuple[str, ...]
    text: str
    parameters: tuple[Parameter, ...]
    aliases: tuple[tuple[str, ...], ...]
    ask_en: tuple[str, ...]
    ask_zh: tuple[str, ...]
    result: tuple[tuple[str, str], ...] = ()
    reply_en: str = ""
    reply_zh: str = ""
    held_out: bool = False


@cache
def written() -> tuple[Function, ...]:
    """The functions of functions.txt."""
    functions = []
    for block in re.split(r"^@ ", (Path(__file__).parent / "functions.txt").read_text("utf-8"), flags=re.M)[1:]:
        head, *lines = block.strip().splitlines()
        names = head.split()
        rows: dict[str, list[str]] = {kind: [] for kind in "dpezrac"}
        for line in lines:
            if line.strip():
                rows[line[0]].append(line[2:].strip())
        parameters, aliases = [], []
        for row in rows["p"]:
            left, text = row.split(" = ")
            spelled, kind = left.split(" ", 1)
            spellings = tuple(spelled.split(","))
            parameters.append(Parameter(spellings[0], kind.rstrip("?"), kind.endswith("?"), text))
            aliases.append(spellings)
        functions.append(
            Function(
                names=tuple(n for n in names if n != "x"),
                text=rows["d"][0],
                parameters=tuple(parameters),
                aliases=tuple(aliases),
                ask_en=tuple(rows["e"]),
                ask_zh=tuple(rows["z"]),
                result=tuple((f.split()[0], f.split()[1]) for f in rows["r"][0].split(" / ")),
                reply_en=rows["a"][0],
                reply_zh=rows["c"][0],
                held_out=names[0] == "x",
            )
        )
    return tuple(functions)


def draw_value(rng: random.Random, kind: str, zh: bool) -> Value:
    base, _, choices = kind.partition(":")
    if choices:
        return rng.choice(choices.split("|"))
    if base == "int":
        return rng.randint(1, 12) if rng.random() < 0.4 else rng.randint(0, 10 ** rng.randint(1, 5))
    if base in ("number", "float"):
        return rng.randint(1, 999) if rng.random() < 0.5 else round(rng.uniform(0, 500), rng.choice((1, 2)))
    if base == "bool":
        return rng.random() < 0.5
    if base == "list":
        return [words.name(rng, zh) if rng.random() < 0.5 else words.made_up(rng) for _ in range(rng.randint(1, 3))]
    if base == "city":
        return words.city(rng, zh)
    if base in ("person", "name"):
        return words.name(rng, zh) + (f" {words.name(rng)}" if not zh and rng.random() < 0.2 else "")
    if base == "phrase":
        return words.sentence(rng, zh)
    if base == "word":
        if rng.random() < 0.5:
            return (words.made_up_zh if zh else words.made_up)(rng)
        return rng.choice(words.TRANSLATIONS)[1] if zh else rng.choice(words.COMMON)
    return _formal(rng, base)


def _formal(rng: random.Random, kind: str) -> str:
    """Values written the same way in every language."""
    if kind == "date":
        return f"20{rng.randint(20, 39)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
    if kind == "clock":
        return f"{rng.randint(0, 23):02}:{rng.choice((0, 5, 10, 15, 20, 30, 45, 50)):02}"
    if kind == "ticker":
        return "".join(rng.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(rng.randint(2, 5)))
    if kind == "currency":
        return rng.choice(("USD", "EUR", "CNY", "JPY", "GBP", "CHF", "INR", "CAD", "AUD", "KRW"))
    if kind == "language":
        return rng.choice(("English", "Chinese", "French", "German", "Spanish", "Japanese", "Korean", "Italian"))
    if kind == "email":
        return f"{words.made_up(rng)}{rng.choice(('', '.', '_'))}{words.made_up(rng)}@{words.made_up(rng)}.{rng.choice(('com', 'org', 'net', 'cn', 'de'))}"
    if kind == "path":
        return f"{rng.choice(('', '/', './', '/tmp/', 'data/'))}{words.made_up(rng)}.{rng.choice(('txt', 'csv', 'json', 'png', 'md', 'log'))}"
    if kind == "host":
        return f"{words.made_up(rng)}.{words.made_up(rng)}.{rng.choice(('com', 'net', 'local'))}"
    if kind == "formula":
        return f" {rng.choice('+-*/')} ".join(str(rng.randint(1, 9999)) for _ in range(rng.randint(2, 4)))
    return words.code(rng)


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
|robot=机器人|drone=无人机|satellite=卫星|telescope=望远镜|aquarium=水族箱|printer=打印机|elevator=电梯|washing machine=洗衣机""".replace(
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
    opaque = rng.random() < 0.06
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


def describe(
    rng: random.Random,
    name: str,
    text: str,
    parameters: tuple[Parameter, ...],
    opaque: bool = False,
    labelled: bool = False,
) -> dict[str, Any]:
    """A function as clients write it: the same content with the freedom that real clients take. An opaque name needs its text,
    and so do parameters that the request calls by their label."""
    properties = {}
    for parameter in parameters:
        schema = parameter.schema()
        if parameter.text and (labelled or rng.random() < 0.75):
            schema["description"] = parameter.text
            if rng.random() < 0.2:
                schema = {"description": schema.pop("description"), **schema}
        properties[parameter.name] = schema
    body: dict[str, Any] = {"type": "object", "properties": properties}
    required = [p.name for p in parameters if not p.optional]
    if required or rng.random() < 0.3:
        body["required"] = required
    if rng.random() < 0.15:
        body["additionalProperties"] = False
    function: dict[str, Any] = {"name": name}
    if opaque or rng.random() < 0.9:
        function["description"] = text
    function["parameters"] = body
    if rng.random() < 0.1:
        function["strict"] = True
    return {"type": "function", "function": function}
