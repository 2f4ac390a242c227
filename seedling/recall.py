"""What the user said earlier in the conversation, and asking for it again. The rest of the conversation is put between by corpus."""

from __future__ import annotations

import random
from dataclasses import dataclass

from seedling import words
from seedling.exchange import Exchange


@dataclass(frozen=True, slots=True)
class Topic:
    """How a thing about the user is told, acknowledged and asked for; `{}` is its value."""

    tell: tuple[str, ...]
    noted: str
    ask: tuple[str, ...]
    answer: str
    unknown: str


EN: dict[str, Topic] = {
    "name": Topic(
        (
            "My name is {}.",
            "I am {}.",
            "I'm {}",
            "Hi, my name is {}.",
            "Hello, I am {}!",
            "Call me {}.",
            "Please call me {}.",
        ),
        "Nice to meet you, {}!",
        (
            "What is my name?",
            "What's my name?",
            "Do you remember my name?",
            "Who am I?",
            "what did i say my name was",
            "How am I called?",
        ),
        "Your name is {}.",
        "You have not told me your name yet.",
    ),
    "city": Topic(
        ("I live in {}.", "I am from {}.", "My home town is {}.", "I come from {}."),
        "{} is noted.",
        ("Where do I live?", "Where am I from?", "Which city do I live in?", "What is my home town?"),
        "You told me {}.",
        "You have not told me where you live.",
    ),
    "colour": Topic(
        ("My favourite colour is {}.", "I like {} best of all colours.", "My favorite color is {}."),
        "{} is a fine colour.",
        ("What is my favourite colour?", "Which colour do I like best?", "What's my favorite color?"),
        "Your favourite colour is {}.",
        "You have not told me your favourite colour.",
    ),
    "pet": Topic(
        ("My pet is called {}.", "My dog's name is {}.", "I have a cat named {}."),
        "{} is a lovely name.",
        ("What is my pet called?", "What is the name of my pet?", "How is my pet called?"),
        "Your pet is called {}.",
        "You have not told me about a pet.",
    ),
    "number": Topic(
        ("My lucky number is {}.", "Remember the number {}.", "Please remember this number: {}.", "The code is {}."),
        "I will remember {}.",
        ("What was the number?", "Which number did I give you?", "What is the code?", "Tell me the number again."),
        "It is {}.",
        "You have not given me a number.",
    ),
    "age": Topic(
        ("I am {} years old.", "I'm {} years old."),
        "{}, I see.",
        ("How old am I?", "What is my age?"),
        "You are {} years old.",
        "You have not told me your age.",
    ),
    "word": Topic(
        ("The secret word is {}.", "Remember this word: {}.", "Keep the word {} in mind.", "The password is {}."),
        "I will keep {} in mind.",
        ("What is the secret word?", "What was the word?", "Which word should you remember?", "What is the password?"),
        "The word is {}.",
        "You have not told me a word.",
    ),
    "job": Topic(
        ("I work as a {}.", "My job is {}.", "I am a {} by profession."),
        "{}: that sounds interesting.",
        ("What is my job?", "What do I work as?", "What is my profession?"),
        "Your job is {}.",
        "You have not told me your job.",
    ),
}
ZH: dict[str, Topic] = {
    "name": Topic(
        ("我叫{}。", "我的名字是{}", "你好，我是{}。", "叫我{}吧。", "我是{}"),
        "你好，{}！",
        ("我叫什么名字？", "我叫什么", "你还记得我的名字吗？", "我是谁？", "我的名字是什么"),
        "你叫{}。",
        "你还没有告诉我你的名字。",
    ),
    "city": Topic(
        ("我住在{}。", "我来自{}", "我的家乡是{}。", "我在{}生活。"),
        "{}，记住了。",
        ("我住在哪里？", "我来自哪里", "我的家乡是哪里？"),
        "你说的是{}。",
        "你还没有告诉我你住在哪里。",
    ),
    "colour": Topic(
        ("我最喜欢的颜色是{}。", "我喜欢{}这个颜色。"),
        "{}很好看。",
        ("我最喜欢什么颜色？", "我喜欢什么颜色"),
        "你最喜欢的颜色是{}。",
        "你还没有告诉我你喜欢什么颜色。",
    ),
    "pet": Topic(
        ("我的宠物叫{}。", "我的小狗叫{}", "我养了一只猫，名字叫{}。"),
        "{}，真好听的名字。",
        ("我的宠物叫什么？", "我的宠物叫什么名字"),
        "你的宠物叫{}。",
        "你还没有说过宠物的事。",
    ),
    "number": Topic(
        ("请记住数字{}。", "我的幸运数字是{}", "记住这个号码：{}。", "验证码是{}。"),
        "我会记住 {}。",
        ("那个数字是多少？", "我说的数字是什么", "号码是多少？"),
        "是 {}。",
        "你还没有给我数字。",
    ),
    "age": Topic(
        ("我今年{}岁。", "我{}岁了"), "{}，知道了。", ("我几岁？", "我多大了"), "你{}岁。", "你还没有告诉我你的年龄。"
    ),
    "word": Topic(
        ("暗号是{}。", "请记住这个词：{}", "密码是{}。"),
        "我会记住{}。",
        ("暗号是什么？", "我让你记的词是什么", "密码是什么？"),
        "是{}。",
        "你还没有告诉我。",
    ),
    "job": Topic(
        ("我的工作是{}。", "我的职业是{}"),
        "{}，听起来不错。",
        ("我的工作是什么？", "我是做什么的"),
        "你的工作是{}。",
        "你还没有告诉我你的工作。",
    ),
}
JOBS_EN = "teacher doctor nurse baker pilot farmer engineer painter driver lawyer cook gardener musician writer".split()
JOBS_ZH = "老师 医生 护士 面包师 飞行员 农民 工程师 画家 司机 律师 厨师 园丁 音乐家 作家".split()
COLOURS_EN = "red blue green yellow black white orange purple pink brown grey turquoise".split()
COLOURS_ZH = "红色 蓝色 绿色 黄色 黑色 白色 橙色 紫色 粉色 棕色 灰色".split()


def value(rng: random.Random, key: str, zh: bool) -> str:
    if key == "city":
        return words.city(rng, zh)
    if key == "colour":
        return rng.choice(COLOURS_ZH if zh else COLOURS_EN)
    if key == "number":
        return str(rng.randint(1, 10 ** rng.randint(1, 7)))
    if key == "age":
        return str(rng.randint(5, 99))
    if key == "job":
        return rng.choice(JOBS_ZH if zh else JOBS_EN)
    if key == "word":
        return words.made_up_zh(rng) if zh else words.made_up(rng)
    return words.name(rng, zh)


def told(rng: random.Random, key: str, thing: str, zh: bool) -> Exchange:
    topic = (ZH if zh else EN)[key]
    noted = topic.noted.format(thing)
    thought = f"用户告诉我：{thing}。" if zh else f"The user tells me something to remember: {thing}."
    return Exchange(rng.choice(topic.tell).format(thing), noted[:1].upper() + noted[1:], thought, zh)


def asked(rng: random.Random, key: str, thing: str | None, zh: bool) -> Exchange:
    topic = (ZH if zh else EN)[key]
    user = rng.choice(topic.ask)
    if thing is None:
        thought = "对话里没有说过这件事。" if zh else "The conversation does not say."
        return Exchange(user, topic.unknown, thought, zh)
    thought = f"用户之前说过：{thing}。" if zh else f"The user said it before: {thing}."
    return Exchange(user, topic.answer.format(thing), thought, zh)
