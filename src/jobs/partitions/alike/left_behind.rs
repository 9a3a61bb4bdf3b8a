//! What `CREATE TABLE … (LIKE …)` leaves behind, for a new partition and for a new parent.

use super::clauses;
use crate::pg::catalog::traits::{ColumnGrant, ColumnTraits, Grant, Traits};
use crate::pg::ident::{Ident, TableName, literal};

/// Owner, grants, what its columns have, and targets of statistics; `like`: the oid of the table that
/// it was made like, as SQL. The owner comes before the grants, which are the owner's.
#[must_use]
pub fn left_behind(
    table: &TableName,
    owner: Option<&Ident>,
    traits: &Traits,
    like: &str,
) -> Vec<String> {
    let mut sql = Vec::new();
    if !traits.default_grantees.is_empty() {
        let roles: Vec<String> =
            traits.default_grantees.iter().map(|role| clauses::role(role.as_deref())).collect();
        sql.push(format!("REVOKE ALL ON TABLE {table} FROM {}", roles.join(", ")));
    }
    sql.extend(owner.map(|owner| clauses::owner(table, owner.as_str())));
    for Grant { grantee, privileges, grantable } in &traits.grants {
        sql.push(clauses::grant(table, privileges, grantee.as_deref(), *grantable));
    }
    for ColumnGrant { grantee, privilege, columns, grantable } in &traits.column_grants {
        let what = clauses::on_columns(privilege, columns);
        sql.push(clauses::grant(table, &what, grantee.as_deref(), *grantable));
    }
    for ColumnTraits { name, target, options } in &traits.columns {
        sql.extend(target.map(|target| clauses::statistics_target(table, name, target)));
        sql.extend(options.as_ref().map(|options| clauses::column_options(table, name, options)));
    }
    if traits.has_statistics_targets {
        sql.push(targets_of_statistics(like, table));
    }
    sql
}

/// The server names the table's statistics, in the order of those of the table it is like.
fn targets_of_statistics(like: &str, table: &TableName) -> String {
    let numbered = |table: String| {
        format!(
            "(SELECT row_number() OVER (ORDER BY oid) AS n, * FROM pg_statistic_ext \
             WHERE stxrelid = {table})"
        )
    };
    let body = format!(
        "DECLARE change text; BEGIN FOR change IN SELECT format('ALTER STATISTICS %I.%I SET \
         STATISTICS %s', s.nspname, c.stxname, p.stxstattarget) FROM {} p JOIN {} c USING (n) \
         JOIN pg_namespace s ON s.oid = c.stxnamespace WHERE p.stxstattarget >= 0 \
         LOOP EXECUTE change; END LOOP; END",
        numbered(like.to_owned()),
        numbered(format!("{}::regclass", literal(&table.to_string()))),
    );
    format!("DO {}", literal(&body))
}
