"""Small sums in figures and in stories, with the way to the result as the thought.

One addition or subtraction in eleven (by its numbers) is kept for the evaluation and never generated for training. Products up to
12 × 12 are a table to be known by heart, so none of it is held out.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from seedling.exchange import Exchange

ASK_EN = (
    "What is {}?", "{} = ?", "{}=", "Calculate {}.", "How much is {}?", "what's {}", "Compute {}", "Please work out {}.",
    "Can you calculate {} for me?", "{}", "Tell me {}", "I need the result of {}.", "What does {} equal?", "Solve {}",
)  # fmt: skip
ASK_ZH = (
    "{}等于多少？",
    "{}是多少",
    "计算{}",
    "请算一下{}",
    "{}=?",
    "{}等于几？",
    "帮我算{}",
    "算一算 {}",
    "{}得多少？",
)
WORDS = {
    "+": ("plus", "加"),
    "-": ("minus", "减"),
    "*": ("times", "乘以"),
}
MORE_EN = (
    "I have {a} {x} and buy {b} more. How many {x} do I have?",
    "There are {a} {x} in the box. I put {b} more in. How many are there now?",
    "{n} has {a} {x} and gets {b} more. How many {x} does {n} have?",
    "{a} {x} and {b} {x}: how many together?",
)
LESS_EN = (
    "I have {a} {x} and give away {b}. How many {x} are left?",
    "{n} has {a} {x} and eats {b}. How many are left?",
    "There are {a} {x}. {b} are taken away. How many remain?",
)
MORE_ZH = (
    "我有{a}个{x}，又买了{b}个，一共有多少个？",
    "{n}有{a}个{x}，又得到{b}个，现在有几个？",
    "{a}个{x}加上{b}个{x}，一共几个？",
)
LESS_ZH = (
    "我有{a}个{x}，送出{b}个，还剩几个？",
    "{n}有{a}个{x}，吃了{b}个，还剩多少个？",
    "一共{a}个{x}，拿走{b}个，剩下几个？",
)
THINGS_EN = ("apples", "books", "coins", "eggs", "pens", "stamps", "oranges", "cards", "balls", "cookies")
THINGS_ZH = ("苹果", "球", "鸡蛋", "橙子", "饼干", "桃子", "杯子", "玩具")
NAMES = ("Tom", "Anna", "Ben", "Mia", "Leo")
NAMES_ZH = ("小明", "小红", "小华", "李雷")


@dataclass(frozen=True, slots=True)
class Sum:
    a: int
    op: str
    b: int

    @property
    def result(self) -> int:
        return {"+": self.a + self.b, "-": self.a - self.b, "*": self.a * self.b}[self.op]

    @property
    def held_out(self) -> bool:
        if self.op == "*":
            return False
        low, high = (self.b, self.a) if self.op == "-" else sorted((self.a, self.b))
        return (low * 1009 + high * 9176 + ord(self.op) * 31) % 11 == 0


def draw(rng: random.Random, held_out: bool = False, largest: int = 999) -> Sum:
    while True:
        op = rng.choice("++--" if held_out else "++--*")
        if op == "*":
            sum_ = Sum(rng.randint(0, 12), op, rng.randint(0, 12))
        else:
            top = largest if rng.random() < 0.35 else 99
            a, b = rng.randint(0, top), rng.randint(0, rng.choice((top, 99, 20)))
            sum_ = Sum(a, op, b) if op == "+" else Sum(max(a, b), op, min(a, b))
        if sum_.held_out == held_out:
            return sum_


def _steps(sum_: Sum) -> str:
    """The way a person does it: by places."""
    a, b, r = sum_.a, sum_.b, sum_.result
    if sum_.op == "*" or max(a, b) < 10:
        return f"{a} {sum_.op} {b} = {r}."
    parts, total, left = [], a, b
    for place in (100, 10, 1):
        step = left // place * place
        left -= step
        if step:
            after = total + step if sum_.op == "+" else total - step
            parts.append(f"{total} {sum_.op} {step} = {after}")
            total = after
    return ", ".join(parts or [f"{a} {sum_.op} {b} = {r}"]) + "."


def exchange(rng: random.Random, held_out: bool = False, zh: bool | None = None) -> Exchange:
    sum_ = draw(rng, held_out)
    chinese = rng.random() < 0.4 if zh is None else zh
    if sum_.op in "+-" and sum_.a < 100 and rng.random() < 0.2:
        fill = {"a": sum_.a, "b": sum_.b}
        more = sum_.op == "+"
        if chinese:
            frame = rng.choice(MORE_ZH if more else LESS_ZH)
            user = frame.format(x=rng.choice(THINGS_ZH), n=rng.choice(NAMES_ZH), **fill)
        else:
            frame = rng.choice(MORE_EN if more else LESS_EN)
            user = frame.format(x=rng.choice(THINGS_EN), n=rng.choice(NAMES), **fill)
    else:
        sign = rng.choice((sum_.op, sum_.op, "×" if sum_.op == "*" else sum_.op, f" {sum_.op} ", f" {sum_.op} "))
        if rng.random() < 0.25:
            sign = WORDS[sum_.op][1] if chinese else f" {WORDS[sum_.op][0]} "
        expression = f"{sum_.a}{sign}{sum_.b}"
        user = rng.choice(ASK_ZH if chinese else ASK_EN).format(expression)
    end = "。" if chinese else "."
    return Exchange(user, f"{sum_.a} {sum_.op} {sum_.b} = {sum_.result}{end}", _steps(sum_), chinese)
