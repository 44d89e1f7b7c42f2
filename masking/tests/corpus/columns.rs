//! Columns of identifiers, hinted and not, clean and dirty, and columns that only look like them.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use arrow::record_batch::RecordBatch;
use masking::{Classifier, ColumnClass, ColumnHint, Identifier};

use super::brands::{SEEN, UNSEEN};
use super::draw::Draw;
use super::kinds::{luhn, place, region, resident_check, resident_id, valid};
use super::places::{FIRMS, PRODUCTS, STATIONS, WORKS};
use super::score::Score;

/// Columns per kind of identifier and of decoy.
const COLUMNS: u64 = 50;

/// Classifies every column.
pub(crate) fn judge(score: &mut Score) {
    for kind in Identifier::ALL {
        for seed in 0..COLUMNS {
            positive(kind, seed, score);
        }
    }
    for (place, (name, comment, make)) in DECOYS.into_iter().enumerate() {
        for seed in 0..COLUMNS {
            let mut draw = Draw::new(9000 + seed);
            let rows = draw.between(40, 400);
            let values = (0..rows).map(|row| Some(make(&mut draw, row))).collect();
            let class = classify(name, comment, text_column(values));
            if let Some(found) = class.identifier {
                score.invented(found, &format!("decoy {place} {name} {comment} {seed}"));
            }
        }
    }
    numbers_that_are_none(score);
}

fn positive(kind: Identifier, seed: u64, score: &mut Score) {
    let mut draw = Draw::new(seed * 31 + 5);
    let rows = draw.between(40, 400);
    let dirt = draw.below(4);
    let values = (0..rows)
        .map(|_| match draw.percent(dirt) {
            true => draw.of(&["", "不详", "无", "-", "0"]).to_owned().into(),
            false if draw.percent(3) => None,
            false => Some(valid(kind, &mut draw)),
        })
        .collect();
    // Every other column is without a hint where values can tell.
    let hint = if needs_hint(kind) || seed.is_multiple_of(2) {
        hint(kind)
    } else {
        ("c7", "")
    };
    let class = classify(hint.0, hint.1, text_column(values));
    let case = format!(
        "{hint:?} {seed} {:?} {:?}",
        class.identifier,
        class.evidence.candidates.first()
    );
    match class.identifier {
        Some(found) if found == kind => score.right(kind),
        Some(found) => {
            score.missed(kind, &case);
            score.invented(found, &case);
        }
        None => score.missed(kind, &case),
    }
}

fn needs_hint(kind: Identifier) -> bool {
    matches!(
        kind,
        Identifier::MachineNumber
            | Identifier::Passport
            | Identifier::HomeReturnPermit
            | Identifier::HkMacauPermit
            | Identifier::TaiwanPermit
            | Identifier::SocialSecurityNumber
            | Identifier::MedicalInsuranceNumber
    )
}

fn hint(kind: Identifier) -> (&'static str, &'static str) {
    match kind {
        Identifier::ResidentId => ("sfzh", "身份证号"),
        Identifier::CreditCode => ("uscc", ""),
        Identifier::BankCard => ("c1", "银行卡号"),
        Identifier::OrganisationCode => ("org_code", ""),
        Identifier::Mobile => ("phone", "联系电话"),
        Identifier::MachineNumber => ("c2", "物联网卡号"),
        Identifier::Plate => ("plate", ""),
        Identifier::Passport => ("c3", "护照号"),
        Identifier::HomeReturnPermit => ("c3", "港澳居民来往内地通行证号"),
        Identifier::HkMacauPermit => ("c3", "港澳通行证"),
        Identifier::TaiwanPermit => ("c3", "台胞证号"),
        Identifier::SocialSecurityNumber => ("c4", "社保卡号"),
        Identifier::MedicalInsuranceNumber => ("c4", "医保编号"),
        Identifier::Email => ("email", ""),
        Identifier::Ipv4 => ("ip", ""),
        Identifier::Ipv6 => ("ipv6", ""),
        Identifier::Mac => ("mac_address", ""),
        Identifier::LandLine => ("c5", "固定电话"),
        Identifier::Name => ("xm", "姓名"),
        Identifier::Address => ("addr", "地址"),
        Identifier::Coordinates => ("c6", "坐标"),
    }
}

type Make = fn(&mut Draw, usize) -> String;

/// Name, comment and values of columns that hold no identifier.
const DECOYS: [(&str, &str, Make); 49] = [
    ("c1", "", |draw, _| {
        format!("{}{}", draw.day(2020, 2024), draw.digits(10))
    }),
    ("订单号", "", |draw, _| {
        format!("{}{}", draw.day(2020, 2024), draw.digits(10))
    }),
    ("c1", "", |draw, _| draw.digits(18)),
    ("c1", "", |draw, _| draw.digits(16)),
    ("c1", "", |draw, _| draw.digits(19)),
    ("c1", "", |draw, _| draw.digits(11)),
    ("c1", "", |draw, _| draw.digits(9)),
    ("c1", "", |draw, _| draw.digits(8)),
    ("c1", "", |draw, _| format!("1{}", draw.digits(10))),
    ("c1", "", |draw, _| format!("17{}", draw.digits(11))),
    ("c1", "", |draw, _| format!("14{}", draw.digits(11))),
    ("c1", "", |_, row| (13_800_000_000 + row).to_string()),
    ("c1", "", |_, row| {
        (6_222_020_000_000_000_000 + row).to_string()
    }),
    ("c1", "", |draw, _| {
        let body = format!("{}{}", draw.between(1, 9), draw.digits(15));
        let mut value = luhn(&body);
        if draw.percent(60) {
            value = draw.digits(17);
        }
        value
    }),
    ("c1", "", |draw, _| {
        let body = &resident_id(draw)[..17];
        format!("{body}{}", draw.digits(1))
    }),
    ("c1", "", |draw, _| {
        let body = resident_id(draw)[..17].to_owned();
        let right = resident_check(&body);
        format!("{body}{}", if right == '5' { '6' } else { '5' })
    }),
    ("c1", "", |draw, _| {
        format!(
            "{}.{}.{}.{}",
            draw.below(5),
            draw.below(20),
            draw.below(20),
            draw.below(30)
        )
    }),
    ("version", "", |draw, _| {
        format!(
            "{}.{}.{}.{}",
            draw.below(5),
            draw.below(90),
            draw.below(90),
            draw.below(255)
        )
    }),
    ("price", "单价", |draw, _| {
        format!("{}.{}", draw.between(73, 130), draw.digits(4))
    }),
    ("c1", "", |draw, _| {
        format!("{}.{}", draw.between(73, 130), draw.digits(4))
    }),
    ("c1", "", |draw, _| format!("E{}", draw.digits(8))),
    ("c1", "", |draw, _| format!("C{}", draw.digits(8))),
    ("c1", "", |draw, _| {
        draw.chars("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789", 9)
    }),
    ("c1", "", |draw, _| {
        draw.chars("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789", 18)
    }),
    ("uuid", "", |draw, _| draw.chars("0123456789abcdef", 32)),
    ("c1", "", |draw, _| draw.chars("0123456789abcdef", 12)),
    ("city", "城市", |draw, _| region(draw)),
    ("c1", "", |draw, _| region(draw)),
    ("c1", "", |draw, _| draw.of(CITIES).to_owned()),
    ("c1", "", |draw, _| draw.of(DISEASES).to_owned()),
    ("c1", "", |draw, _| draw.of(FOODS).to_owned()),
    ("c1", "", |draw, _| draw.of(JOBS).to_owned()),
    ("c1", "", |draw, _| draw.of(HERBS).to_owned()),
    ("c1", "", |draw, _| draw.of(THINGS).to_owned()),
    ("c1", "", |draw, _| draw.of(WORDS).to_owned()),
    ("c1", "", |draw, _| draw.of(SEEN).to_owned()),
    ("c1", "", |draw, _| draw.of(UNSEEN).to_owned()),
    ("c1", "", |draw, _| draw.of(STATIONS).to_owned()),
    ("c1", "", |draw, _| draw.of(FIRMS).to_owned()),
    ("c1", "", |draw, _| draw.of(PRODUCTS).to_owned()),
    ("c1", "", |draw, _| draw.of(WORKS).to_owned()),
    ("c1", "", |draw, row| match row % 4 {
        0 => draw.of(STATIONS).to_owned(),
        1 => draw.of(FIRMS).to_owned(),
        2 => draw.of(UNSEEN).to_owned(),
        _ => draw.of(WORKS).to_owned(),
    }),
    ("c1", "", |draw, _| {
        format!("{}{}有限公司", draw.of(CITIES), draw.of(WORDS))
    }),
    ("remark", "", |draw, _| {
        format!("第{}次随访，{}", draw.below(99), draw.of(WORDS))
    }),
    ("c1", "", |draw, _| {
        format!("2023-{:02}-{:02}", draw.between(1, 12), draw.between(1, 28))
    }),
    ("c1", "", |draw, _| {
        format!(
            "2023-01-{:02} {:02}:{:02}:{:02}",
            draw.between(1, 28),
            draw.below(24),
            draw.below(60),
            draw.below(60)
        )
    }),
    ("c1", "", |draw, _| {
        format!(
            "{:02}:{:02}:{:02}",
            draw.below(24),
            draw.below(60),
            draw.below(60)
        )
    }),
    ("c1", "", |draw, _| format!("0{}", draw.digits(10))),
    ("c1", "", |draw, _| format!("闽{}", draw.digits(6))),
];

const CITIES: &[&str] = &[
    "厦门市",
    "福州市",
    "泉州市",
    "漳州市",
    "莆田市",
    "龙岩市",
    "三明市",
    "南平市",
    "宁德市",
    "北京",
    "上海",
    "天津",
    "重庆",
    "广州",
    "深圳",
    "杭州",
    "南京",
    "苏州",
    "武汉",
    "成都",
    "西安",
    "长沙",
    "郑州",
    "济南",
    "青岛",
    "大连",
    "沈阳",
    "合肥",
    "南昌",
    "昆明",
    "贵阳",
    "安康",
    "金华",
    "温州",
    "常州",
    "柳州",
    "桂林",
    "黄山",
    "宁波",
    "安阳",
];
const DISEASES: &[&str] = &[
    "高血压",
    "白内障",
    "糖尿病",
    "冠心病",
    "胃炎",
    "肺炎",
    "支气管炎",
    "哮喘",
    "肝炎",
    "脂肪肝",
    "胆结石",
    "肾结石",
    "骨折",
    "关节炎",
    "颈椎病",
    "贫血",
    "甲亢",
    "甲减",
    "痛风",
    "湿疹",
    "鼻炎",
    "咽炎",
    "中耳炎",
    "近视",
    "青光眼",
    "抑郁症",
    "失眠",
    "偏头痛",
    "脑梗死",
    "房颤",
    "黄疸",
    "麻疹",
    "水痘",
    "白血病",
    "麻风",
    "鱼鳞病",
    "龙凤胎",
    "强直",
];
const HERBS: &[&str] = &[
    "白酒",
    "黄酒",
    "红酒",
    "葡萄",
    "苹果",
    "香蕉",
    "石斛",
    "党参",
    "黄芪",
    "当归",
    "白术",
    "茯苓",
    "甘草",
    "麦冬",
    "金银花",
    "连翘",
    "板蓝根",
    "柴胡",
    "防风",
    "荆芥",
    "桔梗",
    "薄荷",
    "菊花",
    "桑叶",
    "牛蒡",
    "柏叶",
    "杜仲",
    "牛膝",
    "熟地",
    "山药",
    "枸杞",
    "麻黄",
    "桂枝",
    "葛根",
    "藿香",
    "苏叶",
    "车前子",
    "胡椒",
    "花茶",
    "白茶",
];
const THINGS: &[&str] = &[
    "白板", "黄色", "红色", "金色", "银色", "石材", "钢筋", "水泥", "木板", "玻璃", "安装", "施工",
    "成本", "计量", "计数", "常用", "备用", "应急", "盛夏", "初秋", "严格", "宽松", "高度", "厚度",
    "温度", "湿度", "方向", "广场", "海洋", "江河", "湖泊", "田野", "林地", "牧场", "年度", "季度",
    "月份", "时段", "车辆", "船舶", "古迹", "历史", "景点", "门票", "路线",
];
const FOODS: &[&str] = &[
    "黄瓜",
    "白菜",
    "马铃薯",
    "洋葱",
    "胡萝卜",
    "金针菇",
    "花生",
    "黄豆",
    "毛豆",
    "包子",
    "水饺",
    "米粉",
    "方便面",
    "牛肉",
    "羊排",
    "鱼丸",
    "龙虾",
    "石斑鱼",
    "石榴",
    "柏子仁",
    "白糖",
    "花椒",
    "姜母鸭",
    "沙茶面",
    "鲍鱼",
    "马蹄糕",
    "油条",
    "麻花",
    "汤圆",
    "雪糕",
    "柳橙汁",
    "苏打水",
    "红豆汤",
    "莲子",
    "杨梅",
    "李子",
    "荔枝",
    "高粱",
    "曲奇",
    "桂花糕",
];
const JOBS: &[&str] = &[
    "教师",
    "会计",
    "司机",
    "厨师",
    "程序员",
    "护士长",
    "医生",
    "工程师",
    "项目经理",
    "文员",
    "保安",
    "保洁",
    "销售",
    "采购员",
    "质检员",
    "钳工",
    "焊工",
    "电工",
    "车工",
    "出纳",
    "律师",
    "法官",
    "民警",
    "农民",
    "渔民",
    "牧民",
    "学生",
    "军人",
    "公务员",
    "演员",
    "编辑",
    "记者",
    "翻译",
    "设计师",
    "摄影师",
    "快递员",
    "店长",
    "经理",
    "主任",
    "科长",
];
const WORDS: &[&str] = &[
    "高级",
    "普通",
    "正常",
    "异常",
    "已完成",
    "未开始",
    "进行中",
    "通过",
    "驳回",
    "安全",
    "时间",
    "方案",
    "方法",
    "成功",
    "失败",
    "金额",
    "万元",
    "白天",
    "夜间",
    "平台",
    "平均值",
    "全部",
    "应收",
    "应付",
    "计划内",
    "计划外",
    "单价",
    "单位",
    "包装",
    "水电",
    "水利",
    "电力",
    "交通",
    "农业",
    "工业",
    "金融",
    "教育",
    "卫生",
    "文化",
    "体育",
    "房地产",
    "黄金",
    "白银",
];

/// Numeric columns without identifiers, and pairs of coordinates in two columns.
fn numbers_that_are_none(score: &mut Score) {
    for seed in 0..COLUMNS {
        let mut draw = Draw::new(seed + 500);
        let rows = draw.between(40, 400);
        let weights = (0..rows).map(|_| {
            format!("{}.{}", draw.between(73, 130), draw.digits(5))
                .parse()
                .unwrap()
        });
        let weights: ArrayRef = Arc::new(Float64Array::from_iter_values(
            weights.collect::<Vec<f64>>(),
        ));
        let serial: ArrayRef = Arc::new(Int64Array::from_iter_values(
            (0..i64::try_from(rows).unwrap()).map(|row| 20_240_000_000 + row),
        ));
        for (name, column) in [("weight", weights), ("c1", serial)] {
            if let Some(found) = classify(name, "", column).identifier {
                score.invented(found, &format!("{name} {seed}"));
            }
        }
        let places: Vec<(f64, f64)> = (0..rows)
            .map(|_| place(&mut draw))
            .map(|(east, north)| (east.parse().unwrap(), north.parse().unwrap()))
            .collect();
        let east: ArrayRef = Arc::new(Float64Array::from_iter_values(
            places.iter().map(|place| place.0),
        ));
        let north: ArrayRef = Arc::new(Float64Array::from_iter_values(
            places.iter().map(|place| place.1),
        ));
        // The second column of the pair has no name of its own.
        let batch = RecordBatch::try_from_iter([("lng", east), ("c2", north)]).unwrap();
        for class in run(&batch, &[]) {
            match class.identifier {
                Some(Identifier::Coordinates) => score.right(Identifier::Coordinates),
                _ => score.missed(
                    Identifier::Coordinates,
                    &format!("pair {seed} {}", class.column),
                ),
            }
        }
    }
}

fn text_column(values: Vec<Option<String>>) -> ArrayRef {
    Arc::new(StringArray::from(values))
}

fn classify(name: &str, comment: &str, column: ArrayRef) -> ColumnClass {
    let batch = RecordBatch::try_from_iter_with_nullable([(name, column, true)]).unwrap();
    let hints = [ColumnHint {
        name: name.to_owned(),
        comment: comment.to_owned(),
    }];
    run(&batch, &hints).remove(0)
}

fn run(batch: &RecordBatch, hints: &[ColumnHint]) -> Vec<ColumnClass> {
    let mut classifier = Classifier::new(batch.schema_ref(), hints);
    classifier.observe(batch).unwrap();
    classifier.finish()
}
