//! The statements that give a partition what its parent has; for a new one and for an old one.

use crate::pg::catalog::policies::Policy;
use crate::pg::ident::{TableName, literal, quoted};

/// `ALTER TABLE … OWNER TO …`
pub fn owner(table: &TableName, owner: &str) -> String {
    format!("ALTER TABLE {table} OWNER TO {}", quoted(owner))
}

/// A role as GRANT and CREATE POLICY name it; `None` is PUBLIC.
pub fn role(role: Option<&str>) -> String {
    role.map_or_else(|| "PUBLIC".to_owned(), quoted)
}

/// `UPDATE (body, id)`
pub fn on_columns(privilege: &str, columns: &[String]) -> String {
    let columns: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
    format!("{privilege} ({})", columns.join(", "))
}

/// `GRANT privileges ON TABLE … TO …`
pub fn grant(table: &TableName, privileges: &str, to: Option<&str>, grantable: bool) -> String {
    let option = if grantable { " WITH GRANT OPTION" } else { "" };
    format!("GRANT {privileges} ON TABLE {table} TO {}{option}", role(to))
}

/// `ALTER TABLE … ALTER COLUMN … SET STATISTICS …`; −1 is the default.
pub fn statistics_target(table: &TableName, column: &str, target: i32) -> String {
    format!("ALTER TABLE {table} ALTER COLUMN {} SET STATISTICS {target}", quoted(column))
}

/// `ALTER TABLE … ALTER COLUMN … SET (n_distinct = …)`, from `n_distinct=7, n_distinct_inherited=9`.
pub fn column_options(table: &TableName, column: &str, set: &str) -> String {
    let set: Vec<&str> = set.split(", ").collect();
    format!("ALTER TABLE {table} ALTER COLUMN {} SET ({})", quoted(column), options(&set))
}

/// Options as the catalog has them (`fillfactor=70`), as WITH and SET take them.
pub fn options(options: &[impl AsRef<str>]) -> String {
    let written = options.iter().map(|option| match option.as_ref().split_once('=') {
        Some((name, value)) => {
            let name: Vec<String> = name.split('.').map(quoted).collect();
            format!("{} = {}", name.join("."), literal(value))
        }
        None => quoted(option.as_ref()),
    });
    written.collect::<Vec<_>>().join(", ")
}

/// `ALTER TABLE … ENABLE ROW LEVEL SECURITY`
pub fn row_security(table: &TableName, on: bool) -> String {
    let word = if on { "ENABLE" } else { "DISABLE" };
    format!("ALTER TABLE {table} {word} ROW LEVEL SECURITY")
}

/// `ALTER TABLE … FORCE ROW LEVEL SECURITY`
pub fn forced_row_security(table: &TableName, on: bool) -> String {
    let word = if on { "FORCE" } else { "NO FORCE" };
    format!("ALTER TABLE {table} {word} ROW LEVEL SECURITY")
}

/// `CREATE POLICY …`
pub fn policy(table: &TableName, policy: &Policy) -> String {
    let kind = if policy.is_permissive { "PERMISSIVE" } else { "RESTRICTIVE" };
    let command = match policy.command.as_str() {
        "r" => "SELECT",
        "a" => "INSERT",
        "w" => "UPDATE",
        "d" => "DELETE",
        _ => "ALL",
    };
    let roles: Vec<String> = policy.roles.iter().map(|name| role(name.as_deref())).collect();
    let expression = |word: &str, text: &Option<String>| {
        text.as_ref().map_or_else(String::new, |text| format!(" {word} ({text})"))
    };
    format!(
        "CREATE POLICY {} ON {table} AS {kind} FOR {command} TO {}{}{}",
        quoted(&policy.name),
        roles.join(", "),
        expression("USING", &policy.using_expr),
        expression("WITH CHECK", &policy.check_expr),
    )
}

/// `ALTER TABLE … REPLICA IDENTITY …`, from `d`, `n`, `f`, or `i` with the oid of the parent's index.
pub fn replica_identity(table: &TableName, identity: &str) -> Option<String> {
    let word = match identity.split_at_checked(1)? {
        ("d", _) => "DEFAULT",
        ("n", _) => "NOTHING",
        ("f", _) => "FULL",
        (_, index) => return Some(replica_index(table, index)),
    };
    Some(format!("ALTER TABLE {table} REPLICA IDENTITY {word}"))
}

/// The server names the partition's index, so its name is looked up where it is needed.
fn replica_index(table: &TableName, parent_index: &str) -> String {
    let body = format!(
        "BEGIN EXECUTE (SELECT format('ALTER TABLE %s REPLICA IDENTITY USING INDEX %I', \
         x.indrelid::regclass, c.relname) FROM pg_inherits i \
         JOIN pg_index x ON x.indexrelid = i.inhrelid JOIN pg_class c ON c.oid = x.indexrelid \
         WHERE i.inhparent = {parent_index} AND x.indrelid = {}::regclass); END",
        literal(&table.to_string())
    );
    format!("DO {}", literal(&body))
}
