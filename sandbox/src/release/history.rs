//! What earlier releases gave away: the sets of units of their cells, for every inspection to compare
//! with. Everybody's releases count, and no window resets it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use review::{EarlierCell, ReleasedCell};

use super::rows;
use crate::document;
use crate::error::Error;
use crate::objects::ObjectArea;
use crate::platform::Platform;

/// Bytes of cells that an inspection is given at most. Beyond it nothing is released from the
/// universe any more: to compare with a part of the history would be to forget the rest.
const HISTORY_BYTES_MAX: usize = 64 << 20;

/// The history of one universe at one number.
#[derive(Clone, Debug, Default)]
pub(crate) struct UniverseHistory {
    /// Raised with each decision that adds cells.
    pub(crate) sequence: i64,
    pub(crate) cells: Arc<Vec<EarlierCell>>,
    /// Digests of the cells.
    pub(crate) known: Arc<HashSet<String>>,
}

/// What this node has read of the history so far; only what was added since is read again.
#[derive(Debug, Default)]
pub(crate) struct HistoryCache(Mutex<HashMap<String, UniverseHistory>>);

impl HistoryCache {
    fn of(&self, universe: &str) -> UniverseHistory {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(universe).cloned().unwrap_or_default()
    }

    fn keep(&self, universe: &str, history: &UniverseHistory) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let newer = known
            .get(universe)
            .is_none_or(|kept| kept.sequence < history.sequence);
        if newer {
            known.insert(universe.to_owned(), history.clone());
        }
    }
}

/// The digest by which a cell is known.
pub(crate) fn cell_digest(cell: &ReleasedCell) -> String {
    document::sha256(&cell.units)
}

impl Platform {
    /// The history of the universes as it stands.
    pub(crate) async fn egress_history(
        &self,
        universes: &[String],
    ) -> Result<BTreeMap<String, UniverseHistory>, Error> {
        let mut histories = BTreeMap::new();
        for universe in universes {
            let history = self.universe_history(universe).await?;
            histories.insert(universe.clone(), history);
        }
        let bytes: usize = histories
            .values()
            .flat_map(|h| h.cells.iter())
            .map(|cell| cell.units.len())
            .sum();
        if bytes > HISTORY_BYTES_MAX {
            return Err(Error::unavailable(
                "history_too_large",
                "该数据集的历史出域记录过大，无法比对，暂停出域。",
                "the data set's release history is too large to compare with; nothing is released from it.",
            )
            .with_remedy("请联系平台运营方。", "ask the operator of the platform."));
        }
        Ok(histories)
    }

    async fn universe_history(&self, universe: &str) -> Result<UniverseHistory, Error> {
        let before = self.node().history.of(universe);
        let (name, after) = (universe.to_owned(), before.sequence);
        let (sequence, added) = self
            .store()
            .read("read the egress history", move |conn| {
                Box::pin(async move {
                    let sequence = rows::history_sequence(conn, &name).await?;
                    let added = if sequence > after {
                        rows::cells_after(conn, &name, after).await?
                    } else {
                        Vec::new()
                    };
                    Ok((sequence, added))
                })
            })
            .await?;
        if sequence == before.sequence {
            return Ok(before);
        }
        let mut cells = Vec::clone(&before.cells);
        let mut known = HashSet::clone(&before.known);
        let mut objects: HashMap<String, HashMap<String, Vec<u8>>> = HashMap::new();
        for row in added {
            if !objects.contains_key(&row.object) {
                let bytes = self.objects().get(ObjectArea::Units, &row.object).await?;
                objects.insert(row.object.clone(), units_of(&bytes, universe)?);
            }
            let units = objects
                .get_mut(&row.object)
                .and_then(|units| units.remove(&row.digest))
                .ok_or_else(|| damaged("an object lacks a cell"))?;
            let universe = universe.to_owned();
            cells.push(EarlierCell {
                release: row.release,
                universe,
                units,
            });
            known.insert(row.digest);
        }
        let history = UniverseHistory {
            sequence,
            cells: Arc::new(cells),
            known: Arc::new(known),
        };
        self.node().history.keep(universe, &history);
        Ok(history)
    }
}

fn damaged(what: &'static str) -> Error {
    Error::internal("read the egress history", what)
}

/// The units of a universe's cells in an object, by their digest.
fn units_of(bytes: &[u8], universe: &str) -> Result<HashMap<String, Vec<u8>>, Error> {
    let cells = decode(bytes).ok_or_else(|| damaged("an object of cells is damaged"))?;
    Ok(cells
        .into_iter()
        .filter(|cell| cell.universe == universe)
        .map(|cell| (cell_digest(&cell), cell.units))
        .collect())
}

/// The cells of an object as the history names them: universe and digest.
pub(crate) fn names(bytes: &[u8]) -> Result<Vec<(String, String)>, Error> {
    let cells = decode(bytes).ok_or_else(|| damaged("an object of cells is damaged"))?;
    Ok(cells
        .iter()
        .map(|cell| (cell.universe.clone(), cell_digest(cell)))
        .collect())
}

/// Cells as one object: for each the length and bytes of its universe, then of its units.
pub(crate) fn encode(cells: &[&ReleasedCell]) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    for cell in cells {
        for part in [cell.universe.as_bytes(), &cell.units] {
            let length = u32::try_from(part.len())
                .map_err(|source| Error::internal("write the egress history", source))?;
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(part);
        }
    }
    Ok(bytes)
}

fn decode(mut bytes: &[u8]) -> Option<Vec<ReleasedCell>> {
    let mut cells = Vec::new();
    while !bytes.is_empty() {
        let universe = String::from_utf8(part(&mut bytes)?.to_vec()).ok()?;
        cells.push(ReleasedCell {
            universe,
            units: part(&mut bytes)?.to_vec(),
        });
    }
    Some(cells)
}

fn part<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (part, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(part)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn cell(universe: &str, units: &[u8]) -> ReleasedCell {
        ReleasedCell {
            universe: universe.to_owned(),
            units: units.to_vec(),
        }
    }

    #[test]
    fn cells_survive_their_object_and_damage_is_seen() {
        let cells = [
            cell("claims", &[1, 2, 3]),
            cell("tests", &[]),
            cell("claims", &[9]),
        ];
        let bytes = encode(&cells.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(decode(&bytes).unwrap(), cells);
        for cut in 1..bytes.len() {
            let cells = decode(&bytes[..cut]);
            assert!(cells.is_none_or(|cells| cells.len() < 3), "cut at {cut}");
        }
        assert_eq!(units_of(&bytes, "claims").unwrap().len(), 2);
    }

    #[test]
    fn an_older_reading_never_takes_the_place_of_a_newer() {
        let cache = HistoryCache::default();
        let at = |sequence| UniverseHistory {
            sequence,
            ..UniverseHistory::default()
        };
        cache.keep("claims", &at(3));
        cache.keep("claims", &at(2));
        assert_eq!(cache.of("claims").sequence, 3);
        assert_eq!(cache.of("other").sequence, 0);
    }
}
