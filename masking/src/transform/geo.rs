//! Coordinates in another datum, and as coarse as asked.

mod datum;
mod geohash;

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, StringBuilder};
use arrow::datatypes::DataType;

use crate::error::MaskError;
use crate::fold::fold;
use crate::transform::coarsen::numbers;
use crate::transform::text_values;

pub use datum::Datum;

/// Cells with more characters than this are smaller than 150 m.
pub(crate) const CHARACTERS_MAX: u32 = 6;
/// Grids narrower than this, about a kilometre, tell a house or a small village.
pub(crate) const WIDTH_DEGREES_MIN: f64 = 0.01;

/// How a column holds coordinates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GeoLayout {
    /// Numbers of longitude; latitude is in another column.
    Longitude {
        /// The column of latitudes.
        latitude: String,
    },
    /// Numbers of latitude; longitude is in another column.
    Latitude {
        /// The column of longitudes.
        longitude: String,
    },
    /// Texts `118.08,24.48`.
    LongitudeLatitude,
    /// Texts `24.48,118.08`.
    LatitudeLongitude,
}

/// What a place is told as.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum GeoCell {
    /// A geohash of so many characters: 1 is a continent, 4 about 39 km, 5 about 5 km, 6 about 1 km.
    Geohash {
        /// Characters, 1 to 6.
        characters: u32,
    },
    /// The nearest point of a grid, in the column's layout.
    Grid {
        /// Width of a cell in degrees; 0.01 is about 1.1 km north to south.
        width_degrees: f64,
    },
}

/// Coordinates to cells.
#[derive(Clone, Debug, PartialEq)]
pub struct Geo {
    /// How the column holds them.
    pub layout: GeoLayout,
    /// The datum of the data.
    pub from: Datum,
    /// The datum of the result.
    pub to: Datum,
    /// What a place is told as.
    pub cell: GeoCell,
}

/// A place on the earth, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) longitude: f64,
    pub(crate) latitude: f64,
}

impl Place {
    fn new(longitude: f64, latitude: f64) -> Option<Self> {
        ((-180.0..=180.0).contains(&longitude) && (-90.0..=90.0).contains(&latitude)).then_some(
            Self {
                longitude,
                latitude,
            },
        )
    }
}

impl Geo {
    /// The other column that the layout needs.
    pub(crate) fn other(&self) -> Option<&str> {
        match &self.layout {
            GeoLayout::Longitude { latitude } => Some(latitude),
            GeoLayout::Latitude { longitude } => Some(longitude),
            GeoLayout::LongitudeLatitude | GeoLayout::LatitudeLongitude => None,
        }
    }

    /// Whether cells are so small that one tells a house.
    pub(crate) fn is_too_fine(&self) -> bool {
        match self.cell {
            GeoCell::Geohash { characters } => characters > CHARACTERS_MAX,
            GeoCell::Grid { width_degrees } => width_degrees < WIDTH_DEGREES_MIN,
        }
    }

    /// The type of the result.
    pub(crate) fn output_type(&self) -> DataType {
        match (&self.layout, self.cell) {
            (GeoLayout::Longitude { .. } | GeoLayout::Latitude { .. }, GeoCell::Grid { .. }) => {
                DataType::Float64
            }
            _ => DataType::Utf8,
        }
    }

    /// The cell of each place. What is no place on the earth, or lacks one coordinate, becomes null.
    pub(crate) fn cells(
        &self,
        values: &dyn Array,
        other: Option<&dyn Array>,
    ) -> Result<ArrayRef, MaskError> {
        let places = self.places(values, other)?;
        let places = places.into_iter().map(|place| {
            let place = datum::converted(place?, self.from, self.to);
            // In a datum of its own a place near a pole or the date line may leave the earth.
            Place::new(place.longitude, place.latitude)
        });
        if self.output_type() == DataType::Float64 {
            let cells = places.map(|place| self.coordinate(place?));
            return Ok(Arc::new(cells.collect::<Float64Array>()));
        }
        let mut cells = StringBuilder::new();
        for place in places {
            cells.append_option(place.and_then(|place| self.written(place)));
        }
        Ok(Arc::new(cells.finish()))
    }

    fn places(
        &self,
        values: &dyn Array,
        other: Option<&dyn Array>,
    ) -> Result<Vec<Option<Place>>, MaskError> {
        let (Some(other), true) = (other, self.other().is_some()) else {
            let texts = text_values(values)?;
            let texts = texts.as_string::<i32>().iter();
            return Ok(texts.map(|text| self.read(text?)).collect());
        };
        let (values, other) = (numbers(values)?, numbers(other)?);
        let is_longitude = matches!(self.layout, GeoLayout::Longitude { .. });
        let places = values.iter().zip(&other).map(|(value, other)| {
            if is_longitude {
                Place::new(value?, other?)
            } else {
                Place::new(other?, value?)
            }
        });
        Ok(places.collect())
    }

    /// Reads `118.08,24.48`, with other separators and brackets around as people write them.
    fn read(&self, text: &str) -> Option<Place> {
        if text.len() > 256 {
            return None;
        }
        let folded = fold(text);
        let mut numbers = folded
            .split([',', ' ', ';', '(', ')', '[', ']', '、', '，'])
            .filter(|part| !part.is_empty())
            .map(|part| part.parse::<f64>().ok());
        let (first, second) = (numbers.next()??, numbers.next()??);
        if numbers.next().is_some() {
            return None;
        }
        match self.layout {
            GeoLayout::LatitudeLongitude => Place::new(second, first),
            _ => Place::new(first, second),
        }
    }

    fn coordinate(&self, place: Place) -> Option<f64> {
        let GeoCell::Grid { width_degrees } = self.cell else {
            return None;
        };
        Some(match self.layout {
            GeoLayout::Latitude { .. } => nearest(place.latitude, width_degrees),
            _ => nearest(place.longitude, width_degrees),
        })
    }

    fn written(&self, place: Place) -> Option<String> {
        match self.cell {
            GeoCell::Geohash { characters } => Some(geohash::geohash(place, characters.min(12))),
            GeoCell::Grid { width_degrees } => {
                let longitude = nearest(place.longitude, width_degrees);
                let latitude = nearest(place.latitude, width_degrees);
                let mut text = String::with_capacity(24);
                let written = match self.layout {
                    GeoLayout::LatitudeLongitude => write!(text, "{latitude},{longitude}"),
                    _ => write!(text, "{longitude},{latitude}"),
                };
                written.ok().map(|()| text)
            }
        }
    }
}

/// The nearest point of a grid, without the digits that only floating-point arithmetic put there.
fn nearest(degrees: f64, width: f64) -> f64 {
    let exact = (degrees / width).round() * width;
    // Adding zero makes one zero of both.
    (exact * 1e9).round() / 1e9 + 0.0
}

#[cfg(test)]
mod tests {
    use arrow::array::StringArray;
    use arrow::datatypes::Float64Type;
    use proptest::prelude::*;

    use super::*;

    fn geo(layout: GeoLayout, cell: GeoCell) -> Geo {
        Geo {
            layout,
            from: Datum::Wgs84,
            to: Datum::Wgs84,
            cell,
        }
    }

    const GRID: GeoCell = GeoCell::Grid {
        width_degrees: 0.01,
    };

    #[test]
    fn two_columns_fall_onto_the_grid() {
        let longitudes = Float64Array::from(vec![Some(118.0894), Some(118.0), None, Some(200.0)]);
        let latitudes = Float64Array::from(vec![Some(24.4798), None, Some(24.0), Some(24.0)]);
        let longitude = geo(
            GeoLayout::Longitude {
                latitude: "lat".to_owned(),
            },
            GRID,
        );
        let cells = longitude.cells(&longitudes, Some(&latitudes)).unwrap();
        let cells = cells.as_primitive::<Float64Type>();
        assert_eq!((cells.value(0), cells.null_count()), (118.09, 3));
        let latitude = geo(
            GeoLayout::Latitude {
                longitude: "lon".to_owned(),
            },
            GRID,
        );
        let cells = latitude.cells(&latitudes, Some(&longitudes)).unwrap();
        assert_eq!(cells.as_primitive::<Float64Type>().value(0), 24.48);
        assert_eq!(latitude.other(), Some("lon"));
    }

    #[test]
    fn texts_are_read_as_people_write_them() {
        let texts = StringArray::from(vec![
            Some("118.0894,24.4798"),
            Some("（118.0894， 24.4798）"),
            Some("118.0894 24.4798"),
            Some("118.0894"),
            Some("1,2,3"),
            Some("nan,1"),
            Some("24.4798,118.0894"),
            None,
        ]);
        let cells = geo(GeoLayout::LongitudeLatitude, GRID)
            .cells(&texts, None)
            .unwrap();
        let cells: Vec<Option<&str>> = cells.as_string::<i32>().iter().collect();
        assert_eq!(cells[..3], [Some("118.09,24.48"); 3]);
        assert_eq!(cells[3..], [None; 5]);
        let hash = GeoCell::Geohash { characters: 5 };
        let cells = geo(GeoLayout::LatitudeLongitude, hash)
            .cells(&texts, None)
            .unwrap();
        assert_eq!(cells.as_string::<i32>().value(6), "ws7gr");
    }

    #[test]
    fn the_datum_is_changed_before_the_cell_is_found() {
        let texts = StringArray::from(vec!["118.0894,24.4798"]);
        let mut geo = geo(
            GeoLayout::LongitudeLatitude,
            GeoCell::Grid {
                width_degrees: 0.001,
            },
        );
        geo.to = Datum::Gcj02;
        let cells = geo.cells(&texts, None).unwrap();
        assert_eq!(cells.as_string::<i32>().value(0), "118.094,24.477");
        assert!(geo.is_too_fine());
    }

    proptest! {
        #[test]
        fn any_text_and_number_is_taken(text in any::<String>(), a in any::<f64>(), b in any::<f64>()) {
            let texts = StringArray::from(vec![text]);
            let _ = geo(GeoLayout::LongitudeLatitude, GRID).cells(&texts, None).unwrap();
            let column = geo(GeoLayout::Longitude { latitude: "b".to_owned() }, GRID);
            let _ = column.cells(&Float64Array::from(vec![a]), Some(&Float64Array::from(vec![b]))).unwrap();
        }

        #[test]
        fn a_cell_is_near_its_place(longitude in -180.0..180.0f64, width in 0.01..1.0f64) {
            prop_assert!((nearest(longitude, width) - longitude).abs() <= width / 2.0 + 1e-8);
        }
    }
}
