//! What refers to the rows leaves with them.

use super::*;
use crate::jobs::archive::action::{ArchiveAction, CreateTarget};
use crate::jobs::archive::purge::children::ChildArchive;
use crate::jobs::archive::side::Source;
use crate::jobs::archive::tests::{column, ident, index, primary};
use crate::pg::catalog::foreign_keys::{ForeignKey, Referrer};

type Bend = fn(&mut PurgeFacts);

fn key(name: &str, column: &str) -> ForeignKey {
    ForeignKey {
        constraint: ident(name),
        columns: vec![ident(column)],
        referenced: vec![ident("id")],
    }
}

/// The same, and one child whose archive refers to them.
fn with_events() -> (Purge, PurgeFacts) {
    let (mut purge, mut facts) = purge();
    purge.children = vec!["events".parse().unwrap()];
    let hot = [column("id", "bigint", 20), column("job_id", "bigint", 20)];
    let stamp = column("archived_at", "timestamp with time zone", 1184);
    let source = Source {
        columns: [hot.to_vec(), vec![stamp]].concat(),
        indexes: vec![primary(&["id"]), index("events_archive_job", &["job_id"])],
        relation: crate::jobs::archive::tests::relation(7),
        ..world().source
    };
    facts.children = vec![ChildArchive {
        child: "events".parse().unwrap(),
        name: "events_archive".parse().unwrap(),
        source: Some(source),
        hot_columns: hot.to_vec(),
        keys: vec![key("events_job_id_fkey", "job_id")],
        own_keys: Vec::new(),
        agreed: facts.agreed.clone(),
    }];
    (purge, facts)
}

fn planned(
    (purge, facts): &(Purge, PurgeFacts),
    mut made: Plan<ArchiveAction>,
) -> Plan<ArchiveAction> {
    let name = Rule::of("jobs_archive".parse().unwrap());
    let when = (NOW.parse().unwrap(), false);
    plan(&name, (purge, &Limits::default()), facts, when, &mut made);
    made
}

#[test]
fn the_children_of_an_archive_are_deleted_first_and_on_record() {
    let made = planned(&with_events(), Plan::default());
    let printed = made.view(JobName::Archive).to_string();
    let from = printed.find("SET LOCAL").unwrap();
    let reason = printed.lines().nth(1).unwrap();
    insta::assert_snapshot!(format!("{reason}\n{}", &printed[from - 6..]));
}

/// The statements that run are those that are printed, children first.
#[test]
fn what_is_printed_of_children_is_what_runs() {
    let made = planned(&with_events(), Plan::default());
    let Some(ArchiveAction::Move(rows)) = made.actions.first() else { panic!("{made:?}") };
    let range = crate::jobs::archive::found::Range {
        first: vec!["2015-01-01".into(), "1".into()],
        last: vec!["2015-02-01".into(), "9".into()],
        rows_max: None,
    };
    let batch = rows.batch(&range, crate::jobs::archive::action::How::default(), None);
    let texts: Vec<&String> = batch.step.statements.iter().map(|it| &it.sql).collect();
    let printed = crate::job::Action::sql(&made.actions[0]);
    assert!(texts.iter().all(|text| printed.contains(text)), "{texts:#?}");
    let at = |what: &str| texts.iter().position(|text| text.starts_with(what)).unwrap();
    let child = at("DELETE FROM public.events_archive");
    assert!(child < at("DELETE FROM public.jobs_archive"), "{texts:#?}");
    assert_eq!(batch.children, [child]);
}

#[test]
fn what_does_not_tell_the_rows_of_children_is_refused() {
    let mut said = String::new();
    let bends: [(&str, Bend); 12] = [
        ("gone", |it| {
            it.children[0].keys.clear();
            it.children[0].hot_columns.clear();
        }),
        ("two keys", |it| it.children[0].keys.push(key("events_last_fkey", "last"))),
        ("without the column", |it| drop(of(it).columns.remove(1))),
        ("of another type", |it| of(it).columns[1] = column("job_id", "text", 25)),
        ("without the column it points at", |it| {
            it.children[0].keys[0].referenced = vec![ident("number")];
        }),
        ("nothing unique", |it| it.source.as_mut().unwrap().indexes[0].is_unique = false),
        ("itself", |it| of(it).relation = world().source.relation),
        ("privileges", |it| of(it).missing = vec!["SELECT".into(), "DELETE".into()]),
        ("row security", |it| of(it).relation.row_security = true),
        ("grandchildren", |it| {
            let (constraint, table) = (ident("notes_fkey"), "notes".parse().unwrap());
            of(it).referrers = vec![Referrer { constraint, table }];
        }),
        ("a foreign key of its own by another column", |it| {
            it.children[0].own_keys = vec![key("events_archive_fkey", "last")];
            refer(it);
        }),
        ("no index", |it| drop(of(it).indexes.pop())),
    ];
    for (name, bend) in bends {
        let mut world = with_events();
        bend(&mut world.1);
        let made = planned(&world, Plan::default());
        let deletes = made.actions.iter().any(|it| crate::job::Action::kind(it) == "delete_rows");
        assert_eq!(deletes, name == "no index", "{name}");
        said += &format!("{name}\n");
        let faults = made.refused.iter().map(|it| it.fault.to_string());
        faults.chain(made.warnings.clone()).for_each(|line| said += &format!("  {line}\n"));
    }
    insta::assert_snapshot!(said);
}

fn of(facts: &mut PurgeFacts) -> &mut Source {
    facts.children[0].source.as_mut().unwrap()
}

/// The archive of the child has a foreign key to the archive.
fn refer(facts: &mut PurgeFacts) {
    let (constraint, table) = (ident("events_archive_fkey"), "events_archive".parse().unwrap());
    facts.source.as_mut().unwrap().referrers = vec![Referrer { constraint, table }];
}

#[test]
fn a_foreign_key_between_the_archives_by_the_same_columns_is_allowed() {
    let mut world = with_events();
    world.1.children[0].own_keys = vec![key("events_archive_fkey", "job_id")];
    refer(&mut world.1);
    let made = planned(&world, Plan::default());
    assert!(made.refused.is_empty(), "{:?}", made.refused);
    // Not that of another table under the same name.
    world.1.source.as_mut().unwrap().referrers[0].table = "notes".parse().unwrap();
    assert_eq!(planned(&world, Plan::default()).refused.len(), 1);
}

#[test]
fn a_child_without_an_archive_has_nothing_in_it() {
    let mut world = with_events();
    let child = &mut world.1.children[0];
    (child.source, child.keys) = (None, Vec::new());
    let made = planned(&world, Plan::default());
    let Some(ArchiveAction::Move(rows)) = made.actions.first() else { panic!("{made:?}") };
    assert!(rows.children.is_empty());
    let guard = "AND to_regclass('public.events_archive') IS NULL";
    assert!(rows.texts.unchanged.ends_with(guard), "{}", rows.texts.unchanged);
    // Where this very run makes it, the next one deletes.
    let mut made = Plan::default();
    made.actions.push(ArchiveAction::CreateTarget(CreateTarget {
        into: "events_archive".parse().unwrap(),
        source: "events".parse().unwrap(),
        statements: Vec::new(),
    }));
    let made = planned(&world, made);
    assert_eq!(made.actions.len(), 1);
    assert!(made.view(JobName::Archive).to_string().contains("the next one deletes"));
}

#[test]
fn a_child_that_comes_later_is_asked_about() {
    let mut world = with_events();
    world.1.children[0].agreed = None;
    let said = shown(&world, false);
    assert!(said.contains("what was agreed says nothing of public.events_archive"), "{said}");
    assert!(!said.contains("delete_rows"), "{said}");
    let said = shown(&world, true);
    assert!(said.contains("agree_policy") && said.contains("delete_rows"), "{said}");
}
