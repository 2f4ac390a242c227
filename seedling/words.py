"""Pools of words, and makers of words that nobody has seen before. Knows nothing of examples or prompts."""

from __future__ import annotations

import random
import re
from functools import cache
from pathlib import Path

NAMES_EN = """Anna Ben Carla David Emma Felix Grace Henry Iris Jack Kate Leo Mia Noah Olivia Paul Quinn Rosa Sam Tina Uma Victor Wendy
Xavier Yara Zoe Alice Bob Clara Daniel Ella Frank Gina Hugo Ivy James Karen Liam Maria Nick Oscar Petra Ruth Simon Thea Ursula Vera Walter
Amir Priya Yuki Omar Fatima Ingrid Mateo Chloe Ravi Sofia""".split()  # fmt: skip
NAMES_ZH = """小明 小红 小华 小丽 王伟 李娜 张强 刘洋 陈静 杨帆 赵磊 黄敏 周杰 吴芳 徐亮 孙悦 马超 朱琳 胡军 林涛 郭靖 何雪 高翔 罗兰 郑爽 梁晨 谢天 宋佳
唐诗 许诺 韩梅梅 李雷 冯远 邓超 曹颖 彭飞 曾琪 肖云 田甜 董洁""".split()  # fmt: skip
CITIES_EN = """Paris London Berlin Tokyo Madrid Rome Vienna Oslo Cairo Lima Boston Chicago Dublin Prague Warsaw Athens Lisbon Helsinki
Seoul Delhi Mumbai Sydney Toronto Beijing Shanghai Shenzhen Hamburg Munich Zurich Geneva Milan Porto Kyoto Osaka Bangkok Hanoi Nairobi
Denver Seattle Austin Montreal Havana Quito Bogota Santiago Singapore Dubai Istanbul Moscow Stockholm Copenhagen Brussels Amsterdam""".split()  # fmt: skip
CITIES_ZH = """北京 上海 广州 深圳 杭州 成都 南京 武汉 西安 重庆 天津 苏州 青岛 大连 厦门 长沙 昆明 哈尔滨 郑州 福州 拉萨 三亚 香港 台北 东京 巴黎 伦敦 纽约
柏林 罗马 首尔 曼谷 新加坡 悉尼 莫斯科""".split()  # fmt: skip
PAIRS = """red 红色|blue 蓝色|green 绿色|yellow 黄色|black 黑色|white 白色|apple 苹果|banana 香蕉|bread 面包|rice 米饭|water 水|tea 茶|coffee 咖啡
|milk 牛奶|cat 猫|dog 狗|horse 马|bird 鸟|fish 鱼|panda 熊猫|tiger 老虎|rabbit 兔子|house 房子|book 书|tree 树|flower 花|sun 太阳|moon 月亮
|star 星星|mountain 山|river 河|sea 海|rain 雨|snow 雪|wind 风|school 学校|teacher 老师|friend 朋友|mother 妈妈|father 爸爸|car 汽车|train 火车
|plane 飞机|bicycle 自行车|computer 电脑|phone 手机|music 音乐|movie 电影|game 游戏|morning 早上|evening 晚上|today 今天|tomorrow 明天
|hello 你好|thanks 谢谢|goodbye 再见|one 一|two 二|three 三|ten 十|orange 橙子|grape 葡萄|peach 桃子|noodles 面条|egg 鸡蛋|chair 椅子|table 桌子
|hotel 酒店|parcel 包裹|image 图片|plant 植物|air 空气|width 宽度|height 高度|wide 宽|high 高|night 晚|customer 客户|litre 升|garden 花园
|window 窗户|door 门|spring 春天|summer 夏天|autumn 秋天|winter 冬天|happy 高兴|big 大|small 小|fast 快|slow 慢"""  # fmt: skip
TRANSLATIONS = tuple((entry.split(" ")[0], entry.split(" ")[1]) for entry in PAIRS.replace("\n", "").split("|"))
EMOJI = """cat 🐱 猫|dog 🐶 狗|panda 🐼 熊猫|tiger 🐯 老虎|rabbit 🐰 兔子|fox 🦊 狐狸|frog 🐸 青蛙|bear 🐻 熊|pig 🐷 猪|cow 🐮 奶牛|monkey 🐵 猴子
|chicken 🐔 鸡|penguin 🐧 企鹅|fish 🐟 鱼|whale 🐳 鲸鱼|bee 🐝 蜜蜂|turtle 🐢 乌龟|sun ☀️ 太阳|moon 🌙 月亮|star ⭐ 星星|rainbow 🌈 彩虹
|snowman ⛄ 雪人|fire 🔥 火|tree 🌳 树|flower 🌸 花|rose 🌹 玫瑰|apple 🍎 苹果|banana 🍌 香蕉|pizza 🍕 披萨|cake 🎂 蛋糕|coffee ☕ 咖啡|heart ❤️ 爱心
|rocket 🚀 火箭|car 🚗 汽车|train 🚆 火车|plane ✈️ 飞机|bicycle 🚲 自行车|house 🏠 房子|book 📚 书|phone 📱 手机|computer 💻 电脑|clock ⏰ 时钟
|family 👨‍👩‍👧 家庭|robot 🤖 机器人|ghost 👻 幽灵|smile 😀 笑脸|thumbs up 👍 点赞|party 🎉 庆祝|seedling 🌱 幼苗|key 🔑 钥匙"""  # fmt: skip
PICTURES = tuple(tuple(entry.rsplit(" ", 2)) for entry in EMOJI.replace("\n", "").split("|"))
COMMON = """access account action active address agenda agent album alert amount anchor angle archive area arrival article asset atlas author badge
balance band bank barrel basket beacon bell bench bill block board boat bonus border bottle bottom bowl box brand bridge brush bucket budget bundle button
cabin cable cache camp canal candle canvas card cargo carpet case cash castle catalog cell center chain chapter chart chest choice circle claim class client
climate clock cloud club coach coast coat coin column combo comet company concert cotton counter couple court cover crane credit crew crop crown culture cup
cycle dance data deal deck degree delay depth desert design desk detail dinner direction district dock domain dose draft drawer dress drill driver duty eagle
echo edge effect energy engine entry error estate event exam example exit expert export fabric factor factory farm feature fee fence festival field figure
file filter finger fleet flight floor folder force forest fork form fortune forum frame fund future gallery gap gate gear glass globe goal grain grant graph
group guard guest guide habit hall handle hat height helmet hero hill history holiday honey hook hospital host hotel hour icon idea import index island issue
item jacket jewel journal journey judge jungle kernel kettle kit kitchen knife label ladder lake lamp land lane laptop layer leaf league lease ledger legend
lens lesson letter level library license lift limit line link list loan lobby lock log loop lunch machine magnet mail map margin marker market mask master
match meal medal member memory metal meter method mill mine mirror mission model module month motor museum nation needle nest network node noise number
object ocean offer office oil option orbit order origin output oven owner package page paint palace panel paper parcel park part party pass path pattern
peak pen percent period permit person piano piece pilot pipe pixel plan planet plant plate player plot pocket poem point pole policy pool port post poster
power prize process profile program proof proposal pump quarter question quota radar radio rail range rank rate ratio reader reason record recipe refund
region relay rent reply report request reserve resource result reward ring risk road rocket roof root rope route row rule sail salad salt sample satellite
scale scene schema scope screen screw script season seat sector seed segment sensor series service session shadow shape share sheet shelf shell shield ship
shop signal silver sketch skill sleep slide slot smoke snapshot soap socket soil source space speaker spice spring square stack staff stage stamp stand
station statue status steel step stock stone store storm story strategy stream street string studio style subject sugar suit summary supply surface survey
switch symbol system table tank target task team temple tenant term terminal theater theme thread ticket tile timer title token tool topic torch tour tower
town track trade traffic trail travel tray treasure trend trial tunnel twin type unit update user valley value vault vector vehicle vendor version vessel
victory view village visit visitor voice volume voucher wagon wall wallet waste watch water wave weapon week weight wheel width window wing winner wire wood
worker world yard year zone""".split()  # fmt: skip
RARE = (
    "聪 龘 靐 齉 齾 爨 饕 餮 魑 魅 魍 魉 麤 鱻 囍 犇 猋 骉 淼 焱 垚 鑫 森 嬛 翀 頔 喆 堃 珺 濠 𠮷 𡃁 𪚥 𰻞 é ñ ü ß ø ç ł ž ő ğ й ж щ "
    "ω λ π θ あ の を カ 한 국 א ש ع ن ก ไ € £ ¥ ₿ ∑ √ ∞ ≠ ≤ ← → ★ ♞ ♫ 👩🏽‍🚀 👨‍👩‍👧‍👦 🏳️‍🌈 🇨🇳 🇩🇪 ☯ ½ ²"
).split()
CATEGORIES: dict[str, tuple[str, str]] = {
    "colours": ("red, blue, green, yellow, black, white, orange, purple", ""),
    "colors": ("red, blue, green, yellow, black, white, orange, purple", ""),
    "fruits": ("apple, banana, orange, grape, peach, pear, cherry, lemon", ""),
    "animals": ("cat, dog, horse, rabbit, tiger, panda, fox, bear", ""),
    "vegetables": ("carrot, potato, tomato, onion, cabbage, spinach, pea, bean", ""),
    "countries": ("China, France, Germany, Japan, Brazil, Canada, Egypt, India", ""),
    "cities": ("Paris, London, Berlin, Tokyo, Rome, Cairo, Beijing, Sydney", ""),
    "drinks": ("water, tea, coffee, milk, juice, lemonade, cocoa, soda", ""),
    "planets": ("Mercury, Venus, Earth, Mars, Jupiter, Saturn, Uranus, Neptune", ""),
    "sports": ("football, tennis, swimming, running, cycling, chess, rowing, skiing", ""),
    "programming languages": ("Python, C++, Rust, Go, Java, JavaScript, Ruby, Swift", ""),
    "musical instruments": ("piano, violin, guitar, flute, drum, trumpet, cello, harp", ""),
    "颜色": ("红色、蓝色、绿色、黄色、黑色、白色、橙色、紫色", "种"),
    "水果": ("苹果、香蕉、橙子、葡萄、桃子、梨、樱桃、柠檬", "种"),
    "动物": ("猫、狗、马、兔子、老虎、熊猫、狐狸、熊", "种"),
    "蔬菜": ("胡萝卜、土豆、西红柿、洋葱、白菜、菠菜、豌豆、豆角", "种"),
    "国家": ("中国、法国、德国、日本、巴西、加拿大、埃及、印度", "个"),
    "城市": ("北京、上海、广州、深圳、杭州、成都、南京、武汉", "个"),
    "饮料": ("水、茶、咖啡、牛奶、果汁、汽水、豆浆、可可", "种"),
    "运动": ("足球、网球、游泳、跑步、骑车、象棋、划船、滑雪", "种"),
    "乐器": ("钢琴、小提琴、吉他、笛子、鼓、小号、大提琴、竖琴", "种"),
}
SEQUENCES: tuple[tuple[str, str], ...] = (
    ("days of the week", "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday"),
    (
        "months of the year",
        "January, February, March, April, May, June, July, August, September, October, November, December",
    ),
    ("seasons", "spring, summer, autumn, winter"),
    ("letters of the alphabet", "A B C D E F G H I J K L M N O P Q R S T U V W X Y Z"),
    ("一周的七天", "星期一、星期二、星期三、星期四、星期五、星期六、星期日"),
    ("一年的月份", "一月、二月、三月、四月、五月、六月、七月、八月、九月、十月、十一月、十二月"),
    ("四季", "春天、夏天、秋天、冬天"),
)
_ONSETS = "b br c ch cl d dr f fl g gl gr h j k kl l m n p pl pr qu r s sh sk st t th tr v w y z".split()
_VOWELS = "a e i o u ai ea ee io oo ou".split()
_CODAS = ["", "", "", "l", "m", "n", "r", "s", "t", "x", "ck", "nd", "ng", "rn", "sk", "st"]
_HAN = (
    "天地玄黄宇宙洪荒日月星辰山川河海风云雨雪春夏秋冬东西南北金木水火土石花草树林鸟鱼虫马牛羊龙虎家国人心手足口目耳书画琴棋诗酒茶米"
    "红橙绿青蓝紫白黑大小多少高低长短新旧明亮光影声色香味东风平安福禄寿喜乐和美好学问思想文化历史科技电机车船飞行道路桥门窗楼房城市"
)


@cache
def _text() -> str:
    """All that is written by hand for the corpus."""
    return "".join(path.read_text("utf-8") for path in sorted(Path(__file__).parent.glob("**/*.txt")))


@cache
def _letters() -> tuple[str, ...]:
    return tuple(sorted(set(re.findall(r"[a-z]{4,}", _text().lower())) | set(COMMON)))


@cache
def _characters() -> tuple[str, ...]:
    return tuple(sorted(set(re.findall(r"[\u4e00-\u9fff]", _text())) | set(_HAN)))


def shreds(rng: random.Random) -> str:
    """Pieces of real words stuck together: every token of the vocabulary gets its turn at being copied."""
    out = ""
    for _ in range(rng.choice((1, 2, 2, 3))):
        word = rng.choice(_letters())
        start = 0 if rng.random() < 0.6 else rng.randrange(len(word) - 1)
        out += word[start : start + rng.randint(2, 8)]
    return out


def made_up(rng: random.Random, syllables: int = 0) -> str:
    """A word that is in no dictionary."""
    if not syllables and rng.random() < 0.5:
        return shreds(rng)
    count = syllables or rng.choice((1, 2, 2, 2, 3))
    return "".join(rng.choice(_ONSETS) + rng.choice(_VOWELS) + (rng.choice(_CODAS)) for _ in range(count))


def made_up_zh(rng: random.Random) -> str:
    characters = _HAN if rng.random() < 0.4 else _characters()
    return "".join(rng.choice(characters) for _ in range(rng.randint(2, 5)))


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def thing(rng: random.Random) -> str:
    """A thing a function may be about: common words, or words nobody knows, alone or in pairs."""
    return " ".join(
        rng.choice(COMMON) if rng.random() < 0.6 else made_up(rng) for _ in range(rng.choice((1, 1, 2, 2, 3)))
    )


def code(rng: random.Random) -> str:
    """An identifier such as an order number."""
    letters = "".join(rng.choice("ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(rng.randint(1, 3)))
    digits = "".join(rng.choice("0123456789") for _ in range(rng.randint(2, 6)))
    return rng.choice(
        (f"{letters}-{digits}", f"{letters}{digits}", digits, f"{digits}-{letters}", f"{letters.lower()}_{digits}")
    )


def name(rng: random.Random, zh: bool = False) -> str:
    if zh:
        return rng.choice(NAMES_ZH) if rng.random() < 0.5 else made_up_zh(rng)[:3]
    return rng.choice(NAMES_EN) if rng.random() < 0.5 else made_up(rng, rng.choice((2, 2, 3))).capitalize()


def city(rng: random.Random, zh: bool = False) -> str:
    if zh:
        return rng.choice(CITIES_ZH) if rng.random() < 0.6 else made_up_zh(rng)
    return rng.choice(CITIES_EN) if rng.random() < 0.6 else made_up(rng, rng.choice((2, 3))).capitalize()


@cache
def _passages() -> tuple[str, ...]:
    """Pieces of Chinese sentences, without those that only the evaluation asks."""
    taught = re.sub(r"^@ x .*?(?=^@ |\Z)", "", _text(), flags=re.M | re.S)
    taught = re.sub(r"^[EZ] .*$", "", taught, flags=re.M)
    return tuple(sorted(set(re.findall(r"[\u4e00-\u9fff]{2,8}", taught))))


def sentence(rng: random.Random, zh: bool = False) -> str:
    """A few words in a row, of no great meaning: something to copy."""
    if rng.random() < 0.3:
        if zh:
            return rng.choice(_passages())
        return " ".join(rng.choice(_letters()) for _ in range(rng.choice((1, 1, 2, 2, 3))))
    if zh:
        return "".join(made_up_zh(rng) for _ in range(rng.randint(1, 3)))
    pool = (
        [english for english, _ in TRANSLATIONS]
        + NAMES_EN
        + ["the", "at", "in", "with", "meeting", "please", "on", "my"]
    )
    return " ".join(rng.choice(pool) if rng.random() < 0.8 else made_up(rng) for _ in range(rng.randint(2, 6)))
