//! Walks and columns.

use super::*;
use crate::jobs::archive::columns;
use crate::jobs::archive::walk::Walk;

#[test]
fn walks_prefer_the_age_and_need_a_key() {
    let walk = |indexes: &[Index]| {
        Walk::choose(&jobs_columns(), indexes, &Age::Column(ident("created_at")), None)
            .map(|walk| walk.list())
    };
    let unique = |columns| Index { is_unique: true, ..index("u", columns) };
    let partial = |index| Index { is_partial: true, ..index };
    assert_eq!(walk(&[primary(&["id"])]).unwrap(), "(id)");
    assert_eq!(walk(&[primary(&["created_at", "id"])]).unwrap(), "(created_at, id)");
    assert_eq!(
        walk(&[primary(&["id", "created_at"]), index("a", &["created_at"])]).unwrap(),
        "(created_at, id)"
    );
    assert_eq!(
        walk(&[primary(&["id"]), partial(index("a", &["created_at"]))]).unwrap(),
        "(id)",
        "only the server knows whether a partial index serves the condition"
    );
    assert_eq!(walk(&[unique(&["status", "id"])]).unwrap(), "(status, id)");
    assert_eq!(walk(&[partial(unique(&["id"]))]), None);
    assert_eq!(walk(&[index("a", &["created_at"])]), None);
}

#[test]
fn a_key_of_an_extensions_type_is_no_order() {
    let mut columns = jobs_columns();
    columns[0].has_own_order = false;
    assert_eq!(
        Walk::choose(&columns, &[primary(&["id"])], &Age::Column(ident("created_at")), None),
        None
    );
}

/// Source and target column, and what is said about them.
fn compared(from: &Column, into: &Column) -> Vec<String> {
    let name = "a".parse().unwrap();
    let found = columns::compare(
        std::slice::from_ref(from),
        std::slice::from_ref(into),
        &name,
        Some(&ident("at")),
    );
    let drift =
        found.drift.into_iter().map(|drift| drift.refusal.fault("archive", &name).to_string());
    drift.chain(found.warnings).collect()
}

#[test]
fn a_target_column_may_be_wider_and_never_narrower() {
    let sized = |modifier| Column { modifier, ..column("c", "character varying", 1043) };
    // Precision p and scale s are encoded as p·65536 + s + 4.
    let numeric = |precision: i32, scale: i32| Column {
        modifier: precision * 65_536 + scale + 4,
        ..column("c", "numeric", 1700)
    };
    let unlimited = |column: Column| Column { modifier: -1, ..column };
    for (from, into) in [
        (sized(14), sized(14)),
        (sized(14), sized(24)),
        (sized(14), unlimited(sized(0))),
        (numeric(10, 2), numeric(12, 2)),
        (numeric(10, 2), unlimited(numeric(1, 1))),
    ] {
        assert_eq!(compared(&from, &into), [""; 0]);
    }
    for (from, into) in [
        (sized(24), sized(14)),
        (unlimited(sized(0)), sized(14)),
        (numeric(10, 2), numeric(10, 3)),
        (numeric(10, 2), numeric(8, 2)),
        (column("c", "bigint", 20), column("c", "integer", 23)),
    ] {
        assert_eq!(compared(&from, &into).len(), 1, "{from:?} {into:?}");
    }
}
