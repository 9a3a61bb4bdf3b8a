//! The SQL that makes a table which is like its parent in all that ATTACH does not bring.
//!
//! `LIKE` leaves behind owner, grants, row security, replica identity and statistics targets; with
//! `INCLUDING ALL` it would bring an identity column, which 17 and 18 refuse to attach.

use super::new::NewPartition;
use crate::jobs::partitions::alike::clauses;
use crate::jobs::partitions::alike::given::Likeness;
use crate::pg::catalog::traits::{ColumnGrant, ColumnTraits, Grant, Traits};
use crate::pg::ident::{TableName, literal, quoted};

/// The transaction that makes the table, with a comment that says what it is until it is attached.
/// Nobody sees it until then.
#[must_use]
pub fn table(new: &NewPartition, mark: &str) -> Vec<String> {
    let NewPartition { child, likeness: Likeness { owner, traits, policies, .. }, .. } = new;
    let mut sql = vec![create_like(new), format!("COMMENT ON TABLE {child} IS {}", literal(mark))];
    if !traits.default_grantees.is_empty() {
        let grantees: Vec<String> =
            traits.default_grantees.iter().map(|role| clauses::role(role.as_deref())).collect();
        sql.push(format!("REVOKE ALL ON TABLE {child} FROM {}", grantees.join(", ")));
    }
    if let Some(owner) = owner {
        sql.push(clauses::owner(child, owner.as_str()));
    }
    for Grant { grantee, privileges, grantable } in &traits.grants {
        sql.push(clauses::grant(child, privileges, grantee.as_deref(), *grantable));
    }
    for ColumnGrant { grantee, privilege, columns, grantable } in &traits.column_grants {
        let what = clauses::on_columns(privilege, columns);
        sql.push(clauses::grant(child, &what, grantee.as_deref(), *grantable));
    }
    for ColumnTraits { name, target, options } in &traits.columns {
        if let Some(target) = target {
            sql.push(clauses::statistics_target(child, name, *target));
        }
        if let Some(options) = options {
            sql.push(clauses::column_options(child, name, options));
        }
    }
    if traits.has_statistics_targets {
        sql.push(targets_of_statistics(&new.parent_id(), child));
    }
    if traits.row_security {
        sql.push(clauses::row_security(child, true));
        sql.extend(policies.iter().map(|policy| clauses::policy(child, policy)));
    }
    if let "f" | "n" = traits.replica_identity.as_str() {
        sql.extend(clauses::replica_identity(child, &traits.replica_identity));
    }
    sql
}

fn create_like(new: &NewPartition) -> String {
    let NewPartition { parent, child, likeness, .. } = new;
    let Likeness { version, traits, storage, with_indexes, .. } = likeness;
    let indexes = if *with_indexes { " INCLUDING INDEXES" } else { "" };
    let compression = if version.has_column_compression() { " INCLUDING COMPRESSION" } else { "" };
    let Traits { access_method, tablespace, .. } = traits;
    let using = access_method.as_deref().map(|name| format!(" USING {}", quoted(name)));
    let with = (!storage.is_empty()).then(|| format!(" WITH ({})", clauses::options(storage)));
    let tablespace = tablespace.as_deref().map(|name| format!(" TABLESPACE {}", quoted(name)));
    format!(
        "CREATE TABLE {child} (LIKE {parent} INCLUDING DEFAULTS INCLUDING GENERATED \
         INCLUDING CONSTRAINTS INCLUDING STORAGE{compression} INCLUDING COMMENTS \
         INCLUDING STATISTICS{indexes}){}{}{}",
        using.unwrap_or_default(),
        with.unwrap_or_default(),
        tablespace.unwrap_or_default(),
    )
}

/// The server names the table's statistics, in the order of those of the table it is like.
#[must_use]
pub fn targets_of_statistics(like: &str, table: &TableName) -> String {
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

/// What follows the attaching in its transaction: what needs the indexes it has made, what would
/// hide the table's rows from the check before it, and the end of the mark.
#[must_use]
pub fn after_attach(new: &NewPartition) -> Vec<String> {
    let NewPartition { child, likeness: Likeness { traits, .. }, .. } = new;
    let mut sql = Vec::new();
    if let Some(index) = traits.replica_index {
        sql.extend(clauses::replica_identity(child, &format!("i{index}")));
    }
    if traits.row_security_forced {
        sql.push(clauses::forced_row_security(child, true));
    }
    sql.push(format!("COMMENT ON TABLE {child} IS NULL"));
    sql
}
