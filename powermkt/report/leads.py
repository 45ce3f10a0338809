"""What each section of the page shows, in a sentence or two under its heading."""

from __future__ import annotations

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
        "Change of welfare against the lowest carbon price; all together lose by how much resource "
        "cost rises, and gain by how much it falls.",
        "相对最低碳价的福利变化；各方合计等于资源成本变化的相反数。",
    ),
    "leakage": (
        "Change of emissions against the lowest carbon price, where the carbon price holds and in "
        "the other provinces; leakage is the share of what is avoided that arises elsewhere.",
        "相对最低碳价的排放变化：受碳价约束的省份与其他省份；泄漏率为减排量中转移到他处的比例。",
    ),
    "windfall": (
        "Against the lowest carbon price, by technology: what dearer power brings, allowances that "
        "are free, and what carbon costs; the diamond is the sum of the three.",
        "相对最低碳价、分电源：电价上涨带来的收入、免费配额与碳成本；菱形为三者之和。",
    ),
    "revenue": (
        "What plant is paid over the horizon for energy and for each service, before its costs.",
        "全时段各类电源来自电量与各项服务的收入（未扣成本）。",
    ),
    "caps": (
        "Limits on emissions, the carbon price at which they hold, and how far the cost may be "
        "above the least there is.",
        "排放上限、达到上限的碳价，以及成本高于理论下限的幅度。",
    ),
    "utilisation": (
        "Energy over capacity of coal plant by province in the calibration run.",
        "校准运行中各省煤电的利用小时（电量除以装机）。",
    ),
    "claimed": (
        "Tonnes that each instrument would claim of a source, beside what is physically avoided, "
        "and what a common ledger leaves it.",
        "各工具对每一来源申领的减排量、实际减排量，以及统一账本下可申领的部分。",
    ),
    "ledger_proof": (
        "Sums that hold where each tonne is claimed once.",
        "每吨减排只申领一次时应成立的等式与不等式。",
    ),
    "burdens": (
        "Against the case without instruments. Loss counts what prices of power change, too; "
        "below zero a party gains, or is paid.",
        "相对无政策情形。损失包含电价变化的影响；负值表示受益或获得支付。",
    ),
    "published": (
        "Published ranges and what is found here, by each reading of what they say.",
        "文献区间与本研究结果，按各种读法分别比较。",
    ),
    "abatement": (
        "What one more tonne abated costs, by tonnes abated: the carbon price at which it is, and "
        "what it costs in resources.",
        "按减排量排列的边际减排成本：触发碳价与资源成本。",
    ),
    "reserve_prices": (
        "Prices of reserves over all snapshots: lowest, quartiles and highest.",
        "各时点备用价格的分布：最低、四分位与最高。",
    ),
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
    "generation": (
        "Energy by province and technology over the horizon, the largest first.",
        "全时段各省分电源电量，由大到小排列。",
    ),
    "pass_through_by_hour": (
        "The same rate by hour of the day: change of price over marginal carbon cost, weighted by "
        "load, over hours in which a fossil unit that bears a carbon price is marginal. Empty "
        "where there is no such hour.",
        "按一天中的时刻：电价变化与边际碳成本之比（按负荷加权），仅计边际机组为承担碳价的火电的小时；无此类小时处留空。",
    ),
    "retail": (
        "What users of a class pay on average, with all charges.",
        "各类用户平均支付的电价，含全部费用。",
    ),
    "remedies": (
        "One more of each, the twenty worth most: read from the duals of the clearing, and found "
        "by clearing again with it where that was done. Where limits meet, the two differ.",
        "价值最大的二十项措施：由出清对偶值读出的边际值，以及加入后重新出清的结果。约束相交处两者不同。",
    ),
    "switching": (
        "Carbon prices at which the largest changes of emissions happen, who gives less and who "
        "gives more.",
        "排放变化最大的碳价点，以及减少和增加出力的电源。",
    ),
    "responsibility": (
        "Emissions of the plant of a province, and those of what it uses, wherever they arise.",
        "各省电厂的排放（生产侧），以及其用电所含的排放（消费侧）。",
    ),
    "transfers": (
        "Emissions in one province (left) for what another uses (right); the largest flows.",
        "左侧省份的排放用于右侧省份的用电；图示最大的若干项。",
    ),
    "principles": (
        "Carbon cost of each province where producers bear it, where users do, and where they "
        "share it.",
        "由生产侧、消费侧或双方共同承担时各省的碳成本。",
    ),
    "certificates": (
        "How obligations to use renewable energy are met, what becomes of certificates, and "
        "tonnes that two instruments would both claim.",
        "可再生能源消纳义务的完成方式、绿证去向，以及会被重复申领的减排量。",
    ),
    "overlap": (
        "Each instrument alone, all beside each other, and merged: what they cost above the case "
        "without any, what they avoid, and the share of renewable energy.",
        "各工具单独实施、并行实施与合并后的成本、减排量和可再生能源占比。",
    ),
    "overlap_lines": (
        "Every target: what is reached, what one more unit costs. A merged line has one price.",
        "各项目标的实现值与单价；合并后的目标只有一个价格。",
    ),
    "double_counting": (
        "Tonnes that two instruments both count as theirs, without and with a common ledger.",
        "两种工具同时计为己有的减排量，无统一账本与有统一账本。",
    ),
    "returns": (
        "Return on investment of groups of plant. No dot where there is no rate, as when cash "
        "flows never turn positive.",
        "各类电源投资收益率；现金流始终不为正等无解情形不显示。",
    ),
    "one_more": (
        "One more plant beside those there are, cleared again.",
        "在现有电源之外新增一座电厂并重新出清。",
    ),
    "entry": (
        "Capacity that is built where it earns its yearly cost, by regime and carbon price.",
        "能收回年成本而新建的装机，按市场规则与碳价。",
    ),
    "entry_system": (
        "The system with what enters, by the year.",
        "计入新增装机后的系统，按年计。",
    ),
    "risk": (
        "Mean over weather years; the bar goes from the 5 % to the 95 % quantile.",
        "多气象年平均值，横线为 5% 至 95% 分位区间。",
    ),
    "flexibility": (
        "What storage earns under the regime and at most could by arbitrage, and the carbon price "
        "from which capture pays.",
        "储能在各规则下的净收入、最优套利收入，以及碳捕集的盈亏平衡碳价。",
    ),
    "savings": (
        "What measures save for obligations, what that costs and what it is worth.",
        "节能措施的节约量、成本与价值。",
    ),
    "calibration": (
        "One run beside observed figures. A dot right of zero: the model gives more.",
        "一次校准运行与实际数据对照；零点右侧表示模型偏高。",
    ),
    "quality": (
        "Rows of each input table (their number in brackets) by the label of their quality: "
        "sourced, derived from sources, input of a model, estimated, or recalled and not verified.",
        "各输入表的数据行（括号内为行数）按质量标签分类：有来源、由来源推算、模型输入、估算、凭记忆未核实。",
    ),
    "assumptions": (
        "What the market file and the study state, as they were read; what is left out has its "
        "default.",
        "市场文件与研究设定，按读入的内容；未写明的取默认值。",
    ),
}
