//! Differences in words, and the statements that end them.

use super::clauses;
use crate::pg::catalog::likeness::{Aspect, Difference};
use crate::pg::catalog::policies::Policy;
use crate::pg::ident::{TableName, quoted};
use crate::pg::partition_name::beside;

/// What makes this partition like its parent again, but for what rewrites it. The owner comes first,
/// as in the differences, since what follows is granted by the owner. Without the parent's policies,
/// those that lack are left.
pub fn cures(
    child: &TableName,
    differences: &[Difference],
    policies: Option<&Vec<Policy>>,
) -> Vec<String> {
    let mut sql = Vec::new();
    for alike in differences.chunk_by(is_one_grant) {
        match alike[0].aspect {
            Aspect::Privilege | Aspect::ColumnPrivilege => sql.push(privileges(child, alike)),
            _ => sql.extend(cure(child, &alike[0], policies)),
        }
    }
    sql
}

fn wanted(one: &Difference) -> &str {
    one.wanted.as_deref().unwrap_or_default()
}

/// Privileges that one GRANT or REVOKE sets right: several on the table, or one on several columns.
fn is_one_grant(a: &Difference, b: &Difference) -> bool {
    let is_alike = match (a.aspect, b.aspect) {
        (Aspect::Privilege, Aspect::Privilege) => true,
        (Aspect::ColumnPrivilege, Aspect::ColumnPrivilege) => a.privilege == b.privilege,
        _ => false,
    };
    is_alike && (&a.role, &a.wanted, &a.found) == (&b.role, &b.wanted, &b.found)
}

fn privileges(child: &TableName, alike: &[Difference]) -> String {
    let (what, first) = (privilege(alike), &alike[0]);
    let role = first.role.as_deref();
    match (first.wanted.as_deref(), first.found.as_deref()) {
        (None, _) => format!("REVOKE {what} ON TABLE {child} FROM {}", clauses::role(role)),
        (Some("granted"), Some(_)) => {
            format!("REVOKE GRANT OPTION FOR {what} ON TABLE {child} FROM {}", clauses::role(role))
        }
        (Some(granted), _) => clauses::grant(child, &what, role, granted != "granted"),
    }
}

/// `INSERT, SELECT`, or `UPDATE (body, id)`.
fn privilege(alike: &[Difference]) -> String {
    let privileges: Vec<&str> = alike.iter().filter_map(|one| one.privilege.as_deref()).collect();
    let columns: Vec<String> = alike.iter().filter_map(|one| one.item.clone()).collect();
    match privileges.first() {
        Some(privilege) if !columns.is_empty() => clauses::on_columns(privilege, &columns),
        _ => privileges.join(", "),
    }
}

fn cure(child: &TableName, one: &Difference, policies: Option<&Vec<Policy>>) -> Vec<String> {
    let item = one.item.as_deref().unwrap_or_default();
    let on = wanted(one) == "true";
    match one.aspect {
        Aspect::RowSecurity => vec![clauses::row_security(child, on)],
        Aspect::ForcedRowSecurity => vec![clauses::forced_row_security(child, on)],
        Aspect::ReplicaIdentity => {
            clauses::replica_identity(child, wanted(one)).into_iter().collect()
        }
        Aspect::StatisticsTarget => {
            vec![clauses::statistics_target(child, item, wanted(one).parse().unwrap_or(-1))]
        }
        Aspect::ColumnOptions => column_options(child, item, one),
        Aspect::Statistics => statistics(child, item, one),
        Aspect::TargetOfStatistics => {
            let target: i32 = wanted(one).parse().unwrap_or(-1);
            vec![format!("ALTER STATISTICS {item} SET STATISTICS {target}")]
        }
        Aspect::Policy => policy(child, item, one, policies),
        Aspect::Owner => vec![clauses::owner(child, wanted(one))],
        Aspect::Privilege | Aspect::ColumnPrivilege | Aspect::AccessMethod | Aspect::Tablespace => {
            Vec::new()
        }
    }
}

/// What the parent has is set; what only the partition has is reset.
fn column_options(child: &TableName, column: &str, one: &Difference) -> Vec<String> {
    let name = |option: &str| option.split('=').next().unwrap_or_default().to_owned();
    let names = |options: Option<&str>| -> Vec<String> {
        options.map(|set| set.split(", ").map(name).collect()).unwrap_or_default()
    };
    let kept = names(one.wanted.as_deref());
    let surplus: Vec<String> =
        names(one.found.as_deref()).into_iter().filter(|name| !kept.contains(name)).collect();
    let mut sql = Vec::new();
    if !surplus.is_empty() {
        let (column, surplus) = (quoted(column), clauses::options(&surplus));
        sql.push(format!("ALTER TABLE {child} ALTER COLUMN {column} RESET ({surplus})"));
    }
    if let Some(set) = &one.wanted {
        sql.push(clauses::column_options(child, column, set));
    }
    sql
}

/// Up to 15 statistics must be named, so they get a name that no other statistics of the table get.
fn statistics(child: &TableName, body: &str, one: &Difference) -> Vec<String> {
    let hash = body
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let ending = format!("_{hash:08x}_stat");
    let name = child.sibling(beside(&child.table, &ending));
    let mut sql = vec![format!("CREATE STATISTICS {name} {body} FROM {child}")];
    if let Ok(target) = wanted(one).parse::<i32>() {
        sql.push(format!("ALTER STATISTICS {name} SET STATISTICS {target}"));
    }
    sql
}

fn policy(
    child: &TableName,
    name: &str,
    one: &Difference,
    policies: Option<&Vec<Policy>>,
) -> Vec<String> {
    let drop = format!("DROP POLICY {} ON {child}", quoted(name));
    let mut sql = if one.found.is_some() { vec![drop] } else { Vec::new() };
    if one.wanted.is_some() {
        match policies.into_iter().flatten().find(|policy| policy.name == name) {
            Some(policy) => sql.push(clauses::policy(child, policy)),
            // Better an old policy than none.
            None => sql.clear(),
        }
    }
    sql
}

/// In what a partition differs, in one sentence.
pub fn words(differences: &[Difference]) -> String {
    let parts: Vec<String> = differences
        .chunk_by(is_one_grant)
        .map(|alike| match alike[0].aspect {
            Aspect::Privilege | Aspect::ColumnPrivilege => privilege_words(alike),
            _ => word(&alike[0]),
        })
        .collect();
    parts.join(", ")
}

fn privilege_words(alike: &[Difference]) -> String {
    let (what, role) = (privilege(alike), clauses::role(alike[0].role.as_deref()));
    match (alike[0].wanted.as_deref(), alike[0].found.as_deref()) {
        (None, _) => format!("{role} has {what} on it alone"),
        (Some("granted"), Some(_)) => format!("{role} may grant {what} on it alone"),
        (Some(_), Some(_)) => format!("{role} may not grant {what} on it"),
        (Some(_), None) => format!("{role} lacks {what}"),
    }
}

fn word(one: &Difference) -> String {
    let item = one.item.as_deref().unwrap_or_default();
    let quoted_item = quoted(item);
    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "the default".to_owned());
    let is_not =
        |what: &str| format!("{what} is {}, not {}", shown(&one.found), shown(&one.wanted));
    let on_off =
        |what: &str| format!("{what} is {}", if wanted(one) == "true" { "off" } else { "on" });
    match one.aspect {
        Aspect::Owner => is_not("its owner"),
        Aspect::RowSecurity => on_off("row security"),
        Aspect::ForcedRowSecurity => on_off("forced row security"),
        Aspect::ReplicaIdentity => {
            let [found, wanted] = [&one.found, &one.wanted].map(|side| identity(side.as_deref()));
            format!("its replica identity is {found}, not {wanted}")
        }
        Aspect::StatisticsTarget => is_not(&format!("the statistics target of {quoted_item}")),
        Aspect::ColumnOptions => is_not(&format!("what is set for column {quoted_item}")),
        Aspect::Statistics => format!("it has no statistics {item}"),
        Aspect::TargetOfStatistics => is_not(&format!("the target of statistics {item}")),
        Aspect::Policy => match (&one.wanted, &one.found) {
            (Some(_), None) => format!("it has no policy {quoted_item}"),
            (None, _) => format!("it has a policy {quoted_item} of its own"),
            _ => format!("its policy {quoted_item} is another"),
        },
        Aspect::AccessMethod => is_not("its access method"),
        Aspect::Tablespace => is_not("its tablespace"),
        Aspect::Privilege | Aspect::ColumnPrivilege => String::new(),
    }
}

fn identity(identity: Option<&str>) -> &'static str {
    match identity.and_then(|text| text.chars().next()) {
        Some('f') => "full",
        Some('n') => "nothing",
        Some('i') => "that index",
        _ => "the default",
    }
}
