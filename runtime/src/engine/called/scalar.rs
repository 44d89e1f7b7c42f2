//! A function of a module, one value for each row.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::ended;
use crate::guest::{FunctionPlace, Functions};
use crate::order::{ColumnType, OutputField, output_schema};

/// The function, by its name in SQL.
#[derive(Debug)]
pub(super) struct CalledScalar {
    functions: Arc<Functions>,
    name: String,
    place: FunctionPlace,
    signature: Signature,
    arguments: SchemaRef,
    returns: ColumnType,
}

impl CalledScalar {
    pub(super) fn new(
        functions: &Arc<Functions>,
        name: String,
        place: FunctionPlace,
        arguments: &[OutputField],
        returns: ColumnType,
    ) -> Self {
        Self {
            functions: Arc::clone(functions),
            name,
            place,
            signature: signature(arguments),
            arguments: output_schema(arguments),
            returns,
        }
    }
}

/// The declared types and no others. Guests have no clock and one seed, so a call may be moved or left out.
pub(super) fn signature(arguments: &[OutputField]) -> Signature {
    if arguments.is_empty() {
        return Signature::nullary(Volatility::Immutable);
    }
    let types = arguments.iter().map(|field| field.data_type.arrow());
    Signature::exact(types.collect(), Volatility::Immutable)
}

impl PartialEq for CalledScalar {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.functions, &other.functions)
    }
}

impl Eq for CalledScalar {}

impl Hash for CalledScalar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for CalledScalar {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.returns.arrow())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = args
            .args
            .iter()
            .map(|value| value.to_array(args.number_rows))
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(args.number_rows));
        let batch =
            RecordBatch::try_new_with_options(Arc::clone(&self.arguments), columns, &options)
                .map_err(DataFusionError::from)?;
        let values = self.functions.scalar(self.place, &batch).map_err(ended)?;
        Ok(ColumnarValue::Array(values))
    }
}
