//! The text form of a column's values.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::error::{Fault, MaskError};
use crate::text::Bilingual;

/// The values of a column as `Utf8`, nulls kept. A whole number that a reader took for a
/// floating-point number is written without its fraction, so that `13800138000.0` and `13800138000`
/// are one identifier.
pub(crate) fn text_values(values: &dyn Array) -> Result<ArrayRef, MaskError> {
    match values.data_type() {
        DataType::Float64 => {
            return Ok(float_texts(values.as_primitive::<Float64Type>().iter()));
        }
        DataType::Float32 => {
            let wide = values.as_primitive::<Float32Type>().iter();
            return Ok(float_texts(wide.map(|value| value.map(f64::from))));
        }
        data_type if data_type.is_nested() => return Err(not_text(data_type)),
        _ => {}
    }
    // What has no text form (bytes that are no UTF-8, a day beyond the calendar) becomes null.
    let options = CastOptions {
        safe: true,
        ..CastOptions::default()
    };
    cast_with_options(values, &DataType::Utf8, &options)
        .or_else(|error| {
            if values.data_type().is_temporal() {
                one_by_one(values)
            } else {
                Err(error)
            }
        })
        .map_err(|_| not_text(values.data_type()))
}

/// The cast gives up as a whole when one day lies beyond the calendar; here that one alone becomes
/// null.
fn one_by_one(values: &dyn Array) -> Result<ArrayRef, ArrowError> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(values, &options)?;
    let mut texts = StringBuilder::new();
    for row in 0..values.len() {
        let text = if values.is_valid(row) {
            formatter.value(row).try_to_string().ok()
        } else {
            None
        };
        texts.append_option(text);
    }
    Ok(Arc::new(texts.finish()))
}

fn float_texts(values: impl ExactSizeIterator<Item = Option<f64>>) -> ArrayRef {
    let mut texts = StringBuilder::with_capacity(values.len(), values.len().saturating_mul(12));
    for value in values {
        // Rust writes a whole floating-point number without a fraction.
        texts.append_option(value.map(|value| value.to_string()));
    }
    Arc::new(texts.finish())
}

fn not_text(data_type: &DataType) -> Fault {
    Fault::general(
        "not_text",
        Bilingual::new(
            format!("类型 {data_type} 的值不能作为文本读取"),
            format!("values of type {data_type} cannot be read as text"),
        ),
        Bilingual::new(
            "请推送文本、数字或日期类型的列，或在策略中删除该列",
            "push a column of text, numbers or dates, or drop the column in the policy",
        ),
    )
}
