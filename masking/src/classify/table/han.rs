//! Han characters, and small facts about them.

const FIRST: u32 = 0x4e00;
const LAST: u32 = 0x9fff;

/// A number for each common Han character (U+4E00 to U+9FFF), 0 unless set; others are always 0.
#[derive(Debug)]
pub(crate) struct HanMap(Vec<u16>);

impl Default for HanMap {
    fn default() -> Self {
        Self(vec![0; 0x5200])
    }
}

impl HanMap {
    pub(crate) fn set(&mut self, char: char, value: u16) {
        if let Some(place) = place(char)
            && let Some(slot) = self.0.get_mut(place)
        {
            *slot = value;
        }
    }

    pub(crate) fn at(&self, char: char) -> u16 {
        place(char)
            .and_then(|place| self.0.get(place))
            .copied()
            .unwrap_or(0)
    }
}

fn place(char: char) -> Option<usize> {
    let code = u32::from(char);
    if (FIRST..=LAST).contains(&code) {
        usize::try_from(code - FIRST).ok()
    } else {
        None
    }
}

/// Whether a character is a Han ideograph.
pub(crate) fn is_han(char: char) -> bool {
    matches!(char, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}')
}

/// Whether a character ends words for places, organisations, things and diseases, and hardly any
/// name.
pub(crate) fn ends_no_name(char: char) -> bool {
    // The radical of illness holds no character of names.
    if matches!(char, '\u{7592}'..='\u{7672}') {
        return true;
    }
    const ENDS: &str = "省市区县镇乡村路街道司店局院厅部校厂站所会病症炎癌瘤压热痛伤科药片液类型级品号元年月日度率费额障血贫";
    ENDS.contains(char)
}
