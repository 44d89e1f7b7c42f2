//! The proof: roles, joins, groups and aggregates of one program against the scope.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Column, DFSchema, DFSchemaRef, ScalarValue};
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable};

use super::join;
use super::pin;
use super::query::{Equality, Group, Query, Scan};
use super::refusal;
use super::source::{self, Source, place_of, scan_name, scan_of};
use super::survey::Survey;
use super::types::{ColumnType, PinnedColumn};
use crate::contract::{ColumnRole, ColumnScope};
use crate::expression;
use crate::finding::{Finding, Span};
use crate::scope::{Scope, Table};

/// What the proof goes by.
pub(super) struct Prover<'a> {
    pub(super) scope: &'a Scope,
    pub(super) survey: &'a Survey,
    pub(super) source: Source,
    /// Schema of each scan, qualified with its name.
    pub(super) schemas: Vec<DFSchemaRef>,
    pub(super) findings: Vec<Finding>,
}

/// Proves an aggregate over a reduced source, or says what does not hold.
pub(super) fn prove(
    aggregate: &Aggregate,
    source: Source,
    scope: &Scope,
    survey: &Survey,
) -> Result<Query, Vec<Finding>> {
    let schemas = scan_schemas(&source, scope).map_err(|finding| vec![*finding])?;
    let mut prover = Prover {
        scope,
        survey,
        source,
        schemas,
        findings: Vec::new(),
    };
    let (scans, joins, pinned) = prover.conjuncts();
    prover.units();
    let groups = prover.groups(aggregate);
    let aggregates = prover.aggregates(aggregate);
    if prover.findings.is_empty() {
        join::check(&mut prover, &joins);
    }
    if prover.findings.is_empty() {
        Ok(Query {
            scans,
            joins,
            groups,
            aggregates,
            pinned,
        })
    } else {
        Err(prover.findings)
    }
}

fn scan_schemas(source: &Source, scope: &Scope) -> Result<Vec<DFSchemaRef>, Box<Finding>> {
    source
        .scans
        .iter()
        .enumerate()
        .map(|(position, &table)| {
            DFSchema::try_from_qualified_schema(
                scan_name(position),
                scope.tables[table].schema.as_ref(),
            )
            .map(Arc::new)
            .map_err(|_| {
                Box::new(refusal::form(
                    "planner_failed",
                    &scope.tables[table].name,
                    None,
                ))
            })
        })
        .collect()
}

impl Prover<'_> {
    /// The table behind a scan.
    pub(super) fn table(&self, scan: usize) -> &Table {
        &self.scope.tables[self.source.scans[scan]]
    }

    /// How many scans there are.
    pub(super) fn scans(&self) -> usize {
        self.source.scans.len()
    }

    /// The scope of a column, and its scan.
    pub(super) fn column(&self, column: &Column) -> Option<(usize, &ColumnScope)> {
        let scan = scan_of(column)?;
        (scan < self.scans()).then_some(())?;
        Some((scan, self.table(scan).column(&column.name)?))
    }

    /// `table.column` as a finding says it.
    pub(super) fn subject(&self, column: &Column) -> String {
        match scan_of(column) {
            Some(scan) if scan < self.scans() => {
                format!("{}.{}", self.table(scan).name, column.name)
            }
            _ => column.name.clone(),
        }
    }

    pub(super) fn place(&self, expr: &Expr) -> Option<Span> {
        place_of(expr, self.scope, &self.source.scans, self.survey)
    }

    fn scans_of(expr: &Expr) -> BTreeSet<usize> {
        expr.column_refs()
            .iter()
            .filter_map(|column| scan_of(column))
            .collect()
    }

    /// Sorts the conjunction into filters of one scan and equalities that join two.
    fn conjuncts(&mut self) -> (Vec<Scan>, Vec<Equality>, Vec<PinnedColumn>) {
        let mut scans: Vec<Scan> = self
            .source
            .scans
            .iter()
            .map(|&table| Scan {
                table,
                filters: Vec::new(),
            })
            .collect();
        let mut joins = Vec::new();
        let mut pinned = Vec::new();
        for conjunct in std::mem::take(&mut self.source.conjuncts) {
            if source::equality(&conjunct).is_some() {
                joins.extend(self.equality(&conjunct));
                continue;
            }
            let involved: Vec<usize> = Self::scans_of(&conjunct).into_iter().collect();
            match involved.as_slice() {
                [] => self.constant(conjunct),
                [scan] => {
                    if let Some(filter) = self.filter(conjunct, *scan) {
                        if self.pins_of(*scan) {
                            pinned.extend(pin::pin(&filter, self.table(*scan)));
                        }
                        scans[*scan].filters.push(filter);
                    }
                }
                _ => {
                    let place = self.place(&conjunct);
                    self.findings
                        .push(refusal::form("filter_across_tables", "WHERE", place));
                }
            }
        }
        (scans, joins, pinned)
    }

    /// Whether values of a scan's columns tell rows apart: it is the only one with units, so that two
    /// cells that do not share a value share no row of it.
    fn pins_of(&self, scan: usize) -> bool {
        let with_units: Vec<usize> = (0..self.scans())
            .filter(|&scan| self.table(scan).unit.is_some())
            .collect();
        with_units == [scan]
    }

    /// A condition without columns: true is dropped, anything else would make an empty result.
    fn constant(&mut self, conjunct: Expr) {
        match expression::bind(conjunct, &Arc::new(DFSchema::empty())) {
            Ok(Expr::Literal(ScalarValue::Boolean(Some(true)), _)) => {}
            Ok(_) => self
                .findings
                .push(refusal::form("filter_constant", "WHERE", None)),
            Err(fault) => self.findings.push(refusal::fault(fault, None)),
        }
    }

    fn filter(&mut self, conjunct: Expr, scan: usize) -> Option<Expr> {
        let place = self.place(&conjunct);
        let refs: Vec<Column> = conjunct.column_refs().into_iter().cloned().collect();
        for column in &refs {
            let role = self.column(column).map(|(_, scope)| scope.role);
            let subject = self.subject(column);
            let rule = match role {
                Some(ColumnRole::Dimension) => continue,
                Some(ColumnRole::Key) => "key_compared",
                Some(ColumnRole::Measure) => "measure_filtered",
                None => {
                    self.findings
                        .push(refusal::form("planner_failed", &subject, place));
                    return None;
                }
            };
            let role = role.unwrap_or(ColumnRole::Key);
            self.findings
                .push(refusal::role(rule, &subject, role, place));
            return None;
        }
        if self.mixes_kinds(&refs) {
            self.findings
                .push(refusal::form("sensitive_with_others", "WHERE", place));
            return None;
        }
        let bound = self.row_local(conjunct, scan, place)?;
        match bound.get_type(self.schemas[scan].as_ref()) {
            Ok(DataType::Boolean) => Some(bound),
            _ => {
                self.findings
                    .push(refusal::form("filter_constant", "WHERE", place));
                None
            }
        }
    }

    /// Whether some columns are sensitive and others are not.
    fn mixes_kinds(&self, refs: &[Column]) -> bool {
        let sensitive = |column: &Column| self.column(column).is_some_and(|(_, c)| c.sensitive);
        refs.iter().any(sensitive) && !refs.iter().all(sensitive)
    }

    fn row_local(&mut self, expr: Expr, scan: usize, place: Option<Span>) -> Option<Expr> {
        let schema = &self.schemas[scan];
        let checked = expression::bind(expr, schema)
            .and_then(|bound| expression::check_row_local(&bound, schema).map(|()| bound));
        match checked {
            Ok(bound) => Some(bound),
            Err(fault) => {
                self.findings.push(refusal::fault(fault, place));
                None
            }
        }
    }

    fn equality(&mut self, conjunct: &Expr) -> Option<Equality> {
        let place = self.place(conjunct);
        let (left, right) = source::equality(conjunct)?;
        let (left, right) = (left.clone(), right.clone());
        let roles = match (self.column(&left), self.column(&right)) {
            (Some((_, l)), Some((_, r))) => (l.clone(), r.clone()),
            _ => {
                self.findings
                    .push(refusal::form("planner_failed", "JOIN", place));
                return None;
            }
        };
        for (column, scope) in [(&left, &roles.0), (&right, &roles.1)] {
            if scope.role == ColumnRole::Measure {
                let subject = self.subject(column);
                self.findings
                    .push(refusal::role("measure_joined", &subject, scope.role, place));
                return None;
            }
        }
        if roles.0.role != roles.1.role {
            let subject = format!("{} = {}", self.subject(&left), self.subject(&right));
            let role = ColumnRole::Dimension;
            self.findings.push(refusal::role(
                "key_joined_with_dimension",
                &subject,
                role,
                place,
            ));
            return None;
        }
        if let (Some(l), Some(r)) = (&roles.0.value_domain, &roles.1.value_domain)
            && l != r
        {
            let subject = format!("{} = {}", self.subject(&left), self.subject(&right));
            self.findings.push(
                Finding::refuse(
                    "key_domains_differ",
                    subject,
                    (
                        format!("键的值域不同：{l} 与 {r}"),
                        format!("the keys are of different value domains: {l} and {r}"),
                    ),
                    ("连接同一值域的键", "join keys of one value domain"),
                )
                .at(place),
            );
            return None;
        }
        let scans = (scan_of(&left)?, scan_of(&right)?);
        let schema = self.schemas[scans.0]
            .join(&self.schemas[scans.1])
            .ok()
            .map(Arc::new)?;
        let bound = expression::bind(conjunct.clone(), &schema)
            .and_then(|bound| expression::check_row_local(&bound, &schema).map(|()| bound));
        match bound {
            Ok(Expr::BinaryExpr(binary)) => Some(Equality {
                left: (scans.0, *binary.left),
                right: (scans.1, *binary.right),
                sensitive: roles.0.sensitive || roles.1.sensitive,
            }),
            Ok(_) => {
                self.findings
                    .push(refusal::form("planner_failed", "JOIN", place));
                None
            }
            Err(fault) => {
                self.findings.push(refusal::fault(fault, place));
                None
            }
        }
    }

    /// Some table must have units, or there is nothing to count.
    fn units(&mut self) {
        if (0..self.scans()).all(|scan| self.table(scan).unit.is_none()) {
            let subject = (0..self.scans()).map(|s| self.table(s).name.clone()).next();
            let subject = subject.unwrap_or_else(|| "FROM".to_owned());
            let place = self.survey.place_of_table(&subject);
            self.findings
                .push(refusal::form("no_privacy_unit", &subject, place));
        }
    }

    fn groups(&mut self, aggregate: &Aggregate) -> Vec<Group> {
        let mut groups = Vec::new();
        // The planner gives equal expressions one column.
        let mut distinct: Vec<&Expr> = Vec::new();
        for expr in &aggregate.group_expr {
            if !distinct.contains(&expr) {
                distinct.push(expr);
            }
        }
        for expr in distinct {
            if matches!(expr, Expr::GroupingSet(_)) {
                self.findings
                    .push(refusal::form("grouping_sets", "GROUP BY", None));
                continue;
            }
            let input = aggregate.input.schema();
            let Source {
                columns, growth, ..
            } = &mut self.source;
            match source::substitute(expr, input, columns, growth) {
                Ok(expr) => groups.extend(self.group(expr)),
                Err(finding) => self.findings.push(*finding),
            }
        }
        groups
    }

    fn group(&mut self, expr: Expr) -> Option<Group> {
        let place = self.place(&expr);
        let scans: Vec<usize> = Self::scans_of(&expr).into_iter().collect();
        let [scan] = scans.as_slice() else {
            let rule = "group_not_dimension";
            self.findings
                .push(refusal::form(rule, expression::form_name(&expr), place));
            return None;
        };
        let scan = *scan;
        let mut sources = BTreeSet::new();
        let mut sensitive = false;
        let refs: Vec<Column> = expr.column_refs().into_iter().cloned().collect();
        for column in &refs {
            let subject = self.subject(column);
            let Some((_, scope)) = self.column(column) else {
                self.findings
                    .push(refusal::form("planner_failed", &subject, place));
                return None;
            };
            sensitive |= scope.sensitive;
            let rule = match scope.role {
                ColumnRole::Dimension => {
                    sources.insert(subject);
                    continue;
                }
                ColumnRole::Key => "key_grouped",
                ColumnRole::Measure => "measure_grouped",
            };
            let role = scope.role;
            self.findings
                .push(refusal::role(rule, &subject, role, place));
            return None;
        }
        if self.mixes_kinds(&refs) {
            let source = sources.into_iter().collect::<Vec<_>>().join(",");
            self.findings
                .push(refusal::form("sensitive_with_others", &source, place));
            return None;
        }
        let bound = self.row_local(expr, scan, place)?;
        let data_type = bound.get_type(self.schemas[scan].as_ref()).ok();
        let Some(data_type) = data_type.as_ref().and_then(ColumnType::releasing) else {
            let source = sources.into_iter().collect::<Vec<_>>().join(",");
            self.findings
                .push(refusal::form("group_not_dimension", &source, place));
            return None;
        };
        let source = sources.into_iter().collect::<Vec<_>>().join(",");
        let pins = match &bound {
            Expr::Column(column) if self.pins_of(scan) => {
                Some(format!("{}.{}", self.table(scan).dataset, column.name))
            }
            _ => None,
        };
        Some(Group {
            expr: bound,
            scan,
            data_type,
            sensitive,
            source,
            pins,
        })
    }
}
