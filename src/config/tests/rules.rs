//! Several rules of one table.

use std::time::Duration;

use super::World;
use crate::config::checked::{Archive, ArchiveTable, Purge};

const RULES: &str = r#"
[database]
url = "postgres://pgtend@localhost/app"
[archive]
schedule = "5 * * * *"
timezone = "Europe/Berlin"
[archive.tables."public.jobs"]
into = "public.jobs_archive"
age_column = "created_at"
older_than = "30 days"
where = "status = 'completed'"
max_duration = "20m"
archive_retention = "7 years"
[archive.tables."public.jobs".rules.completed]
[archive.tables."public.jobs".rules.failed]
into = "public.jobs_failed"
older_than = "90 days"
where = "status = 'failed'"
hours = "22:00-06:00"
max_rows = 5
[archive.tables."public.jobs".rules.trial]
delete = true
age_column = "ended_at"
where = "is_trial"
[archive.tables."public.events"]
delete = true
age_column = "at"
[archive.tables."public.events".rules.b]
older_than = "2 days"
[archive.tables."public.events".rules.a]
into = "public.events_archive"
older_than = "1 day"
where = "is_kept"
"#;

fn archive(env: &[(&str, &str)]) -> Archive {
    let loaded = World::new(&[("pgtend.toml", RULES)]).load(env);
    loaded.unwrap_or_else(|problems| panic!("{problems}")).config.archive.unwrap()
}

/// What tells the rules apart.
fn told(archive: &Archive) -> String {
    let moves = |table: &ArchiveTable| {
        let rivals = table.rivals.iter().map(|rival| rival.rule.as_ref().unwrap().to_string());
        let rivals = rivals.collect::<Vec<_>>().join(" ");
        format!("to {}: {} {}; rivals: {rivals}", table.into, table.age.words(), table.older_than)
    };
    let purge = |purge: &Purge| format!("{} {}", purge.age.words(), purge.older_than);
    let kept = archive.tables.iter().map(|(rule, table)| format!("{rule} {}", moves(table)));
    let gone = archive.purges.iter().map(|(rule, table)| format!("{rule} gone: {}", purge(table)));
    kept.chain(gone).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_rule_says_what_it_does_otherwise_than_its_table() {
    let archive = archive(&[]);
    insta::assert_snapshot!(told(&archive), @r"
    public.events (a) to public.events_archive: at 1 day; rivals: b
    public.jobs (completed) to public.jobs_archive: created_at 30 days; rivals: failed trial
    public.jobs (failed) to public.jobs_failed: created_at 90 days; rivals: completed trial
    public.events (b) gone: at 2 days
    public.jobs (trial) gone: ended_at 30 days
    public.jobs_archive gone: created_at 7 years
    public.jobs_failed gone: created_at 7 years
    ");
    let failed = archive.tables.iter().find(|(rule, _)| rule.to_string().contains("failed"));
    let failed = failed.unwrap().1;
    assert_eq!(failed.allowance.max_duration, Some(Duration::from_mins(20)), "the table's");
    let (hours, zone) = failed.allowance.hours.unwrap();
    assert_eq!((hours.to_string(), zone), ("22:00-06:00".into(), chrono_tz::Europe::Berlin));
    assert_eq!((failed.max_rows, failed.batch_rows), (Some(5), 10_000));
    // What all rows of a whole partition must meet.
    assert_eq!(
        failed.whole().unwrap().as_str().replace('\n', " "),
        "( status = 'failed' ) AND ( status = 'completed' ) IS NOT TRUE AND ( is_trial ) IS NOT TRUE"
    );
}

#[test]
fn the_environment_reaches_rules() {
    let env = [
        ("PGTEND__ARCHIVE__TABLES__PUBLIC_JOBS__RULES__FAILED__INTO", "public.other"),
        ("PGTEND__ARCHIVE__TABLES__PUBLIC_JOBS__RULES__FAILED__OLDER_THAN", "5 days"),
        ("PGTEND__ARCHIVE__TABLES__PUBLIC_JOBS__RULES__FAILED__MAX_DURATION", "5m"),
    ];
    let archive = archive(&env);
    let failed = archive.tables.iter().find(|(rule, _)| rule.to_string().contains("failed"));
    let failed = failed.unwrap().1;
    assert_eq!(failed.into.to_string(), "public.other");
    assert_eq!(failed.older_than.to_string(), "5 days");
    assert_eq!(failed.allowance.max_duration, Some(Duration::from_mins(5)));
}
