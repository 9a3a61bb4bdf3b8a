//! Sets that `pg_partman`, other tools or people have made go on as they began.

use std::fmt::Write;

use super::{shown, tend, tending};
use crate::support::{Db, on_every_major};

/// A parent with two partitions and, as `pg_partman` makes it, a default one.
async fn made(db: &Db, table: &str, names: [&str; 2], bounds: [&str; 3]) {
    let mut sql = format!(
        "CREATE TABLE {table} (id bigint, at timestamptz NOT NULL) PARTITION BY RANGE (at);\n\
         CREATE TABLE {table}_default PARTITION OF {table} DEFAULT;\n"
    );
    for (name, bounds) in names.iter().zip(bounds.windows(2)) {
        let _ = writeln!(
            sql,
            "CREATE TABLE {name} PARTITION OF {table} FOR VALUES FROM ('{} UTC') TO ('{} UTC');",
            bounds[0], bounds[1]
        );
    }
    db.execute(&sql).await;
}

/// By table: interval and premake, two partitions with their bounds, and what a run adds.
type Case = (
    &'static str,
    [&'static str; 2],
    [&'static str; 2],
    [&'static str; 3],
    &'static [&'static str],
);

/// Names as `pg_partman` 4 and 5 give them, and others.
const CASES: &[Case] = &[
    (
        "month4",
        ["1 month", "1 month"],
        ["month4_p2025_12", "month4_p2026_01"],
        ["2025-12-01", "2026-01-01", "2026-02-01"],
        &["month4_p2026_02 2026-02-01 2026-03-01"],
    ),
    (
        "month5",
        ["1 month", "1 month"],
        ["month5_p20251201", "month5_p20260101"],
        ["2025-12-01", "2026-01-01", "2026-02-01"],
        &["month5_p20260201 2026-02-01 2026-03-01"],
    ),
    (
        "quarter4",
        ["1 quarter", "3 months"],
        ["quarter4_p2025q4", "quarter4_p2026q1"],
        ["2025-10-01", "2026-01-01", "2026-04-01"],
        &["quarter4_p2026q2 2026-04-01 2026-07-01"],
    ),
    (
        "year5",
        ["1 year", "1 year"],
        ["year5_p20250101", "year5_p20260101"],
        ["2025-01-01", "2026-01-01", "2027-01-01"],
        &["year5_p20270101 2027-01-01 2028-01-01"],
    ),
    (
        "week4",
        ["1 week", "6 days"],
        ["week4_p2026w03", "week4_p2026w04"],
        ["2026-01-12", "2026-01-19", "2026-01-26"],
        &["week4_p2026w05 2026-01-26 2026-02-02"],
    ),
    // Without date_trunc_interval 5 begins its weeks on the day it was set up.
    (
        "week5",
        ["1 week", "3 days"],
        ["week5_p20260107", "week5_p20260114"],
        ["2026-01-07", "2026-01-14", "2026-01-21"],
        &["week5_p20260121 2026-01-21 2026-01-28"],
    ),
    (
        "day4",
        ["1 day", "1 day"],
        ["day4_p2026_01_19", "day4_p2026_01_20"],
        ["2026-01-19", "2026-01-20", "2026-01-21"],
        &["day4_p2026_01_21 2026-01-21 2026-01-22"],
    ),
    (
        "hour4",
        ["1 hour", "1 hour"],
        ["hour4_p2026_01_20_0900", "hour4_p2026_01_20_1000"],
        ["2026-01-20 09:00:00", "2026-01-20 10:00:00", "2026-01-20 11:00:00"],
        &["hour4_p2026_01_20_1100 2026-01-20 11:00:00 2026-01-20 12:00:00"],
    ),
    (
        "half5",
        ["30 minutes", "30 minutes"],
        ["half5_p20260120_093000", "half5_p20260120_100000"],
        ["2026-01-20 09:30:00", "2026-01-20 10:00:00", "2026-01-20 10:30:00"],
        &["half5_p20260120_103000 2026-01-20 10:30:00 2026-01-20 11:00:00"],
    ),
    (
        "odd_hours",
        ["6 hours", "6 hours"],
        ["odd_hours_20260120_03", "odd_hours_20260120_09"],
        ["2026-01-20 03:00:00", "2026-01-20 09:00:00", "2026-01-20 15:00:00"],
        &["odd_hours_20260120_15 2026-01-20 15:00:00 2026-01-20 21:00:00"],
    ),
    (
        "hand",
        ["1 month", "1 month"],
        ["hand_dec_2025", "hand_jan_2026"],
        ["2025-12-15", "2026-01-15", "2026-02-15"],
        &["hand_feb_2026 2026-02-15 2026-03-15"],
    ),
    (
        "year_first",
        ["1 month", "1 month"],
        ["y2025m12_year_first", "y2026m01_year_first"],
        ["2025-12-01", "2026-01-01", "2026-02-01"],
        &["y2026m02_year_first 2026-02-01 2026-03-01"],
    ),
];

#[test]
fn names_and_grids_of_others_go_on() {
    on_every_major(|db| async move {
        for (table, [interval, premake], names, bounds, expected) in CASES {
            made(&db, table, *names, *bounds).await;
            let settings = format!("interval = \"{interval}\"\npremake = \"{premake}\"\n");
            tend(&tending(&db, &[(table, &settings)]).await).await;
            let shown = shown(&db, table).await;
            let mut added: Vec<String> = shown
                .lines()
                .filter(|line| {
                    !line.contains(" DEFAULT") && !names.iter().any(|n| line.starts_with(n))
                })
                .map(|line| {
                    let short = line.replace("FOR VALUES FROM ('", "").replace("') TO ('", " ");
                    short.replace("')", "").replace("+00", "").replace(" 00:00:00", "")
                })
                .collect();
            added.sort();
            assert_eq!(added, *expected, "{table}: {shown}");
        }
    });
}
