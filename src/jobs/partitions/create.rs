//! The SQL that makes a table which is like its parent in all that ATTACH does not bring.
//!
//! `LIKE` leaves behind owner, grants, row security and replica identity; with `INCLUDING ALL` it
//! would bring an identity column, which 17 and 18 refuse to attach.

use super::action::NewPartition;
use crate::pg::catalog::partition::{Grant, Traits};
use crate::pg::ident::{Ident, literal, quoted};
use crate::pg::version::Version;

/// What a new partition is given beyond its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Likeness {
    /// The server's version decides what LIKE can bring.
    pub version: Version,
    /// The parent's owner, unless that is ourselves.
    pub owner: Option<Ident>,
    /// What the parent has.
    pub traits: Traits,
}

/// The transaction that makes the table. Nobody sees it until it is attached.
#[must_use]
pub fn table(new: &NewPartition) -> Vec<String> {
    let NewPartition { child, likeness: Likeness { owner, traits, .. }, .. } = new;
    let mut sql =
        vec![create_like(new), format!("COMMENT ON TABLE {child} IS {}", literal(&new.mark()))];
    if !traits.default_grantees.is_empty() {
        let grantees: Vec<String> =
            traits.default_grantees.iter().map(|role| grantee(role.as_deref())).collect();
        sql.push(format!("REVOKE ALL ON TABLE {child} FROM {}", grantees.join(", ")));
    }
    if let Some(owner) = owner {
        sql.push(format!("ALTER TABLE {child} OWNER TO {owner}"));
    }
    for Grant { grantee: role, privileges, grantable } in &traits.grants {
        let option = if *grantable { " WITH GRANT OPTION" } else { "" };
        let role = grantee(role.as_deref());
        sql.push(format!("GRANT {privileges} ON TABLE {child} TO {role}{option}"));
    }
    if traits.row_security {
        sql.push(format!("ALTER TABLE {child} ENABLE ROW LEVEL SECURITY"));
    }
    match traits.replica_identity.as_str() {
        "f" => sql.push(format!("ALTER TABLE {child} REPLICA IDENTITY FULL")),
        "n" => sql.push(format!("ALTER TABLE {child} REPLICA IDENTITY NOTHING")),
        _ => {}
    }
    sql
}

fn create_like(new: &NewPartition) -> String {
    let NewPartition { parent, child, likeness: Likeness { version, traits, .. }, .. } = new;
    let compression =
        if version.has_column_compression() { " INCLUDING COMPRESSION" } else { "" };
    let Traits { access_method, tablespace, .. } = traits;
    let using = access_method.as_deref().map(|name| format!(" USING {}", quoted(name)));
    let tablespace = tablespace.as_deref().map(|name| format!(" TABLESPACE {}", quoted(name)));
    format!(
        "CREATE TABLE {child} (LIKE {parent} INCLUDING DEFAULTS INCLUDING GENERATED \
         INCLUDING CONSTRAINTS INCLUDING STORAGE{compression} INCLUDING COMMENTS \
         INCLUDING STATISTICS){}{}",
        using.unwrap_or_default(),
        tablespace.unwrap_or_default(),
    )
}

fn grantee(role: Option<&str>) -> String {
    role.map_or_else(|| "PUBLIC".to_owned(), quoted)
}

/// What follows the attaching in its transaction: what needs the indexes it has made, what would
/// hide the table's rows from the check before it, and the end of the mark.
#[must_use]
pub fn after_attach(new: &NewPartition) -> Vec<String> {
    let NewPartition { child, likeness: Likeness { traits, .. }, .. } = new;
    let mut sql = Vec::new();
    if let Some(index) = traits.replica_index {
        sql.push(replica_identity(&child.to_string(), index));
    }
    if traits.row_security_forced {
        sql.push(format!("ALTER TABLE {child} FORCE ROW LEVEL SECURITY"));
    }
    sql.push(format!("COMMENT ON TABLE {child} IS NULL"));
    sql
}

/// The server names the partition's index, so its name is looked up where it is needed.
fn replica_identity(child: &str, parent_index: i64) -> String {
    let body = format!(
        "BEGIN EXECUTE (SELECT format('ALTER TABLE %s REPLICA IDENTITY USING INDEX %I', \
         x.indrelid::regclass, c.relname) FROM pg_inherits i \
         JOIN pg_index x ON x.indexrelid = i.inhrelid JOIN pg_class c ON c.oid = x.indexrelid \
         WHERE i.inhparent = {parent_index} AND x.indrelid = {}::regclass); END",
        literal(child)
    );
    format!("DO {}", literal(&body))
}
