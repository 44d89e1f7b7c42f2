//! What such a query can name: the scope's tables, the engine's functions, and those of its modules.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DataFusionError, Result, ScalarValue, TableReference};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::execution::TaskContext;
use datafusion::functions_aggregate::{grouping, min_max};
use datafusion::functions_window::{cume_dist, lead_lag, nth_value, ntile, rank, row_number};
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner};
use datafusion::logical_expr::{
    AggregateUDF, ColumnarValue, Expr, HigherOrderUDF, LogicalPlan, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, TableSource, Volatility, WindowUDF,
};

use super::types::{QueryFunction, QueryModule};
use crate::admission::refusal;
use crate::admission::survey::Lane;
use crate::admission::types::{ColumnType, OutputColumn};
use crate::egress::control::{CalledTable, Declared, TableCall};
use crate::expression;
use crate::finding::{Finding, Span};
use crate::names::{Names, aggregate_functions};
use crate::scope::{Scope, Table};

/// What one call of a table function reads: tables, each with columns.
pub(super) type Reads = Vec<(String, Vec<String>)>;

/// Tables and functions by name.
pub(super) struct ReviewedNames<'a> {
    base: Names,
    scope: &'a Scope,
    modules: &'a [QueryModule],
    scalars: BTreeMap<String, Arc<ScalarUDF>>,
    aggregates: BTreeMap<String, Arc<AggregateUDF>>,
    windows: BTreeMap<String, Arc<WindowUDF>>,
    /// What the planner asked for and could not have, in words of ours.
    refused: Mutex<Vec<Finding>>,
    /// What calls of table functions read, as they were planned.
    calls: Mutex<Vec<Reads>>,
}

impl<'a> ReviewedNames<'a> {
    pub(super) fn new(scope: &'a Scope, modules: &'a [QueryModule]) -> Self {
        let tables = scope.tables.iter();
        let tables = tables.map(|table| (table.name.clone(), Arc::clone(&table.schema)));
        let mut scalars: BTreeMap<_, _> = row_functions().into_iter().map(scalar_name).collect();
        let mut aggregates: BTreeMap<_, _> =
            group_functions().into_iter().map(aggregate_name).collect();
        for (name, function) in qualified(modules) {
            match function {
                QueryFunction::Scalar {
                    arguments, returns, ..
                } => {
                    let function = DeclaredScalar::new(&name, arguments, *returns);
                    scalars.insert(name, Arc::new(ScalarUDF::new_from_impl(function)));
                }
                QueryFunction::Aggregate {
                    arguments, returns, ..
                } => {
                    let function = Declared::new(&name, signature(arguments), returns.arrow());
                    aggregates.insert(name, Arc::new(AggregateUDF::new_from_impl(function)));
                }
                QueryFunction::Table { .. } => {}
            }
        }
        Self {
            base: Names::new(tables),
            scope,
            modules,
            scalars,
            aggregates,
            windows: window_functions()
                .into_iter()
                .map(|function| (function.name().to_owned(), function))
                .collect(),
            refused: Mutex::new(Vec::new()),
            calls: Mutex::new(Vec::new()),
        }
    }

    /// What was asked for in vain.
    pub(super) fn refused(&self) -> Vec<Finding> {
        let refused = self.refused.lock();
        refused.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What calls of table functions read.
    pub(super) fn calls(&self) -> Vec<Reads> {
        let calls = self.calls.lock();
        calls.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The finding for a call with other arguments than are declared, where an error of the planner is one.
    pub(super) fn misused(&self, error: &DataFusionError) -> Option<Finding> {
        let text = error.to_string();
        if !text.contains("Failed to coerce arguments")
            && !text.contains("failed to match any signature")
        {
            return None;
        }
        let (name, function) =
            qualified(self.modules).find(|(name, _)| text.contains(&format!("'{name}'")))?;
        let (QueryFunction::Scalar { arguments, .. } | QueryFunction::Aggregate { arguments, .. }) =
            function
        else {
            return None;
        };
        let types: Vec<String> = arguments.iter().map(|of| of.arrow().to_string()).collect();
        let call = format!("{name}({})", types.join(", "));
        let finding = Finding::refuse(
            "function_arguments",
            &name,
            (
                format!("{name} 的参数与声明的不符"),
                format!("{name} is called with other arguments than it declares"),
            ),
            (
                format!("写成 {call}，必要时用 CAST"),
                format!("write {call}, with CAST where needed"),
            ),
        );
        Some(finding)
    }

    /// The options that types are made equal by.
    pub(super) fn analyzer_options(&self) -> ConfigOptions {
        self.base.options().clone()
    }

    /// The functions of modules that a plan calls, in the order of their names.
    pub(super) fn called(&self, plan: &LogicalPlan) -> Vec<String> {
        let mut found = std::collections::BTreeSet::new();
        let _ = plan.apply(|node| {
            if let LogicalPlan::TableScan(scan) = node
                && let Ok(provider) = source_as_provider(&scan.source)
                && let Some(called) =
                    (&*provider as &dyn std::any::Any).downcast_ref::<CalledTable>()
            {
                found.insert(called.call.function.clone());
            }
            node.apply_expressions(|expr| {
                expr.apply(|part| {
                    let name = match part {
                        Expr::ScalarFunction(function) => function.name(),
                        Expr::AggregateFunction(function) => function.func.name(),
                        Expr::WindowFunction(function) => match &function.fun {
                            datafusion::logical_expr::WindowFunctionDefinition::AggregateUDF(
                                function,
                            ) => function.name(),
                            datafusion::logical_expr::WindowFunctionDefinition::WindowUDF(_) => "",
                        },
                        _ => "",
                    };
                    if name.contains('.') {
                        found.insert(name.to_owned());
                    }
                    Ok(TreeNodeRecursion::Continue)
                })
            })
        });
        found.into_iter().collect()
    }

    /// The functions that an engine needs to read the plan.
    pub(super) fn engine_names(&self) -> TaskContext {
        let default = TaskContext::default();
        TaskContext::new(
            None,
            String::new(),
            default.session_config().clone(),
            self.scalars.clone().into_iter().collect(),
            std::collections::HashMap::new(),
            self.aggregates.clone().into_iter().collect(),
            self.windows.clone().into_iter().collect(),
            default.runtime_env(),
        )
    }

    fn table_function_of(&self, name: &str) -> Option<&QueryFunction> {
        qualified(self.modules)
            .find(|(qualified, _)| qualified == name)
            .map(|(_, function)| function)
            .filter(|function| matches!(function, QueryFunction::Table { .. }))
    }

    fn call(
        &self,
        name: &str,
        arguments: Vec<Expr>,
    ) -> std::result::Result<(CalledTable, Reads), Box<Finding>> {
        let Some(QueryFunction::Table {
            inputs,
            arguments: constants,
            columns,
            ..
        }) = self.table_function_of(name)
        else {
            return refusal::err(self.refuse_function(name, None));
        };
        if arguments.len() != inputs.len() + constants.len() {
            return refusal::err(misused(name, inputs.len(), constants));
        }
        let values = arguments
            .into_iter()
            .map(|argument| {
                literal(argument).ok_or_else(|| Box::new(misused(name, inputs.len(), constants)))
            })
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let (tables, rest) = values.split_at(inputs.len());
        let tables = tables
            .iter()
            .zip(inputs)
            .map(|(value, columns)| self.table_of(name, value, columns))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let values = rest
            .iter()
            .zip(constants)
            .map(|(value, data_type)| {
                constant(value, *data_type)
                    .ok_or_else(|| Box::new(misused(name, inputs.len(), constants)))
            })
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let names = |columns: &Vec<OutputColumn>| {
            let names = columns.iter().map(|column| column.name.clone());
            names.collect()
        };
        let reads = tables.iter().cloned().zip(inputs.iter().map(names));
        let reads = reads.collect();
        let called = CalledTable {
            call: TableCall {
                function: name.to_owned(),
                tables,
                constants: values,
            },
            schema: schema_of(columns),
        };
        Ok((called, reads))
    }

    /// The table that a call names, if it has the columns that the function reads.
    fn table_of(
        &self,
        function: &str,
        value: &ScalarValue,
        columns: &[OutputColumn],
    ) -> std::result::Result<String, Box<Finding>> {
        let name = value.try_as_str().flatten().unwrap_or_default();
        let Some(table) = self.scope.table(name) else {
            return refusal::err(refusal::table_outside(name, self.scope, None));
        };
        for column in columns {
            match table.schema.field_with_name(&column.name) {
                Err(_) => {
                    let shown = format!("{name}.{}", column.name);
                    let tables = std::iter::once(table);
                    return refusal::err(refusal::column_outside(&shown, tables, None));
                }
                Ok(field) if crossing(field.data_type()) != Some(column.data_type) => {
                    return refusal::err(other_type(function, table, column));
                }
                Ok(_) => {}
            }
        }
        Ok(name.to_owned())
    }
}

impl Lane for ReviewedNames<'_> {
    fn knows_function(&self, name: &str) -> bool {
        self.scalars.contains_key(name)
            || self.aggregates.contains_key(name)
            || self.windows.contains_key(name)
            || name == "nullif"
            || self.base.knows_function(name)
    }

    fn refuse_function(&self, name: &str, place: Option<Span>) -> Finding {
        let names: Vec<String> = self
            .modules
            .iter()
            .flat_map(QueryModule::qualified)
            .collect();
        let names = names.join(", ");
        Finding::refuse(
            "function_not_admitted",
            name,
            (
                format!("没有函数 {name}"),
                format!("there is no function {name}"),
            ),
            (
                format!("模块的函数：{names}；引擎的函数见 runtime/engine.md"),
                format!(
                    "functions of the modules: {names}; those of the engine: runtime/engine.md"
                ),
            ),
        )
        .at(place)
    }

    fn takes(&self, rule: &str) -> bool {
        matches!(
            rule,
            "window_function" | "outer_join" | "distinct_rows" | "grouping_sets"
        )
    }

    fn columns_of_call(&self, name: &str) -> Option<Vec<String>> {
        match self.table_function_of(name) {
            Some(QueryFunction::Table { columns, .. }) => {
                Some(columns.iter().map(|column| column.name.clone()).collect())
            }
            _ => None,
        }
    }
}

fn qualified(modules: &[QueryModule]) -> impl Iterator<Item = (String, &QueryFunction)> {
    modules.iter().flat_map(|module| {
        let functions = module.functions.iter();
        functions.map(move |function| (format!("{}.{}", module.name, function.name()), function))
    })
}

fn scalar_name(function: Arc<ScalarUDF>) -> (String, Arc<ScalarUDF>) {
    (function.name().to_owned(), function)
}

fn aggregate_name(function: Arc<AggregateUDF>) -> (String, Arc<AggregateUDF>) {
    (function.name().to_owned(), function)
}

/// Row functions that the engine has too.
fn row_functions() -> Vec<Arc<ScalarUDF>> {
    use datafusion::functions::{core, datetime, math, string, unicode};
    let mut functions = expression::row_functions();
    functions.extend([
        core::coalesce(),
        core::greatest(),
        core::least(),
        datetime::date_trunc(),
        math::abs(),
        math::ceil(),
        math::exp(),
        math::floor(),
        math::ln(),
        math::power(),
        math::round(),
        math::sqrt(),
        string::concat(),
        string::contains(),
        string::ends_with(),
        string::split_part(),
        string::starts_with(),
        unicode::character_length(),
        unicode::left(),
        unicode::right(),
        unicode::strpos(),
    ]);
    functions
}

/// Aggregates that the engine has too.
fn group_functions() -> Vec<Arc<AggregateUDF>> {
    let mut functions = aggregate_functions();
    functions.extend([
        min_max::max_udaf(),
        min_max::min_udaf(),
        grouping::grouping_udaf(),
    ]);
    functions
}

/// Functions over windows that the engine has too.
fn window_functions() -> Vec<Arc<WindowUDF>> {
    vec![
        cume_dist::cume_dist_udwf(),
        lead_lag::lag_udwf(),
        lead_lag::lead_udwf(),
        nth_value::first_value_udwf(),
        nth_value::last_value_udwf(),
        ntile::ntile_udwf(),
        rank::dense_rank_udwf(),
        rank::percent_rank_udwf(),
        rank::rank_udwf(),
        row_number::row_number_udwf(),
    ]
}

fn signature(arguments: &[ColumnType]) -> Signature {
    if arguments.is_empty() {
        return Signature::nullary(Volatility::Immutable);
    }
    let types = arguments.iter().map(|argument| argument.arrow());
    Signature::exact(types.collect(), Volatility::Immutable)
}

fn schema_of(columns: &[OutputColumn]) -> SchemaRef {
    let fields = columns.iter();
    let fields = fields.map(|column| Field::new(&column.name, column.data_type.arrow(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The type as which a column crosses to a guest, as the runtime has it.
fn crossing(stored: &DataType) -> Option<ColumnType> {
    Some(match stored {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => {
            ColumnType::Int32
        }
        DataType::UInt64 => ColumnType::Int64,
        DataType::Decimal32(_, _)
        | DataType::Decimal64(_, _)
        | DataType::Decimal128(_, _)
        | DataType::Decimal256(_, _) => return None,
        DataType::Dictionary(_, value) => crossing(value)?,
        other => ColumnType::releasing(other)?,
    })
}

/// The value of a constant expression.
fn literal(expr: Expr) -> Option<ScalarValue> {
    match expression::bind(expr, &Arc::new(DFSchema::empty())) {
        Ok(Expr::Literal(value, _)) => Some(value),
        _ => None,
    }
}

/// A constant as it stands in a plan; none where it is of another type.
fn constant(value: &ScalarValue, data_type: ColumnType) -> Option<serde_json::Value> {
    if value.is_null() {
        return Some(serde_json::Value::Null);
    }
    let text = value.try_as_str().is_some();
    if text != (data_type == ColumnType::Utf8) {
        return None;
    }
    Some(match value.cast_to(&data_type.arrow()).ok()? {
        ScalarValue::Boolean(Some(value)) => value.into(),
        ScalarValue::Int32(Some(value)) => value.into(),
        ScalarValue::Int64(Some(value)) => value.into(),
        ScalarValue::Float64(Some(value)) => serde_json::Number::from_f64(value)?.into(),
        ScalarValue::Utf8(Some(value)) => value.into(),
        _ => return None,
    })
}

fn misused(name: &str, tables: usize, constants: &[ColumnType]) -> Finding {
    let types = constants.iter();
    let types: Vec<String> = types
        .map(|data_type| data_type.arrow().to_string())
        .collect();
    let types = types.join(", ");
    Finding::refuse(
        "table_function_arguments",
        name,
        (
            format!("{name} 须先以文本给出 {tables} 张表的表名，再给出常量（{types}）"),
            format!("{name} takes the names of {tables} tables as texts, then constants ({types})"),
        ),
        (
            format!("写成 {name}('表名', …)"),
            format!("write {name}('table', …)"),
        ),
    )
}

fn other_type(function: &str, table: &Table, column: &OutputColumn) -> Finding {
    let shown = format!("{}.{}", table.name, column.name);
    let wanted = column.data_type.arrow();
    Finding::refuse(
        "column_type_unsupported",
        &shown,
        (
            format!("{function} 要求该列为 {wanted}"),
            format!("{function} reads this column as {wanted}, which it is not"),
        ),
        (
            "换用类型相符的表，或修改模块的清单",
            "name a table with this type, or change the module's manifest",
        ),
    )
}

/// A scalar function that is declared here and run in the jail.
#[derive(Debug, PartialEq, Eq, Hash)]
struct DeclaredScalar {
    name: String,
    signature: Signature,
    returns: DataType,
}

impl DeclaredScalar {
    fn new(name: &str, arguments: &[ColumnType], returns: ColumnType) -> Self {
        Self {
            name: name.to_owned(),
            signature: signature(arguments),
            returns: returns.arrow(),
        }
    }
}

impl ScalarUDFImpl for DeclaredScalar {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.returns.clone())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let text = format!("{} is declared only", self.name);
        Err(DataFusionError::NotImplemented(text))
    }
}

impl ContextProvider for ReviewedNames<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        self.base.get_table_source(name)
    }

    fn get_table_function_source(
        &self,
        name: &str,
        arguments: Vec<Expr>,
    ) -> Result<Arc<dyn TableSource>> {
        match self.call(name, arguments) {
            Ok((called, reads)) => {
                let calls = self.calls.lock();
                let mut calls = calls.unwrap_or_else(PoisonError::into_inner);
                calls.push(reads);
                Ok(provider_as_source(Arc::new(called)))
            }
            Err(finding) => {
                let refused = self.refused.lock();
                refused
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(*finding);
                Err(DataFusionError::Plan(format!("no call of {name}")))
            }
        }
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.base.get_expr_planners()
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.scalars
            .get(name)
            .cloned()
            .or_else(|| self.base.get_function_meta(name))
    }

    fn get_higher_order_meta(&self, _: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.aggregates
            .get(name)
            .cloned()
            .or_else(|| self.base.get_aggregate_meta(name))
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.windows.get(name).cloned()
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.base.options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.scalars.keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.aggregates.keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.windows.keys().cloned().collect()
    }
}
