//! WGS-84, the datum of satellite navigation, and GCJ-02, the one that maps of mainland China are
//! published in.
//!
//! GCJ-02 is not published as a standard; constants and series are those in public use since 2013
//! (semi-major axis 6 378 245 m and squared eccentricity 0.00669342162296594323 of Krasovsky's
//! ellipsoid). They reproduce map services to within a few metres.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::transform::geo::Place;

/// A geodetic datum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Datum {
    /// WGS-84 (and CGCS2000, which differs by centimetres).
    Wgs84,
    /// GCJ-02.
    Gcj02,
}

/// Semi-major axis of Krasovsky's ellipsoid, in metres.
const AXIS: f64 = 6_378_245.0;
/// Its squared eccentricity.
const ECCENTRICITY: f64 = 0.006_693_421_622_965_943;

/// A place in another datum, in degrees. Outside of a box around mainland China both are the same.
pub(super) fn converted(place: Place, from: Datum, to: Datum) -> Place {
    match (from, to) {
        (Datum::Wgs84, Datum::Gcj02) => to_gcj02(place),
        (Datum::Gcj02, Datum::Wgs84) => to_wgs84(place),
        _ => place,
    }
}

fn to_gcj02(place: Place) -> Place {
    if !is_shifted(place) {
        return place;
    }
    let (x, y) = (place.longitude - 105.0, place.latitude - 35.0);
    let (sine, cosine) = place.latitude.to_radians().sin_cos();
    let curvature = 1.0 - ECCENTRICITY * sine * sine;
    let north = AXIS * (1.0 - ECCENTRICITY) / (curvature * curvature.sqrt());
    let east = AXIS / curvature.sqrt() * cosine;
    Place {
        longitude: place.longitude + (eastward(x, y) / east).to_degrees(),
        latitude: place.latitude + (northward(x, y) / north).to_degrees(),
    }
}

/// The place whose image is the given one, by fixed point: the shift changes by less than a
/// hundredth of the way that its argument moves, so each step wins two digits or more.
fn to_wgs84(place: Place) -> Place {
    const STEPS_MAX: usize = 16;
    const CLOSE_DEGREES: f64 = 1e-11;
    let mut guess = place;
    for _ in 0..STEPS_MAX {
        let image = to_gcj02(guess);
        let (east, north) = (
            place.longitude - image.longitude,
            place.latitude - image.latitude,
        );
        guess.longitude += east;
        guess.latitude += north;
        if east.abs() < CLOSE_DEGREES && north.abs() < CLOSE_DEGREES {
            break;
        }
    }
    guess
}

fn is_shifted(place: Place) -> bool {
    (72.004..=137.8347).contains(&place.longitude) && (0.8293..=55.8271).contains(&place.latitude)
}

/// Metres to the east at `x` degrees east of 105° and `y` north of 35°.
fn eastward(x: f64, y: f64) -> f64 {
    let waves = wave(x, 20.0, 6.0)
        + wave(x, 20.0, 2.0)
        + wave(x, 20.0, 1.0)
        + wave(x, 40.0, 1.0 / 3.0)
        + wave(x, 150.0, 1.0 / 12.0)
        + wave(x, 300.0, 1.0 / 30.0);
    300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * x.abs().sqrt() + waves * 2.0 / 3.0
}

/// Metres to the north.
fn northward(x: f64, y: f64) -> f64 {
    let waves = wave(x, 20.0, 6.0)
        + wave(x, 20.0, 2.0)
        + wave(y, 20.0, 1.0)
        + wave(y, 40.0, 1.0 / 3.0)
        + wave(y, 160.0, 1.0 / 12.0)
        + wave(y, 320.0, 1.0 / 30.0);
    -100.0
        + 2.0 * x
        + 3.0 * y
        + 0.2 * y * y
        + 0.1 * x * y
        + 0.2 * x.abs().sqrt()
        + waves * 2.0 / 3.0
}

fn wave(at: f64, height: f64, half_periods: f64) -> f64 {
    height * (at * half_periods * PI).sin()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place(longitude: f64, latitude: f64) -> Place {
        Place {
            longitude,
            latitude,
        }
    }

    fn metres(a: Place, b: Place) -> f64 {
        let east = (a.longitude - b.longitude) * 111_320.0 * a.latitude.to_radians().cos();
        let north = (a.latitude - b.latitude) * 110_574.0;
        east.hypot(north)
    }

    #[test]
    fn well_known_places_move_by_some_hundred_metres() {
        // Tian'anmen: the published pair of the two datums.
        let image = to_gcj02(place(116.391_26, 39.907_34));
        assert!(
            metres(image, place(116.397_50, 39.908_74)) < 2.0,
            "{image:?}"
        );
        for city in [(118.089, 24.479), (121.473, 31.230), (87.617, 43.792)] {
            let here = place(city.0, city.1);
            assert!((100.0..1000.0).contains(&metres(here, to_gcj02(here))));
        }
    }

    #[test]
    fn places_abroad_stay() {
        for abroad in [(2.35, 48.86), (-74.0, 40.7), (151.2, -33.9)] {
            let here = place(abroad.0, abroad.1);
            assert_eq!(converted(here, Datum::Wgs84, Datum::Gcj02), here);
            assert_eq!(converted(here, Datum::Gcj02, Datum::Wgs84), here);
        }
    }

    proptest! {
        #[test]
        fn there_and_back_is_the_same_place(longitude in 73.0..136.0f64, latitude in 2.0..54.0f64) {
            let here = place(longitude, latitude);
            let back = to_wgs84(to_gcj02(here));
            prop_assert!((back.longitude - longitude).abs() <= 1e-9);
            prop_assert!((back.latitude - latitude).abs() <= 1e-9);
            let image = to_gcj02(to_wgs84(here));
            prop_assert!((image.longitude - longitude).abs() <= 1e-9);
            prop_assert!((image.latitude - latitude).abs() <= 1e-9);
        }

        #[test]
        fn any_place_has_an_image(longitude in -180.0..180.0f64, latitude in -90.0..90.0f64) {
            let back = to_wgs84(place(longitude, latitude));
            prop_assert!(metres(back, place(longitude, latitude)) < 2000.0);
        }
    }
}
