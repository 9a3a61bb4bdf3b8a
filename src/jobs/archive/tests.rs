//! Policy, without a server.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::postgres::types::Oid;

use super::count::{Counted, Due};
use super::due::AgeType;
use super::observe::{Facts, Position};
use super::plan::plan;
use super::seen::Seen;
use super::side::{Source, Target};
use super::walk::Expressed;
use crate::config::checked::{
    Age, Allowance, Archive, ArchiveTable, Catchup, Limits, Order, Pace, Rule, RuleName, Schedule,
};
use crate::job::JobName;
use crate::pg::catalog::clutter::Clutter;
use crate::pg::catalog::columns::Column;
use crate::pg::catalog::indexes::Index;
use crate::pg::catalog::pressure::Sight;
use crate::pg::catalog::privileges::SchemaRights;
use crate::pg::catalog::publications::Publishing;
use crate::pg::catalog::relation::{Blocks, Kind, Persistence, Relation};
use crate::pg::catalog::served::ServedBy;
use crate::pg::ident::Ident;
use crate::pg::version::Version;

mod rules;
mod shapes;
mod time_limits;

pub(super) const NOW: &str = "2025-03-31T12:00:00Z";
const FIRST: &str = "2024-12-24 18:00:00+00";

pub(super) fn ident(name: &str) -> Ident {
    Ident::new(name).unwrap()
}

pub(super) fn column(name: &str, type_sql: &str, type_id: u32) -> Column {
    Column {
        name: ident(name),
        type_id: Oid(type_id),
        modifier: -1,
        type_sql: type_sql.into(),
        base_type: type_sql.into(),
        has_own_order: true,
        is_not_null: true,
        has_default: false,
        generated: None,
        is_identity_always: false,
    }
}

pub(super) fn index(name: &str, columns: &[&str]) -> Index {
    Index {
        name: ident(name),
        columns: columns.iter().map(|name| Some(ident(name))).collect(),
        is_unique: false,
        is_primary: false,
        is_partial: false,
    }
}

pub(super) fn primary(columns: &[&str]) -> Index {
    Index { is_unique: true, is_primary: true, ..index("jobs_pkey", columns) }
}

pub(super) fn jobs_columns() -> Vec<Column> {
    vec![
        column("id", "bigint", 20),
        column("status", "text", 25),
        column("created_at", "timestamp with time zone", 1184),
    ]
}

pub(super) fn relation(oid: u32) -> Relation {
    Relation {
        oid: Oid(oid),
        kind: Kind::Table,
        persistence: Persistence::Permanent,
        row_security: false,
        has_heirs: false,
        has_foreign_parts: false,
        may_fire: false,
        owner: ident("app"),
        tree: vec![Oid(oid)],
        ancestors: Vec::new(),
    }
}

/// One table, and what is seen of it; each test bends what it is about.
pub(super) struct World {
    pub(super) policy: ArchiveTable,
    pub(super) source: Source,
    pub(super) facts: Facts,
}

pub(super) fn world() -> World {
    let archived_at = column("archived_at", "timestamp with time zone", 1184);
    World {
        policy: ArchiveTable {
            into: "jobs_archive".parse().unwrap(),
            age: Age::Column(ident("created_at")),
            older_than: "1 month".parse().unwrap(),
            condition: Some("status IN ('done', 'failed')".parse().unwrap()),
            create_target: true,
            order: Order::Fastest,
            pace: Pace::Gentle,
            adopt_new_columns: false,
            vacuum: true,
            children: Vec::new(),
            rivals: Vec::new(),
            batch_rows: 10_000,
            max_rows: None,
            allowance: Allowance::default(),
        },
        source: Source {
            relation: relation(1),
            columns: jobs_columns(),
            indexes: vec![primary(&["id"]), index("jobs_created_at_idx", &["created_at"])],
            expressed: None,
            blocks: None,
            hooks: Vec::new(),
            referrers: Vec::new(),
            publishing: Publishing::default(),
            clutter: Clutter { rows: 1_000_000, dead: 0, may_vacuum: true },
            missing: Vec::new(),
            may_use_schema: true,
        },
        facts: Facts {
            version: Version(180_004),
            user: ident("pgtend"),
            source: None,
            target: Some(Target {
                relation: relation(2),
                columns: [jobs_columns(), vec![archived_at]].concat(),
                indexes: vec![primary(&["id"])],
                blocks: None,
                hooks: Vec::new(),
                missing: Vec::new(),
                may_alter: true,
            }),
            target_schema: Some(SchemaRights {
                may_use: true,
                may_create: true,
                may_hand_over: true,
            }),
            shape: "42".into(),
            source_shape: "41".into(),
            children: Vec::new(),
            volatile: Vec::new(),
            due: Counted { first: Some(FIRST.to_owned()), ..Due::Rows(1_234).into() },
            position: None,
            holds: Vec::new(),
            unread: Vec::new(),
            partitions: None,
            sight: Sight { is_clear: true, replicas: 0 },
        },
    }
}

impl World {
    fn printed(self) -> String {
        printed_by([(None, self)])
    }
}

/// The plan of one table by these rules.
fn printed_by(rules: impl IntoIterator<Item = (Option<RuleName>, World)>) -> String {
    let schedule = Schedule {
        cron: "30 2 * * *".parse().unwrap(),
        timezone: chrono_tz::UTC,
        jitter: std::time::Duration::ZERO,
        timeout: std::time::Duration::from_mins(1),
        max_attempts: 1,
        catchup: Catchup::Latest,
        start_deadline: None,
    };
    let (mut tables, mut seen) = (BTreeMap::new(), Seen::default());
    for (name, world) in rules {
        let rule = Rule { table: "jobs".parse().unwrap(), name };
        tables.insert(rule.clone(), world.policy);
        seen.tables.push((rule, Ok(Facts { source: Some(world.source), ..world.facts })));
    }
    let purges = BTreeMap::new();
    let config = Archive { schedule, tables, purges, limits: Limits::default() };
    let now: DateTime<Utc> = NOW.parse().unwrap();
    plan(&config, &seen, now, false).view(JobName::Archive).to_string()
}

#[test]
fn a_move_is_printed_with_its_very_sql() {
    insta::assert_snapshot!(world().printed());
}

#[test]
fn without_an_index_on_the_age_the_key_is_walked() {
    let mut world = world();
    world.source.indexes = vec![primary(&["status", "id"])];
    world.policy.condition = None;
    insta::assert_snapshot!(world.printed());
}

#[test]
fn an_index_on_the_expression_of_the_age_is_walked_along() {
    let mut world = world();
    let expression = "coalesce(finished_at, created_at) -- whichever\n";
    world.policy.age = Age::Expression(expression.parse().unwrap());
    world.source.indexes = vec![primary(&["id"])];
    world.source.expressed = Some(Ok(Expressed {
        type_name: "timestamp with time zone".to_owned(),
        served_by: Some(ServedBy::Index("jobs_age".to_owned())),
    }));
    insta::assert_snapshot!(world.printed());
}

const BLOCKS: Blocks =
    Blocks { file: 16_384, is_counted: true, count: 100_000, rows: 2_400_000, has_large: false };

#[test]
fn a_backlog_is_swept_and_then_looked_for_along_the_index() {
    let mut world = world();
    world.facts.due.rows = Due::Rows(100_001);
    world.facts.due.about = Some(1_200_000);
    world.source.blocks = Some(BLOCKS);
    insta::assert_snapshot!(world.printed());
}

#[test]
fn an_unfinished_sweep_is_finished() {
    let mut world = world();
    world.facts.due.rows = Due::Rows(1);
    world.source.blocks = Some(BLOCKS);
    let place = vec!["(4711,65535)".to_owned()];
    world.facts.position = Some(Position { walk: "blocks of file 16384".into(), after: place });
    let printed = world.printed();
    assert!(
        printed.contains("along (ctid), block by block, as an earlier run began it so; then looks"),
        "{printed}"
    );
}

#[test]
fn a_missing_target_is_created_like_the_source() {
    let mut world = world();
    world.facts.target = None;
    let printed = world.printed();
    let (create, _) = printed.split_once("  + move_rows").unwrap();
    insta::assert_snapshot!(create, @r"
    archive: 2 to do, 0 left alone
      + create_target public.jobs_archive: public.jobs is to be archived there, and it does not exist
          CREATE TABLE IF NOT EXISTS public.jobs_archive (
            LIKE public.jobs INCLUDING COMMENTS INCLUDING STORAGE INCLUDING COMPRESSION,
            archived_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (id)
          );
          ALTER TABLE public.jobs_archive OWNER TO app;
    ");
}

#[test]
fn nothing_due_is_spared_with_the_cut_off() {
    let mut world = world();
    world.facts.due.rows = Due::Rows(0);
    insta::assert_snapshot!(world.printed(), @r"
    archive: 0 to do, 1 left alone
      · public.jobs: nothing older than 1 month (created_at before 2025-02-28 12:00:00+00) that the condition allows
    ");
}

#[test]
fn an_unfinished_pass_goes_on_even_if_nothing_is_due() {
    let mut world = world();
    world.facts.due.rows = Due::Rows(0);
    world.facts.position = Some(Position {
        walk: "created_at timestamp with time zone, id bigint".into(),
        after: vec!["2025-01-01 00:00:00+00".into(), "7".into()],
    });
    assert!(world.printed().contains("goes on where an earlier run stopped"));
}

#[test]
fn a_position_along_other_columns_means_nothing() {
    let mut world = world();
    world.facts.due.rows = Due::Rows(0);
    world.facts.position = Some(Position { walk: "id bigint".into(), after: vec!["7".into()] });
    assert!(world.printed().starts_with("archive: 0 to do"));
}

#[test]
fn the_cut_off_is_an_instant_in_utc() {
    let at: DateTime<Utc> = "2025-01-31T23:59:59.5Z".parse().unwrap();
    assert_eq!(AgeType::Instant.cutoff(at), "2025-01-31 23:59:59.500+00");
    assert_eq!(AgeType::WallClock.cutoff(at), "2025-01-31 23:59:59.500");
    assert_eq!(AgeType::Day.cutoff(at), "2025-01-31");
}

/// What is planned of the VACUUM, or why there is none.
fn vacuum_of(world: World) -> String {
    let printed = world.printed();
    let about = |line: &&str| line.to_lowercase().contains("vacuum");
    printed.lines().filter(about).map(str::trim).collect::<Vec<_>>().join("\n")
}

#[test]
fn after_many_rows_the_table_is_vacuumed() {
    let due = |rows| {
        let mut world = world();
        world.facts.due.rows = Due::Rows(rows);
        world
    };
    assert_eq!(vacuum_of(due(50_000)), "", "5 % of a million");
    insta::assert_snapshot!(vacuum_of(due(50_001)), @r"
    + vacuum public.jobs: what has moved leaves dead rows behind, through which the application's next query would wade; only if they are 50000 or more by then, and nobody else is at it
    SET vacuum_cost_delay = '2ms';
    VACUUM (ANALYZE, INDEX_CLEANUP ON, TRUNCATE OFF, PARALLEL 0) public.jobs;
    RESET vacuum_cost_delay;
    ");
    let mut world = due(1);
    world.source.clutter.dead = 60_000;
    assert!(vacuum_of(world).contains("+ vacuum public.jobs"), "what an earlier run left counts");
    let mut world = due(99_999);
    world.source.clutter.rows = 2_000_000;
    assert_eq!(vacuum_of(world), "", "5 % of two millions");
    let mut world = due(100_001);
    world.source.clutter.rows = 1 << 40;
    assert!(vacuum_of(world).contains("+ vacuum public.jobs"), "nobody knows how many there are");
    let mut world = due(60_000);
    world.policy.pace = Pace::Full;
    assert!(!vacuum_of(world).contains("vacuum_cost_delay"));
    let mut world = due(60_000);
    world.policy.vacuum = false;
    assert_eq!(vacuum_of(world), "");
    let mut world = due(60_000);
    world.source.clutter.may_vacuum = false;
    insta::assert_snapshot!(
        vacuum_of(world),
        @"· public.jobs: not vacuumed after the move, as our role neither owns it nor may MAINTAIN it (17 and later); autovacuum cleans up, or set vacuum = false"
    );
}
