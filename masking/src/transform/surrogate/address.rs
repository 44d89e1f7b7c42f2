//! Invented addresses.

use crate::classify::region::regions;
use crate::fold::fold;
use crate::key::TokenKey;
use crate::transform::coarsen::RegionLevel;
use crate::transform::surrogate::{Draw, ROUNDS};

/// Street names that hundreds of Chinese towns have.
const STREETS: [&str; 40] = [
    "人民路",
    "中山路",
    "解放路",
    "建设路",
    "和平路",
    "新华路",
    "文化路",
    "光明路",
    "胜利路",
    "团结路",
    "幸福路",
    "友谊路",
    "前进路",
    "东风路",
    "长江路",
    "黄河路",
    "湖滨路",
    "滨江路",
    "滨河路",
    "公园路",
    "学府路",
    "科技路",
    "工业路",
    "兴业路",
    "迎宾路",
    "府前路",
    "站前路",
    "朝阳路",
    "青年路",
    "育才路",
    "环城路",
    "永安路",
    "康乐路",
    "振兴路",
    "富民路",
    "民主路",
    "复兴路",
    "健康路",
    "体育路",
    "教育路",
];
/// Houses of a street.
const HOUSES: u128 = 400;

/// The region of an address with an invented street and house.
pub(super) fn surrogate(text: &str, keep: RegionLevel, key: &TokenKey) -> Option<String> {
    let address = fold(text);
    let code = regions().resolve(&address)?;
    let head = code.get(..keep.digits())?;
    let region = regions().name(&format!("{head:0<6}"))?;
    (0..ROUNDS)
        .filter_map(|round| {
            let mut draw = Draw::new(key, &address, round);
            let street = draw.from(&STREETS)?;
            let house = draw.number(HOUSES);
            Some(format!("{region}{street}{house}号"))
        })
        .find(|invented| *invented != address)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::key::RootKey;

    fn invented(text: &str, keep: RegionLevel) -> Option<String> {
        let key = RootKey::from_bytes([1; 32]).surrogate("address", 1);
        surrogate(text, keep, &key)
    }

    #[test]
    fn the_region_stays_and_the_rest_does_not() {
        let address = "福建省厦门市思明区湖滨南路1号";
        for (keep, region) in [
            (RegionLevel::County, "福建省厦门市思明区"),
            (RegionLevel::City, "福建省厦门市"),
            (RegionLevel::Province, "福建省"),
        ] {
            let image = invented(address, keep).unwrap();
            let street = image.strip_prefix(region).unwrap();
            assert!(
                STREETS.iter().any(|known| street.starts_with(known)),
                "{image}"
            );
            assert!(image.ends_with('号') && !image.contains("湖滨南路"));
            assert_eq!(invented(address, keep).unwrap(), image);
        }
        assert_eq!(invented("没有地名", RegionLevel::City), None);
    }

    #[test]
    fn surrogates_are_many() {
        let images: HashSet<String> = (0..2000)
            .filter_map(|n| invented(&format!("厦门市湖里区枋湖路{n}号"), RegionLevel::County))
            .collect();
        assert!(images.len() > 1700, "{}", images.len());
        assert_eq!(STREETS.iter().collect::<HashSet<_>>().len(), STREETS.len());
    }
}
