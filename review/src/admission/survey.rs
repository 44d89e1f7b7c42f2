//! A first look at the syntax: what can be refused with its exact place before anything is planned.
//!
//! The proof over the plan does not rely on this look; it makes the findings precise, and it bounds
//! what the planner is asked to expand.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArguments, GroupByExpr, Ident, JoinOperator, ObjectName, Query, Select,
    SelectItem, SetExpr, Spanned, Statement, TableAlias, TableFactor, Visit, Visitor,
};

use super::refusal;
use crate::finding::{Finding, Span};
use crate::names::Names;
use crate::scope::{Scope, Table};
use crate::text;

/// Common table expressions at most. Each may name others twice, so their number bounds the
/// exponent of what the planner expands.
const CTES_MAX: usize = 8;
/// Findings that one program gets at most.
const FINDINGS_MAX: usize = 32;

/// What a program of a lane may be made of.
pub(super) trait Lane {
    /// Whether a function of this name may be called.
    fn knows_function(&self, name: &str) -> bool;

    /// What is said of one that may not.
    fn refuse_function(&self, name: &str, place: Option<Span>) -> Finding;

    /// Whether a form is taken although the proved lane refuses it by this rule.
    fn takes(&self, rule: &str) -> bool;

    /// The columns of a call that stands where a table does; none where nothing of this name can.
    fn columns_of_call(&self, name: &str) -> Option<Vec<String>>;
}

impl Lane for Names {
    fn knows_function(&self, name: &str) -> bool {
        Self::knows_function(self, name)
    }

    fn refuse_function(&self, name: &str, place: Option<Span>) -> Finding {
        refusal::function(name, place)
    }

    fn takes(&self, _rule: &str) -> bool {
        false
    }

    fn columns_of_call(&self, _name: &str) -> Option<Vec<String>> {
        None
    }
}

/// What the look found.
#[derive(Default)]
pub(super) struct Survey {
    pub(super) findings: Vec<Finding>,
    /// Columns as written: qualifier, name and place, in the order of the text.
    columns: Vec<(Option<String>, String, Option<Span>)>,
    functions: Vec<(String, Option<Span>)>,
    case: Option<Span>,
    relations: Vec<(String, Option<Span>)>,
    ctes: BTreeSet<String>,
    /// Functions that stand where a table does.
    calls: BTreeSet<String>,
    /// Alias of a table, and the table when it is one of the scope.
    aliases: BTreeMap<String, Option<String>>,
    /// Names that the program itself gives to columns.
    named: BTreeSet<String>,
}

impl Survey {
    /// Looks at one statement.
    pub(super) fn of(
        statement: &Statement,
        scope: &Scope,
        lane: &dyn Lane,
        tables_max: usize,
    ) -> Self {
        let mut survey = Self::default();
        let mut look = Look {
            survey: &mut survey,
            lane,
        };
        let _ = statement.visit(&mut look);
        survey.check_relations(scope, tables_max);
        survey.check_columns(scope);
        survey
            .findings
            .sort_by_key(|f| f.place.map_or((u64::MAX, 0), |p| (p.line, p.column)));
        survey.findings.truncate(FINDINGS_MAX);
        survey
    }

    /// Where a column is first written.
    pub(super) fn place_of_column(&self, qualifier: Option<&str>, name: &str) -> Option<Span> {
        let same = |q: &Option<String>, n: &String| {
            n == name && (qualifier.is_none() || q.is_none() || q.as_deref() == qualifier)
        };
        self.columns
            .iter()
            .find(|(q, n, _)| same(q, n))
            .and_then(|(_, _, place)| *place)
    }

    /// Where a function is first called.
    pub(super) fn place_of_function(&self, name: &str) -> Option<Span> {
        self.functions
            .iter()
            .find(|(n, _)| n == name)
            .and_then(|(_, place)| *place)
    }

    /// Where the first `CASE` stands.
    pub(super) fn place_of_case(&self) -> Option<Span> {
        self.case
    }

    /// Where a table is first named.
    pub(super) fn place_of_table(&self, name: &str) -> Option<Span> {
        self.relations
            .iter()
            .find(|(n, _)| n == name)
            .and_then(|(_, place)| *place)
    }

    /// Tables of the scope that the program names.
    pub(super) fn tables<'a>(&self, scope: &'a Scope) -> Vec<&'a Table> {
        scope
            .tables
            .iter()
            .filter(|table| self.relations.iter().any(|(name, _)| *name == table.name))
            .collect()
    }

    /// The table that a qualifier stands for.
    pub(super) fn table_of<'a>(&self, qualifier: &str, scope: &'a Scope) -> Option<&'a Table> {
        match self.aliases.get(qualifier) {
            Some(Some(table)) => scope.table(table),
            Some(None) => None,
            None => scope.table(qualifier),
        }
    }

    fn check_relations(&mut self, scope: &Scope, tables_max: usize) {
        if self.ctes.len() > CTES_MAX {
            self.findings.push(refusal::limit(
                "WITH",
                format!("WITH 最多定义 {CTES_MAX} 个查询"),
                format!("WITH defines at most {CTES_MAX} queries"),
                None,
            ));
        }
        if self.relations.len() > tables_max.saturating_mul(2) {
            self.findings.push(refusal::limit(
                "FROM",
                format!("最多连接 {tables_max} 张表"),
                format!("at most {tables_max} tables are joined"),
                None,
            ));
        }
        let mut seen = BTreeSet::new();
        for (name, place) in &self.relations {
            let known = self.ctes.contains(name)
                || self.calls.contains(name)
                || scope.table(name).is_some();
            if !known && seen.insert(name.clone()) && seen.len() <= FINDINGS_MAX {
                self.findings
                    .push(refusal::table_outside(name, scope, *place));
            }
        }
    }

    /// Names that are neither granted nor given by the program are outside the scenario.
    fn check_columns(&mut self, scope: &Scope) {
        let tables = self.tables(scope);
        if tables.is_empty() {
            return;
        }
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        for (qualifier, name, place) in &self.columns {
            let granted = match qualifier.as_deref().map(|q| self.table_of(q, scope)) {
                Some(Some(table)) => table.column(name).is_some() || self.named.contains(name),
                _ => self.named.contains(name) || tables.iter().any(|t| t.column(name).is_some()),
            };
            if granted || !seen.insert((qualifier.clone(), name.clone())) {
                continue;
            }
            let shown = match qualifier {
                Some(qualifier) => format!("{qualifier}.{name}"),
                None => name.clone(),
            };
            let of = qualifier.as_deref().and_then(|q| self.table_of(q, scope));
            let candidates = match of {
                Some(table) => vec![table],
                None => tables.clone(),
            };
            found.push(refusal::column_outside(
                &shown,
                candidates.into_iter(),
                *place,
            ));
            // Each looks for names that are near: thousands of them would take a minute.
            if found.len() >= FINDINGS_MAX {
                break;
            }
        }
        self.findings.extend(found);
    }
}

/// The visitor: it records names and refuses forms; it never stops early.
struct Look<'a> {
    survey: &'a mut Survey,
    lane: &'a dyn Lane,
}

impl Look<'_> {
    fn refuse(&mut self, rule: &str, subject: &str, place: Option<Span>) {
        if self.lane.takes(rule) {
            return;
        }
        self.survey
            .findings
            .push(refusal::form(rule, subject, place));
    }

    fn alias(&mut self, alias: &TableAlias, table: Option<String>) {
        self.survey.aliases.insert(normal(&alias.name), table);
        for column in &alias.columns {
            self.survey.named.insert(normal(&column.name));
        }
    }

    fn function(&mut self, function: &Function) {
        let name = function.name.to_string().to_lowercase();
        let place = text::span(function.name.span());
        self.survey.functions.push((name.clone(), place));
        if function.over.is_some() && !self.lane.takes("window_function") {
            self.refuse("window_function", &name, place);
            return;
        }
        if matches!(name.as_str(), "rollup" | "cube") {
            self.refuse("grouping_sets", &name, place);
            return;
        }
        if !self.lane.knows_function(&name) {
            let refused = self.lane.refuse_function(&name, place);
            self.survey.findings.push(refused);
            return;
        }
        let FunctionArguments::List(list) = &function.args else {
            self.refuse("subquery", &name, place);
            return;
        };
        let modified = function.filter.is_some()
            || !function.within_group.is_empty()
            || function.null_treatment.is_some()
            || !list.clauses.is_empty()
            || !matches!(function.parameters, FunctionArguments::None);
        if modified {
            self.refuse("aggregate_modifier", &name, place);
        }
    }

    fn select(&mut self, select: &Select) {
        let place = text::span(select.select_token.0.span);
        if select.distinct.is_some() {
            self.refuse("distinct_rows", "DISTINCT", place);
        }
        let unusual = select.top.is_some()
            || select.into.is_some()
            || !select.lateral_views.is_empty()
            || select.prewhere.is_some()
            || !select.connect_by.is_empty()
            || !select.cluster_by.is_empty()
            || !select.distribute_by.is_empty()
            || !select.sort_by.is_empty()
            || select.qualify.is_some()
            || !select.named_window.is_empty()
            || select.value_table_mode.is_some()
            || select.exclude.is_some();
        if unusual {
            self.refuse("form_not_admitted", "SELECT", place);
        }
        match &select.group_by {
            GroupByExpr::All(_) => self.refuse("form_not_admitted", "GROUP BY ALL", place),
            GroupByExpr::Expressions(_, modifiers) if !modifiers.is_empty() => {
                self.refuse("grouping_sets", "GROUP BY … WITH", place);
            }
            GroupByExpr::Expressions(_, _) => {}
        }
        for item in &select.projection {
            match item {
                SelectItem::ExprWithAlias { alias, .. } => {
                    self.survey.named.insert(normal(alias));
                }
                SelectItem::ExprWithAliases { aliases, .. } => {
                    self.survey.named.extend(aliases.iter().map(normal));
                }
                _ => {}
            }
        }
        for join in select.from.iter().flat_map(|from| &from.joins) {
            let place = text::span(join.relation.span());
            match &join.join_operator {
                JoinOperator::Join(_)
                | JoinOperator::Inner(_)
                | JoinOperator::CrossJoin(_)
                | JoinOperator::StraightJoin(_) => {}
                _ => self.refuse("outer_join", "JOIN", place),
            }
        }
    }

    fn query(&mut self, query: &Query) {
        if let Some(with) = &query.with {
            if with.recursive {
                self.refuse(
                    "recursive_query",
                    "WITH RECURSIVE",
                    text::span(with.with_token.0.span),
                );
            }
            for cte in &with.cte_tables {
                self.survey.ctes.insert(normal(&cte.alias.name));
                self.alias(&cte.alias, None);
            }
        }
        let place = text::span(query.body.span());
        match query.body.as_ref() {
            SetExpr::Select(_) | SetExpr::Query(_) => {}
            SetExpr::SetOperation { op, .. } => {
                self.refuse("set_operation", &op.to_string(), place);
            }
            _ => self.refuse("statement_not_select", "SELECT", place),
        }
        let unusual = !query.locks.is_empty()
            || query.for_clause.is_some()
            || query.settings.is_some()
            || query.format_clause.is_some()
            || query.fetch.is_some()
            || !query.pipe_operators.is_empty();
        if unusual {
            self.refuse("form_not_admitted", "SELECT", place);
        }
    }
}

impl Visitor for Look<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.query(query);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        self.select(select);
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let place = text::span(relation.span());
        let name = match relation.0.as_slice() {
            [part] => part.as_ident().map_or_else(|| part.to_string(), normal),
            _ => relation.to_string(),
        };
        if let Some(columns) = self.lane.columns_of_call(&name) {
            self.survey.named.extend(columns);
            self.survey.calls.insert(name.clone());
        }
        self.survey.relations.push((name, place));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let place = text::span(factor.span());
        match factor {
            TableFactor::Table {
                name,
                alias,
                args,
                sample,
                version,
                json_path,
                ..
            } => {
                let called =
                    args.is_some() && self.lane.columns_of_call(&name.to_string()).is_none();
                if called || sample.is_some() || version.is_some() || json_path.is_some() {
                    self.refuse("form_not_admitted", &name.to_string(), place);
                }
                let table = match name.0.as_slice() {
                    [part] => part.as_ident().map(normal),
                    _ => None,
                };
                if let Some(alias) = alias {
                    self.alias(alias, table);
                }
            }
            TableFactor::Derived {
                lateral,
                alias,
                sample,
                ..
            } => {
                if *lateral || sample.is_some() {
                    self.refuse("form_not_admitted", "LATERAL", place);
                }
                if let Some(alias) = alias {
                    self.alias(alias, None);
                }
            }
            TableFactor::NestedJoin { .. } => {}
            _ => self.refuse("form_not_admitted", "FROM", place),
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(ident) => {
                let place = text::span(ident.span);
                self.survey.columns.push((None, normal(ident), place));
            }
            Expr::CompoundIdentifier(parts) => {
                if let [.., qualifier, column] = parts.as_slice() {
                    let place = text::span(qualifier.span.union(&column.span));
                    self.survey
                        .columns
                        .push((Some(normal(qualifier)), normal(column), place));
                }
            }
            Expr::Function(function) => self.function(function),
            Expr::Case { case_token, .. } => {
                self.survey.case = self.survey.case.or(text::span(case_token.0.span));
            }
            Expr::Subquery(_) => self.refuse("subquery", "SELECT", text::span(expr.span())),
            Expr::Exists { .. } => self.refuse("subquery", "EXISTS", text::span(expr.span())),
            Expr::InSubquery { .. } => self.refuse("subquery", "IN", text::span(expr.span())),
            Expr::AnyOp { .. } | Expr::AllOp { .. } => {
                self.refuse("subquery", "ANY", text::span(expr.span()));
            }
            Expr::GroupingSets(_) | Expr::Cube(_) | Expr::Rollup(_) => {
                self.refuse("grouping_sets", "GROUP BY", text::span(expr.span()));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// A name as SQL compares it.
pub(super) fn normal(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}
