//! How long, and in which hours.

use std::time::Duration;

use super::*;

/// Without the SQL.
fn said(world: World) -> String {
    let printed = world.printed();
    let lines = printed.lines().filter(|line| !line.starts_with("      "));
    lines.collect::<Vec<_>>().join("\n")
}

fn with_hours(hours: &str) -> World {
    let mut world = world();
    let hours = Some((hours.parse().unwrap(), chrono_tz::Europe::Berlin));
    world.policy.allowance = Allowance { hours, max_duration: Some(Duration::from_mins(20)) };
    world
}

#[test]
fn outside_of_its_hours_a_table_is_spared_until_they_begin_again() {
    insta::assert_snapshot!(said(with_hours("22:00-06:00")), @r"
    archive: 0 to do, 1 left alone
      · public.jobs: 1234 rows are due, and it is outside of its hours 22:00-06:00, which begin again on 2025-03-31 at 22:00 CEST
    ");
    // Nothing is prepared either.
    let mut world = with_hours("22:00-06:00");
    world.facts.target = None;
    world.facts.due.rows = Due::Rows(0);
    insta::assert_snapshot!(said(world), @r"
    archive: 0 to do, 1 left alone
      · public.jobs: 0 rows are due, and it is outside of its hours 22:00-06:00, which begin again on 2025-03-31 at 22:00 CEST
    ");
}

#[test]
fn within_its_hours_the_plan_says_when_they_end() {
    insta::assert_snapshot!(said(with_hours("14:00-18:00")), @r"
    archive: 1 to do, 0 left alone
      + move_rows public.jobs: 1234 rows are due: older than 1 month (created_at before 2025-02-28 12:00:00+00); moves them to public.jobs_archive by 10000 at most along (created_at, id), as index jobs_created_at_idx leads with created_at; for 20m at most; not after 2025-03-31 at 18:00 CEST
    ");
}

#[test]
fn what_is_wrong_with_a_table_is_told_at_any_hour() {
    let mut world = with_hours("22:00-06:00");
    world.source.indexes.clear();
    let said = said(world);
    assert!(said.contains("refused: ") && !said.contains("outside"), "{said}");
}
