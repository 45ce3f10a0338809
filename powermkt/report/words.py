"""What a page says, in English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping

from powermkt.report.leads import LEADS

LANGUAGES = ("en", "zh")

# English text -> Chinese. What is not here is shown as it is.
# Names of quantities that hold their unit, which stands beside them.
_ENGLISH = {
    "generation_twh": "generation", "capacity_gw": "capacity", "curtailment_pct": "curtailment",
    "coal_rate_gce_per_kwh_net": "coal rate", "peak_load_gw": "peak load",
    "consumption_twh": "consumption", "generation_share_pct": "share of generation",
}  # fmt: skip
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
    "Gas CC": "燃气联合循环", "Gas CT": "燃气轮机", "Oil CT": "燃油轮机", "Oil ST": "燃油汽轮机",
    "Steam": "汽轮机", "Solar PV": "光伏", "Solar RTPV": "屋顶光伏", "Storage": "储能",
    "Sync_Cond": "调相机", "solar": "光伏", "wind": "风电", "hydro": "水电", "thermal": "火电",
    "total": "合计", "coal_thermal": "煤电",
    # groups and accounts
    "consumers": "用户", "producers": "发电企业", "storage": "储能", "grid companies": "电网企业",
    "transmission": "输电", "carbon fund": "碳基金", "allowance exchange": "配额交易所",
    "resource cost": "资源成本", "all together": "各方合计",
    "excess generation": "过剩发电", "market operator": "市场运营机构",
    "charging": "储能充电", "load": "负荷", "curtailed": "弃电", "all": "全国",
    "reserve provision": "备用供给", "energy users": "用能企业", "electricity users": "电力用户",
    "users": "用户", "government": "政府", "unserved load": "缺供负荷",
    "industrial_commercial": "工商业", "energy_intensive": "高耗能",
    "residential_agricultural": "居民与农业",
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
    "Energy by province": "分省电量结构", "Pass-through by hour": "分时碳价传导",
    "What users pay": "用户电价", "What remedies are worth": "各项措施的价值",
    "Where dispatch switches": "燃料切换点", "Whose carbon it is": "碳排放责任",
    "Carbon in what provinces send each other": "省间转移的碳排放",
    "Who would pay for carbon": "碳成本由谁承担", "Certificates": "绿证",
    "Instruments that overlap": "政策工具的重叠", "Prices of instruments": "各政策工具的价格",
    "What two instruments both count": "两种工具的重复计算", "What plant earns": "电源收益率",
    "One more plant": "新增一座电厂", "What enters": "新增装机",
    "What entry changes": "新增装机的影响",
    "Risk over weather years": "气象年风险", "What flexibility earns": "灵活性收益",
    "Savings": "节能措施", "Model and observation": "模型与实际对照",
    "Quality of data": "数据质量",
    "Not in these results": "本页未包含的内容", "is made by": "由此命令生成：",
    "incomplete results": "结果不完整，缺少数据表", "comes from": "数据来自",
    "horizon": "时段", "shown from": "已采用前一文件夹中的同名数据表", "other tables": "其他数据表",
    "all provinces": "全部省份", "mean day": "平均日",
    "hour of the day": "时刻", "output and curtailed": "出力与弃电之和", "user class": "用户类别",
    "what": "指标", "at the margin": "边际值", "cleared again": "重新出清",
    "resource cost saved": "节约的资源成本", "curtailment avoided": "减少的弃电",
    "model less observed": "模型相对实际的偏差", "model": "模型", "observed": "实际",
    "difference (%)": "偏差（%）", "quantity": "指标", "carrier": "电源类型", "quality": "质量标签",
    "production-based": "生产侧", "consumption-based": "消费侧", "emissions": "排放量",
    "producer pays": "生产侧承担", "consumer pays": "消费侧承担", "shared": "共同承担",
    "carbon cost": "碳成本", "internal rate of return": "内部收益率", "capacity": "装机容量",
    "obligations by province": "各省义务完成情况", "certificates by technology": "分电源绿证去向",
    "counted twice": "重复计算", "bundled": "证电合一", "local": "本省", "bought": "外购",
    "short": "缺口", "retired": "已核销", "banked": "结转", "converted": "转为碳抵消",
    "certificates": "绿证", "cost of instruments": "政策成本", "emissions avoided": "减排量",
    "renewable share": "可再生能源占比", "cost above none": "相对无政策的成本",
    "power system": "电力系统", "measures": "节能措施", "plant emits less": "电厂减排",
    "fuel that measures save": "措施节约的燃料", "with a common ledger": "统一账本后",
    "share of rows": "数据行占比", "sourced": "有来源", "sourced (derived)": "由来源推算",
    "model input": "模型输入", "estimated": "估算", "recalled": "凭记忆，未核实",
    "what the market file states": "市场文件中的设定", "assumptions of the study": "研究假设",
    "loses output": "减少出力", "gains output": "增加出力",
    "change of emissions (t)": "排放变化（吨）", "abatement cost": "减排成本",
    "energy that moves (MWh)": "转移电量（MWh）", "case": "情形", "price of a tonne": "每吨价格",
    "capacity (MW)": "容量（MW）", "full load hours": "利用小时", "price received": "所得电价",
    "internal rate of return (%)": "内部收益率（%）", "enters (MW)": "新增（MW）",
    "wind share (%)": "风电占比（%）", "solar share (%)": "光伏占比（%）", "cost in all": "总成本",
    "emissions (t)": "排放量（吨）", "curtailment (%)": "弃电率（%）",
    "potential (tce)": "潜力（吨标准煤）", "saved (tce)": "节约量（吨标准煤）",
    "rent": "租金",
    "measure": "措施", "renewable_revenue": "可再生能源收入", "renewable_mwh": "可再生能源电量",
    "renewable_price": "可再生能源电价", "consumer_bill": "用户电费", "retail_price": "零售电价",
    "wholesale_price": "批发电价", "emissions_t": "排放量", "curtailment_mwh": "弃电量",
    "curtailment_rate": "弃电率", "load_shed_mwh": "切负荷", "storage_per_mw": "储能净收入",
    "arbitrage_per_mw": "最优套利收入", "capture_break_even": "碳捕集盈亏平衡碳价",
    "corridor": "输电通道", "retrofit": "灵活性改造", "electric boiler": "电锅炉",
    # tables of input
    "buses": "节点", "calendar": "日历", "carriers": "电源类型表", "coal_fleets": "煤电机组",
    "corridors": "输电通道表", "demand_monthly": "月度用电量", "finance": "财务参数",
    "framework_schedule": "框架计划", "fuel_prices": "燃料价格", "load_shape": "负荷曲线",
    "must_run": "必开出力", "renewables": "可再生能源", "tariffs": "电价", "technology": "技术参数",
    "wind_diurnal": "风电日内曲线", "calibration": "校准参数",
    # payments
    "retail energy": "零售电量", "interprovincial energy": "省间电量",
    "allowance sale": "配额出售", "allowance purchase": "配额购买", "allowance auction": "配额拍卖",
    "network charge": "输配电费", "congestion rent": "阻塞盈余", "wheeling": "过网费",
    # observed and remedies
    "generation_twh": "发电量", "capacity_gw": "装机", "utilisation_hours": "利用小时",
    "curtailment_pct": "弃电率", "coal_rate_gce_per_kwh_net": "供电煤耗",
    "peak_load_gw": "最大负荷", "consumption_twh": "用电量", "generation_share_pct": "发电占比",
    "electric_boilers": "电锅炉", "flexible_coal": "煤电灵活性改造",
    "storage_hours": "储能时长", "storage_power": "储能功率",
    "spinning": "旋转备用", "non_spinning": "非旋转备用", "regulation up": "上调频",
    "regulation down": "下调频", "public funds": "公共资金", "derived": "推算",
    # instruments
    "separate, claims once": "各自独立，不重复申领", "certificates with carbon": "绿证并入碳市场",
    "certificates credited in carbon": "绿证抵扣碳排放",
    "energy-use rights with white certificates": "用能权与白证合并", "unified": "统一市场",
    "carbon+green": "碳市场+绿证", "energy_use+white": "用能权+白证",
    "carbon+energy_use+white+green": "四者合一",
    "none": "无政策", "carbon": "碳市场", "energy_use": "能耗双控", "white": "白证",
    "green": "绿证",
    "separate": "各自独立", "all instruments": "全部工具",
    "Assumptions": "假设", "overlap": "政策重叠", "entry": "新增装机", "remedies": "措施",
    "claims": "绿证",
    "Emissions that move elsewhere": "碳泄漏",
    "What plant gains by the carbon price": "碳价带来的意外收益",
    "What plant is paid for": "电源收入构成", "Limits on emissions": "排放上限",
    "How much coal plant runs": "煤电利用小时",
    "Tonnes that instruments claim": "各工具申领的减排量",
    "What the claims ledger proves": "申领账本的验证", "Who bears instruments": "政策负担归属",
    "Beside published figures": "与文献对照",
    "change where the price holds (t)": "受碳价约束省份的变化（吨）",
    "change elsewhere (t)": "其他省份的变化（吨）", "leakage (%)": "泄漏率（%）",
    "limit (t)": "上限（吨）", "counted (t)": "计入量（吨）",
    "cost above its lower bound (%)": "成本高于下限（%）", "gain by price": "电价上涨收入",
    "free allowances": "免费配额", "windfall": "意外收益", "paid": "收入", "usual": "正常范围",
    "outlier": "异常", "loss of parties": "各方损失", "net payments": "净支付",
    "plant operators": "发电企业", "check": "验证", "left side": "左边", "right side": "右边",
    "is": "关系", "holds": "成立", "yes": "是", "no": "否", "source": "来源",
    "instrument": "工具", "physical (t)": "实际（吨）", "claimed (t)": "申领（吨）",
    "with a common ledger (t)": "统一账本后（吨）", "reading": "读法",
    "published, from (%)": "文献下限（%）", "published, to (%)": "文献上限（%）",
    "here (%)": "本研究（%）", "why they differ": "差异原因", "plant": "电厂",
    "of total cost": "占总成本", "of the cost of instruments": "占政策成本",
    "of what is minimised": "占最小化目标值",
    "relative": "相对", "percentage points": "百分点", "worth": "价值",
    "cost for the same CO2, certificates with carbon against separate instruments":
        "减排量相同时的成本：绿证并入碳市场较各自独立的变化",
    "cost for the same CO2, unified against separate instruments":
        "减排量相同时的成本：统一市场较各自独立的变化",
    "renewable share, certificates with carbon against carbon alone":
        "可再生能源占比：绿证并入碳市场较仅有碳市场的变化",
    "renewable share, certificates credited in carbon against carbon alone":
        "可再生能源占比：绿证抵扣碳排放较仅有碳市场的变化",
    "claimed by the ledger, physical": "账本申领量，实际减排量",
    "granted beyond what is asked for": "超出申请的核准量",
    "claimed twice by any pair": "任意两种工具重复申领量",
    "This page needs JavaScript for its figures.": "图形需要 JavaScript。",
    "money": "货币", "made by": "计算工具",
    # what a ledger of certificates proves
    "issued, generated": "签发量不大于发电量",
    "issued, retired + banked + converted": "签发量等于注销、结存与转换之和",
    "the same by plant and month: largest difference": "同上，按电厂与月份：最大差异",
    "MWh in two claims": "被两次声明的电量",
    "MWh claimed beyond what is issued": "超出签发量的声明电量",
    "intervals, energy of claims: largest difference": "区间与声明电量：最大差异",
    "claimed with green power, delivered": "随绿电声明的电量等于交付量",
    "obligations, met + short": "义务量等于完成与缺口之和",
    "retired for obligations, in their account": "为义务注销的电量等于账户所记",
    "credited, avoided": "签发的减排量不大于避免的排放",
    "credited, in the claims": "签发的减排量等于声明中所记",
    "credited, surrendered + held": "签发的减排量等于清缴与持有之和",
    "credited, limit on offsets": "签发的减排量不超过抵销上限",
    "surrendered, in the account of units": "清缴量不大于机组账户所记",
}  # fmt: skip

_UNITS = {"k CNY": "千元", "m CNY": "百万元", "bn CNY": "十亿元", "CNY": "元", "/t": "/吨",
          "k USD": "千美元", "m USD": "百万美元", "bn USD": "十亿美元", "USD": "美元",
          "k EUR": "千欧元", "m EUR": "百万欧元", "bn EUR": "十亿欧元", "EUR": "欧元",
          "k money": "千货币单位", "m money": "百万货币单位", "bn money": "十亿货币单位",
          "money": "货币单位"}  # fmt: skip


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
        chinese = self.language == "zh"
        if text in self._names:
            return self._names[text]
        if text in _CHINESE:
            return _CHINESE[text] if chinese else _ENGLISH.get(text, text.replace("_", " "))
        head, colon, tail = text.partition(": ")
        if colon and (head in _CHINESE or tail in _CHINESE):
            return f"{self(head)}{'：' if chinese else ': '}{self(tail)}"
        return text

    def lead(self, section: str) -> str:
        """Return what a section shows."""
        return LEADS[section][LANGUAGES.index(self.language)]
