"""What a page says, in English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping

LANGUAGES = ("en", "zh")

# English text -> Chinese. What is not here is shown as it is.
_CHINESE: dict[str, str] = {
    # regimes
    "fixed_tariff": "固定电价（计划调度）",
    "priority_dispatch": "优先调度（省间壁垒）",
    "full_market": "全面市场化",
    "full_market_auction": "全面市场化（配额拍卖）",
    "provincial_market": "省内市场",
    "joint_dispatch": "联合调度",
    "guaranteed_purchase": "保障性收购",
    "market_with_contracts": "含中长期合同的市场",
    "reform_2025": "2025年改革",
    "two_settlement": "两级结算市场",
    "interprovincial_spot": "省间现货",
    # carriers
    "coal": "煤电", "coal CHP": "煤电热电联产", "gas": "气电", "gas CHP": "气电热电联产",
    "nuclear": "核电", "reservoir hydro": "水库水电", "run of river": "径流水电",
    "pumped hydro": "抽水蓄能", "onshore wind": "陆上风电", "offshore wind": "海上风电",
    "solar utility": "集中式光伏", "solar distributed": "分布式光伏", "biomass": "生物质",
    "other thermal": "其他火电", "battery": "电池储能", "PHS": "抽水蓄能",
    "Coal": "煤电", "Wind": "风电", "Hydro": "水电", "Nuclear": "核电", "CSP": "光热",
    # groups and accounts
    "consumers": "用户", "producers": "发电企业", "storage": "储能", "grid companies": "电网企业",
    "transmission": "输电", "carbon fund": "碳基金", "allowance exchange": "配额交易所",
    "resource cost": "资源成本", "excess generation": "过剩发电", "market operator": "市场运营机构",
    "charging": "储能充电", "load": "负荷", "curtailed": "弃电", "all": "全国",
    # headings and labels
    "Rules compared": "规则比较",
    "Dispatch": "调度",
    "Prices": "电价",
    "Curtailment, flows and prices": "弃电、潮流与电价",
    "Curtailment by cause": "弃电成因",
    "Pass-through of the carbon price": "碳价传导",
    "Who gains and who loses by the carbon price": "碳价的得失归属",
    "Abatement": "减排阶梯", "abatement": "减排量", "marginal cost": "边际成本",
    "Reserve prices": "备用价格",
    "Who pays whom": "资金流向",
    "Obligations": "约束性指标",
    "How it was made": "计算说明",
    "regime": "市场规则", "carbon price": "碳价", "week": "周", "province": "省份",
    "cost": "资源成本", "CO2": "二氧化碳排放", "wind cut": "弃风率", "solar cut": "弃光率",
    "hydro cut": "弃水率", "wholesale price": "批发电价", "retail price": "零售电价",
    "users pay": "用户支付", "load shed": "切负荷",
    "price": "电价", "share of bus hours": "节点小时占比", "share of hours": "小时占比",
    "curtailed energy": "弃电量", "curtailment rate": "弃电率", "net flow": "净输送电量",
    "energy": "电量", "power": "功率", "welfare": "福利变化", "reserve price": "备用价格",
    "pass-through": "传导率", "change of price": "电价变化", "amount": "金额",
    "download data": "下载数据", "Mt": "百万吨", "data": "数据",
    "longitude": "经度", "latitude": "纬度", "product": "产品",
    "line": "指标", "kind": "类型", "unit": "单位", "target": "目标", "reached": "实现值",
    "shortfall": "缺口", "price of a unit": "单价", "at_most": "上限", "at_least": "下限",
    "windows": "时段", "versions": "软件版本", "notes": "注意事项", "rules of": "规则：",
    "contents": "目录", "from": "起", "to": "止", "hours": "小时",
    "flexibility": "灵活性", "network": "网架", "barrier": "省间壁垒",
    "dispatch_rule": "调度规则", "surplus": "过剩",
    "quota": "电量计划", "reserves": "备用", "ramping": "爬坡",
    "Not in these results:": "结果中没有：",
    "money": "货币", "made by": "计算工具",
}  # fmt: skip

_UNITS = {"k CNY": "千元", "m CNY": "百万元", "bn CNY": "十亿元", "CNY": "元", "/t": "/吨"}

# What a section shows, in a sentence or two under its heading.
LEADS: dict[str, tuple[str, str]] = {
    "headline": (
        "One row a regime and carbon price. Cost is resource cost: fuel, operation, starts and "
        "unserved load, without payments between parties. Prices are weighted by load.",
        "每行对应一种市场规则和一个碳价。成本为资源成本：燃料、运行、启停与缺供，不含各方之间的支付。电价按负荷加权。",
    ),
    "dispatch": (
        "Output by technology; below zero what storage and boilers take in. The line is the load "
        "served, the dotted line output and what was curtailed on top.",
        "各类电源出力；零以下为储能充电和电锅炉用电。实线为所供负荷，虚线为出力加弃电。",
    ),
    "duration": (
        "Wholesale prices, weighted by load over all provinces, from the dearest hour to the "
        "cheapest, by hours of the horizon.",
        "全系统按负荷加权的批发电价，自高到低排列，按所代表的小时数。",
    ),
    "map": (
        "Circles: curtailed energy (area) and price (colour). Lines: net energy between provinces "
        "over the horizon (width); arrows point to who receives. The data have every number.",
        "圆面积为弃电量，颜色为电价；连线宽度为全时段省间净输送电量，箭头指向受端。",
    ),
    "causes": (
        "Shapley shares of what causes curtailment: they add up to all of it.",
        "弃电成因的沙普利份额，合计等于全部弃电量。",
    ),
    "pass_through": (
        "Change of the wholesale price over change of the carbon price times the marginal "
        "emission rate of the province's load: 1 is full pass-through. Empty where a rate has no "
        "meaning.",
        "批发电价变化与（碳价变化×边际排放率）之比：1 表示完全传导。无意义处留空。",
    ),
    "incidence": (
        "Change of welfare against the lowest carbon price; all bars add up to zero with the "
        "change of resource cost as a bar of its own.",
        "相对最低碳价的福利变化；把资源成本变化单列后，各项合计为零。",
    ),
    "abatement": (
        "What one more tonne abated costs, by tonnes abated: the carbon price at which it is, and "
        "what it costs in resources.",
        "按减排量排列的边际减排成本：触发碳价与资源成本。",
    ),
    "reserve_prices": ("Prices of reserves, all hours.", "各小时备用价格的分布。"),
    "payments": (
        "Every payment has a payer and a payee. The largest flows of money between groups.",
        "每笔支付都有付款方与收款方。图示各群体之间最大的资金流。",
    ),
    "obligations": (
        "Targets over the horizon, what was reached, and the price at which they are met.",
        "全时段目标、实现值及达标价格。",
    ),
    "record": (
        "Horizon, versions, notes of the runs, and the rules as they were read.",
        "时段、软件版本、运行说明及所用规则。",
    ),
}


class Words:
    """Words of one language, with the names of provinces that the network has for it."""

    def __init__(self, language: str, names: Mapping[str, str] | None = None) -> None:
        self.language = language
        self._names = dict(names or {}) if language == "zh" else {}

    def unit(self, text: str) -> str:
        """Return a unit as the language writes it; SI symbols stay."""
        if self.language == "zh":
            for english, chinese in _UNITS.items():
                text = text.replace(english, chinese)
        return text

    def __call__(self, text: str) -> str:
        """Return a text in the language; as it is where there is no other."""
        if self.language != "zh":
            return text.replace("_", " ") if text in _CHINESE else text
        if text in self._names:
            return self._names[text]
        if text.startswith("producers: "):
            return f"{_CHINESE['producers']}：{self(text.removeprefix('producers: '))}"
        return _CHINESE.get(text, text)

    def lead(self, section: str) -> str:
        """Return what a section shows."""
        return LEADS[section][LANGUAGES.index(self.language)]
