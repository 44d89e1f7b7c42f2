//! What a small text can grow into.
//!
//! A name stands for a whole expression or a whole query, so a text of a few kilobytes can stand for
//! an expression of terabytes: each of 40 nested queries that uses a column five times multiplies by
//! five. Everything that is put in the place of a name is counted before it is made, once by the look
//! of the text ([`check`], before the planner puts queries and aliases in place) and once on the plan
//! ([`Growth`], before columns are put in place).

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::Expr;
use datafusion::sql::sqlparser::ast::{
    Expr as Syntax, GroupByExpr, OrderByKind, Query, Select, SelectItem, SetExpr, Statement,
    TableFactor, TableWithJoins, Value, Visit, Visitor,
};

use super::refusal;
use super::survey::normal;
use super::types::SqlLimits;
use crate::finding::Finding;

/// Nodes that may still be made.
pub(super) struct Growth {
    left: usize,
    max: usize,
}

impl Growth {
    /// Room for so many nodes of one program.
    pub(super) fn new(max: usize) -> Self {
        Self { left: max, max }
    }

    /// Takes room, before anything is made of it.
    pub(super) fn take(&mut self, nodes: usize) -> Result<(), Box<Finding>> {
        match self.left.checked_sub(nodes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => refusal::err(too_large(self.max)),
        }
    }

    /// What was made so far.
    #[cfg(test)]
    pub(super) fn made(&self) -> usize {
        self.max - self.left
    }
}

fn too_large(max: usize) -> Finding {
    refusal::limit(
        "SELECT",
        format!("各层子查询与别名代入后，表达式超过 {max} 个节点"),
        format!(
            "with its subqueries and aliases put in place, the program has expressions of more \
             than {max} nodes"
        ),
        None,
    )
}

/// Nodes of an expression.
pub(super) fn nodes(expr: &Expr) -> usize {
    let mut count = 0usize;
    // The walk has no error of its own.
    let _ = expr.apply(|_| {
        count = count.saturating_add(1);
        Ok(TreeNodeRecursion::Continue)
    });
    count
}

/// Refuses what the planner would multiply: queries that name others, aliases in `GROUP BY`, `HAVING`
/// and `ORDER BY`, and stars.
pub(super) fn check(statement: &Statement, limits: &SqlLimits) -> Result<(), Box<Finding>> {
    let Statement::Query(query) = statement else {
        return Ok(());
    };
    if tables(query, &BTreeMap::new()) > limits.tables {
        let max = limits.tables;
        return refusal::err(refusal::limit(
            "FROM",
            format!("最多连接 {max} 张表（各 WITH 查询代入后）"),
            format!("at most {max} tables are joined, with the queries of WITH put in place"),
            None,
        ));
    }
    let mut look = Look {
        limits,
        made: 0,
        refused: None,
    };
    let _ = statement.visit(&mut look);
    match look.refused {
        Some(finding) => Err(finding),
        None => Ok(()),
    }
}

/// Tables that a query reads with the queries of `WITH` put in place; of several queries the most.
fn tables(query: &Query, outer: &BTreeMap<String, usize>) -> usize {
    let mut known = outer.clone();
    let mut most = 0;
    for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
        let read = tables(&cte.query, &known);
        most = most.max(read);
        known.insert(normal(&cte.alias.name), read);
    }
    most.max(body(&query.body, &known))
}

fn body(set: &SetExpr, known: &BTreeMap<String, usize>) -> usize {
    match set {
        SetExpr::Select(select) => from(&select.from, known),
        SetExpr::Query(query) => tables(query, known),
        SetExpr::SetOperation { left, right, .. } => {
            body(left, known).saturating_add(body(right, known))
        }
        _ => 0,
    }
}

fn from(parts: &[TableWithJoins], known: &BTreeMap<String, usize>) -> usize {
    parts
        .iter()
        .flat_map(|part| {
            std::iter::once(&part.relation).chain(part.joins.iter().map(|join| &join.relation))
        })
        .map(|factor| match factor {
            TableFactor::Table { name, .. } => match name.0.as_slice() {
                [part] => part
                    .as_ident()
                    .and_then(|ident| known.get(&normal(ident)).copied())
                    .unwrap_or(1),
                _ => 1,
            },
            TableFactor::Derived { subquery, .. } => tables(subquery, known),
            TableFactor::NestedJoin {
                table_with_joins, ..
            } => from(std::slice::from_ref(table_with_joins), known),
            _ => 1,
        })
        .fold(0, usize::saturating_add)
}

struct Look<'a> {
    limits: &'a SqlLimits,
    /// Nodes that stand for aliases and positions, over the whole program.
    made: usize,
    refused: Option<Box<Finding>>,
}

impl Look<'_> {
    fn select(&mut self, select: &Select, order_by: &[&Syntax]) -> Result<(), Box<Finding>> {
        let stars = select.projection.iter().filter(|item| {
            matches!(
                item,
                SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(_, _)
            )
        });
        if stars.count() > self.limits.tables {
            let max = self.limits.tables;
            return refusal::err(refusal::limit(
                "*",
                format!("一个 SELECT 最多 {max} 个 *"),
                format!("a SELECT has at most {max} stars"),
                None,
            ));
        }
        let group_by: &[Syntax] = match &select.group_by {
            GroupByExpr::Expressions(exprs, _) => exprs,
            GroupByExpr::All(_) => &[],
        };
        for (word, count) in [("GROUP BY", group_by.len()), ("ORDER BY", order_by.len())] {
            let max = self.limits.columns_out;
            if count > max {
                return refusal::err(refusal::limit(
                    word,
                    format!("{word} 最多 {max} 项"),
                    format!("{word} has at most {max} expressions"),
                    None,
                ));
            }
        }
        let items: Vec<usize> = select.projection.iter().map(size).collect();
        let aliases: BTreeMap<String, usize> = select
            .projection
            .iter()
            .zip(&items)
            .filter_map(|(item, &nodes)| match item {
                SelectItem::ExprWithAlias { alias, .. } => Some((normal(alias), nodes)),
                _ => None,
            })
            .collect();
        let places = group_by
            .iter()
            .chain(&select.having)
            .chain(order_by.iter().copied());
        for place in places {
            let named = match position(place) {
                Some(position) => items.get(position).copied().unwrap_or(0),
                None => aliased(place, &aliases),
            };
            self.made = self.made.saturating_add(named);
            if self.made > self.limits.nodes {
                return refusal::err(too_large(self.limits.nodes));
            }
        }
        Ok(())
    }
}

impl Visitor for Look<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let order_by: Vec<&Syntax> = match query.order_by.as_ref().map(|order| &order.kind) {
            Some(OrderByKind::Expressions(keys)) => keys.iter().map(|key| &key.expr).collect(),
            _ => Vec::new(),
        };
        if let SetExpr::Select(select) = query.body.as_ref()
            && let Err(finding) = self.select(select, &order_by)
        {
            self.refused = Some(finding);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

/// Nodes of one item of a select list.
fn size(item: &SelectItem) -> usize {
    let mut size = Size(0);
    let _ = item.visit(&mut size);
    size.0
}

struct Size(usize);

impl Visitor for Size {
    type Break = ();

    fn pre_visit_expr(&mut self, _: &Syntax) -> ControlFlow<()> {
        self.0 = self.0.saturating_add(1);
        ControlFlow::Continue(())
    }
}

/// The item of the select list that a whole number stands for.
fn position(expr: &Syntax) -> Option<usize> {
    let Syntax::Value(value) = expr else {
        return None;
    };
    let Value::Number(number, _) = &value.value else {
        return None;
    };
    number.parse::<usize>().ok()?.checked_sub(1)
}

/// Nodes that stand for the aliases in an expression.
fn aliased(expr: &Syntax, aliases: &BTreeMap<String, usize>) -> usize {
    struct Names<'a> {
        aliases: &'a BTreeMap<String, usize>,
        nodes: usize,
    }
    impl Visitor for Names<'_> {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Syntax) -> ControlFlow<()> {
            if let Syntax::Identifier(ident) = expr
                && let Some(&nodes) = self.aliases.get(&normal(ident))
            {
                self.nodes = self.nodes.saturating_add(nodes);
            }
            ControlFlow::Continue(())
        }
    }
    let mut names = Names { aliases, nodes: 0 };
    let _ = expr.visit(&mut names);
    names.nodes
}

#[cfg(test)]
mod tests;
