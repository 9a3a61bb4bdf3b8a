//! The SQL that makes a table which is like its parent in all that ATTACH does not bring.
//!
//! `LIKE` leaves behind owner, grants, row security, replica identity and statistics targets; with
//! `INCLUDING ALL` it would bring an identity column, which 17 and 18 refuse to attach.

use super::new::NewPartition;
use crate::jobs::partitions::alike::clauses;
use crate::jobs::partitions::alike::given::Likeness;
use crate::jobs::partitions::alike::left_behind::left_behind;
use crate::pg::catalog::traits::Traits;
use crate::pg::ident::quoted;

/// Makes the table. Nobody sees it until it is attached.
#[must_use]
pub fn table(new: &NewPartition) -> Vec<String> {
    let NewPartition { child, likeness: Likeness { owner, traits, policies, .. }, .. } = new;
    let mut sql = vec![create_like(new)];
    sql.extend(left_behind(child, owner.as_ref(), traits, &new.parent_id()));
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

/// What follows the attaching in its transaction: what needs the indexes it has made, and what would
/// hide the table's rows from the check before it.
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
    sql
}
