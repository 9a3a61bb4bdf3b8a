//! Several rules of one table.

use super::*;
use crate::config::checked::{Rival, RuleName};

fn name(text: &str) -> RuleName {
    text.parse().unwrap()
}

/// By two rules rows of one table move, each to its own archive. Without the SQL.
fn said(bend: impl Fn(&mut World, &mut World)) -> String {
    let (mut done, mut failed) = (world(), world());
    done.policy.condition = Some("status = 'done'".parse().unwrap());
    failed.policy.condition = Some("status = 'failed'".parse().unwrap());
    failed.policy.into = "jobs_failed".parse().unwrap();
    failed.policy.older_than = "3 months".parse().unwrap();
    failed.facts.due = Due::Rows(50).into();
    let rival = |rule: &str, of: &World| Rival {
        rule: Some(name(rule)),
        condition: of.policy.condition.clone(),
    };
    done.policy.rivals = vec![rival("failed", &failed)];
    failed.policy.rivals = vec![rival("done", &done)];
    bend(&mut done, &mut failed);
    let printed = printed_by([(Some(name("done")), done), (Some(name("failed")), failed)]);
    let lines = printed.lines().filter(|line| !line.starts_with("      "));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn each_rule_moves_its_rows_and_says_its_name() {
    insta::assert_snapshot!(said(|_, _| {}));
}

#[test]
fn one_vacuum_follows_the_moves_of_all_rules() {
    let text = said(|done, failed| {
        done.facts.due = Due::Rows(20_000).into();
        failed.facts.due = Due::Rows(20_000).into();
    });
    assert!(!text.contains("vacuum"), "a twentieth of the table is 50,000 rows: {text}");
    let text = said(|done, failed| {
        done.facts.due = Due::Rows(20_000).into();
        failed.facts.due = Due::Rows(40_000).into();
    });
    // Neither of them alone would be worth one.
    let vacuums = text.matches("+ vacuum public.jobs:").count();
    let last = text.find("+ vacuum").unwrap();
    assert_eq!(vacuums, 1, "{text}");
    assert!(text.rfind("+ move_rows").unwrap() < last, "{text}");
}

#[test]
fn an_archive_that_both_fill_is_made_and_altered_once() {
    let shared = |done: &mut World, failed: &mut World| {
        failed.policy.into = done.policy.into.clone();
        for world in [done, failed] {
            world.facts.target = None;
        }
    };
    let text = said(shared);
    assert_eq!(text.matches("create_target public.jobs_archive").count(), 1, "{text}");
    let lacking = |done: &mut World, failed: &mut World| {
        failed.policy.into = done.policy.into.clone();
        for world in [done, failed] {
            world.policy.adopt_new_columns = true;
            let mut new = column("note", "text", 25);
            new.is_not_null = false;
            world.source.columns.push(new);
        }
    };
    let text = said(lacking);
    assert_eq!(text.matches("alter_target public.jobs_archive").count(), 1, "{text}");
}

#[test]
fn a_rule_that_cannot_be_served_stops_no_other() {
    let text = said(|done, _| done.facts.volatile = vec!["random()".to_owned()]);
    assert!(text.contains("refused: archive public.jobs (done)"), "{text}");
    assert!(text.contains("+ move_rows public.jobs (failed)"), "{text}");
    let text = said(|done, _| done.facts.due = Due::Rows(0).into());
    assert!(text.contains("· public.jobs (done): nothing older than"), "{text}");
}
