//! What a cluster would answer otherwise than one machine, without a word.
//!
//! A plan travels there as messages, and what those have no room for is left out: of a window function the filter, and that it
//! ignores what is empty (apache/datafusion#17417). The answer then looks like one, and is another question's.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{NullTreatment, WindowFunction};
use datafusion::logical_expr::{Expr, LogicalPlan, TableScan};

use crate::error::EngineError;

/// Whether a plan reads a table or a view of the store.
pub(super) fn reads_tables(plan: &LogicalPlan) -> Result<bool> {
    let mut reads = false;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(TableScan { table_name, .. }) = node {
            reads |= table_name.schema() != Some("information_schema");
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(reads)
}

/// Refuses a plan that a cluster would not carry out as it is.
pub(super) fn check(plan: &LogicalPlan) -> std::result::Result<(), EngineError> {
    let mut found = None;
    let visited = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            expression.apply(|expression| {
                if let Expr::WindowFunction(function) = expression {
                    found = found.or_else(|| lost(function));
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    match found {
        Some(what) => Err(EngineError::NotOnCluster(what)),
        None => visited.map(drop).map_err(EngineError::query("the query", 0)),
    }
}

/// What of a window function does not arrive.
fn lost(function: &WindowFunction) -> Option<&'static str> {
    let parameters = &function.params;
    if parameters.filter.is_some() {
        Some("FILTER in a window (OVER)")
    } else if parameters.distinct {
        Some("DISTINCT in a window (OVER)")
    } else if parameters.null_treatment == Some(NullTreatment::IgnoreNulls) {
        Some("IGNORE NULLS in a window (OVER)")
    } else {
        None
    }
}
