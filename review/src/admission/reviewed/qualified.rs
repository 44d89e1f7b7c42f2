//! Names of functions with a dot in them. The planner looks up table functions by their first part alone, so that the
//! two parts are made one before it sees them.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectName, ObjectNamePart, Statement, TableFactor, VisitMut, VisitorMut,
};

use crate::admission::survey::normal;

/// Makes `module.function` one name, in calls only.
pub(super) fn join_names(statement: &mut Statement) {
    let _ = statement.visit(&mut Joiner);
}

struct Joiner;

impl VisitorMut for Joiner {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table {
                name,
                args: Some(_),
                ..
            }
            | TableFactor::Function { name, .. } => join(name),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr {
            join(&mut function.name);
        }
        ControlFlow::Continue(())
    }
}

fn join(name: &mut ObjectName) {
    let [module, function] = name.0.as_slice() else {
        return;
    };
    let (Some(module), Some(function)) = (module.as_ident(), function.as_ident()) else {
        return;
    };
    let joined = Ident {
        value: format!("{}.{}", normal(module), normal(function)),
        quote_style: None,
        span: module.span.union(&function.span),
    };
    name.0 = vec![ObjectNamePart::Identifier(joined)];
}
