//! Geohashes (Niemeyer 2008): cells of the earth by halving longitude and latitude in turn.

use crate::transform::geo::Place;

const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";

/// The geohash of a place, with so many characters of five bits.
pub(super) fn geohash(place: Place, characters: u32) -> String {
    let mut longitude = Halving::new(place.longitude, -180.0, 180.0);
    let mut latitude = Halving::new(place.latitude, -90.0, 90.0);
    let mut text = String::new();
    let mut of_longitude = true;
    for _ in 0..characters {
        let mut index = 0;
        for _ in 0..5 {
            let axis = if of_longitude {
                &mut longitude
            } else {
                &mut latitude
            };
            index = index * 2 + usize::from(axis.is_upper());
            of_longitude = !of_longitude;
        }
        text.push(char::from(ALPHABET[index]));
    }
    text
}

struct Halving {
    at: f64,
    low: f64,
    high: f64,
}

impl Halving {
    fn new(at: f64, low: f64, high: f64) -> Self {
        Self { at, low, high }
    }

    fn is_upper(&mut self) -> bool {
        let middle = f64::midpoint(self.low, self.high);
        let is_upper = self.at >= middle;
        if is_upper {
            self.low = middle;
        } else {
            self.high = middle;
        }
        is_upper
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_geohashes() {
        for (longitude, latitude, hash) in [
            (-5.6, 42.6, "ezs42"),
            (10.407_44, 57.649_11, "u4pruydqqvj"),
            (112.5584, 37.8324, "ww8p1r4t8"),
            (180.0, 90.0, "zzzz"),
            (-180.0, -90.0, "0000"),
        ] {
            let place = Place {
                longitude,
                latitude,
            };
            let characters = u32::try_from(hash.len()).unwrap();
            assert_eq!(geohash(place, characters), hash);
        }
    }
}
