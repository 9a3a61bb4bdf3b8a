//! A world to plan in, bent by each test.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

use chrono_tz::Tz;

use super::super::Task;
use super::super::facts::{DefaultFacts, Facts, Look, Seen};
use super::super::plan::plan;
use crate::config::checked::{
    Catchup, Expiry, OnExpiry, PartitionTable, Partitions, Schedule, TimeCode,
};
use crate::job::clocks::Clocks;
use crate::job::{Action, Plan};
use crate::jobs::partitions::grid::key::Point;
use crate::pg::catalog::leftover::Leftover;
use crate::pg::catalog::partition::{Child, Relation, Rights};
use crate::pg::catalog::partition_default::DefaultRows;
use crate::pg::catalog::quarantine::{Agreed, Held};
use crate::pg::catalog::traits::Traits;
use crate::pg::ident::TableName;
use crate::pg::version::Version;
use crate::time::extent::Extent;

use super::super::PartitionAction;

/// Tables with their configuration, as seen on PostgreSQL 18 by the role `tend`.
pub struct World {
    pub section: Partitions,
    pub seen: Seen,
    pub task: Task,
}

/// What both clocks show.
const NOON: &str = "2026-01-20T12:00:00Z";

/// One table: `public.events`, by `timestamptz`, monthly in UTC, two months ahead.
#[derive(Debug)]
pub struct Table {
    pub name: TableName,
    pub config: PartitionTable,
    pub facts: Facts,
}

pub fn table(name: &str) -> Table {
    Table {
        name: name.parse().unwrap(),
        config: PartitionTable {
            key: None,
            interval: extent("1 month"),
            anchor: None,
            premake: extent("2 months"),
            timezone: Tz::UTC,
            name: None,
            split: false,
            quarantine: "7 days".parse().unwrap(),
            expiry: None,
        },
        facts: Facts {
            traits: Traits { replica_identity: "d".into(), ..Traits::default() },
            ..Facts::bare(relation())
        },
    }
}

/// As the configuration has it.
fn extent(text: &str) -> Extent {
    text.parse().map_or_else(|_| Extent::Time(text.parse().unwrap()), Extent::Ids)
}

fn relation() -> Relation {
    Relation {
        asked: 0,
        oid: 16_400,
        kind: "p".into(),
        temporary: false,
        strategy: Some("r".into()),
        key_parts: Some(1),
        key_column: Some("ts".into()),
        key_type_oid: Some(1184),
        key_type: Some("timestamp with time zone".into()),
        key_order_usual: Some(true),
        own_bound: None,
        owner: "tend".into(),
        foreign_keys: false,
        default_oid: None,
        rights: Rights {
            acts_as_owner: true,
            may_give_to_owner: true,
            may_create: true,
            owner_may_create: true,
        },
    }
}

impl Table {
    pub fn interval(mut self, interval: &str) -> Self {
        self.config.interval = extent(interval);
        self
    }

    pub fn premake(mut self, premake: &str) -> Self {
        self.config.premake = extent(premake);
        self
    }

    pub fn zone(mut self, zone: Tz) -> Self {
        self.config.timezone = zone;
        self
    }

    pub fn template(mut self, template: &str) -> Self {
        self.config.name = Some(template.parse().unwrap());
        self
    }

    pub fn date_key(mut self) -> Self {
        self.facts.relation.key_type_oid = Some(1082);
        self
    }

    /// A key of this type, which tells time so.
    pub fn key(mut self, oid: i64, words: &str, code: impl Into<Option<TimeCode>>) -> Self {
        self.facts.relation.key_column = Some("id".into());
        self.facts.relation.key_type_oid = Some(oid);
        self.facts.relation.key_type = Some(words.into());
        self.config.key = code.into();
        self
    }

    /// A `bigint` that counts, so many in a partition, and this the highest in use.
    pub fn ids(self, width: &str, ahead: &str, highest: Option<i64>) -> Self {
        self.key(20, "bigint", None)
            .interval(width)
            .premake(ahead)
            .seen(|facts| facts.highest_id = highest)
    }

    pub fn anchor(mut self, day: &str) -> Self {
        self.config.anchor = Some(day.parse().unwrap());
        self
    }

    pub fn timestamp_key(mut self) -> Self {
        self.facts.relation.key_type_oid = Some(1114);
        self
    }

    pub fn seen(mut self, bend: impl FnOnce(&mut Facts)) -> Self {
        bend(&mut self.facts);
        self
    }

    /// Bounds as the server prints their values: `'2026-01-01 00:00:00+00'`, `MINVALUE`.
    pub fn child(mut self, name: &str, from: &str, to: &str) -> Self {
        self.facts.children.push(Child {
            parent: 16_400,
            oid: 20_000 + i64::try_from(self.facts.children.len()).unwrap(),
            schema: self.name.schema.as_str().into(),
            name: name.into(),
            kind: "r".into(),
            bound: format!("FOR VALUES FROM ({from}) TO ({to})"),
            detach_pending: false,
            stands_out: false,
        });
        self
    }

    /// Partitions of whole days, each from its date to the next one's.
    pub fn children(mut self, prefix: &str, dates: &[&str]) -> Self {
        let (before, after) = match self.facts.relation.key_type_oid {
            Some(1184) => ("'", " 00:00:00+00'"),
            Some(1114) => ("'", " 00:00:00'"),
            _ => ("'", "'"),
        };
        for pair in dates.windows(2) {
            let [from, to] = [pair[0], pair[1]].map(|date| format!("{before}{date}{after}"));
            self = self.child(&format!("{prefix}{}", pair[0].replace('-', "_")), &from, &to);
        }
        self
    }

    /// `retention`, on expiry `drop` after 7 days, 10 and half of all per run at most.
    pub fn retention(mut self, retention: &str) -> Self {
        self.config.expiry = Some(Expiry {
            retention: retention.parse().unwrap(),
            on_expiry: OnExpiry::Drop,
            quarantine: "7 days".parse().unwrap(),
            max_per_run: 10,
            max_share: 0.5,
        });
        self
    }

    pub fn expiry(mut self, bend: impl FnOnce(&mut Expiry)) -> Self {
        bend(self.config.expiry.as_mut().unwrap());
        self
    }

    /// For the key as it is so far.
    pub fn agreed(mut self, retention: &str, on_expiry: &str, quarantine: &str) -> Self {
        let (_, axis) =
            crate::jobs::partitions::grid::kind::axis(&self.facts.relation, &self.config).unwrap();
        self.facts.agreed = Some(Agreed {
            parent: 16_400,
            retention: retention.into(),
            on_expiry: on_expiry.into(),
            quarantine: quarantine.into(),
            reading: axis.reading(),
        });
        self
    }

    /// A partition in quarantine since then, of the name it had.
    pub fn held(mut self, name: &str, bound: [&str; 2], detached_at: Option<&str>) -> Self {
        let [from, to] = bound;
        self.facts.held.push(Held {
            relation: 30_000 + i64::try_from(self.facts.held.len()).unwrap(),
            name: format!("public.{name}"),
            parent: 16_400,
            bound: format!("FOR VALUES FROM ('{from} 00:00:00+00') TO ('{to} 00:00:00+00')"),
            detached_at: detached_at.map(|at| at.parse().unwrap()),
            restored_at: None,
            schema_now: Some("public".into()),
            name_now: Some(name.into()),
            parent_schema_now: Some("public".into()),
            parent_name_now: Some("events".into()),
            attached_to: None,
            detach_pending: false,
            is_blocked: detached_at.is_some(),
            is_unproven: false,
        });
        self
    }

    /// What a drain left then, under this name; nobody wrote to it.
    pub fn leftover(mut self, name: &str, since: &str) -> Self {
        let relation = 40_000 + i64::try_from(self.facts.leftovers.len()).unwrap();
        self.facts.leftovers.push(Leftover {
            relation,
            name: format!("public.{name}"),
            parent: 16_400,
            since: since.parse().unwrap(),
            is_proven: true,
            schema_now: Some("public".into()),
            name_now: Some(name.into()),
            is_attached: false,
            is_blocked: true,
        });
        self.facts.written.insert(relation, Ok(false));
        self
    }

    /// The last one held is otherwise.
    pub fn but(mut self, bend: impl FnOnce(&mut Held)) -> Self {
        bend(self.facts.held.last_mut().unwrap());
        self
    }

    /// The last child's DETACH was interrupted.
    pub fn detach_pending(mut self) -> Self {
        self.facts.children.last_mut().unwrap().detach_pending = true;
        self
    }

    pub fn default(mut self, look: Option<Look>) -> Self {
        let name = self.name.sibling("dflt".parse().unwrap());
        self.facts.default =
            Some(DefaultFacts { name, has_stale_check: false, rows_estimate: Some(0), look });
        self
    }
}

pub fn look(ranges: &[(&str, &str, bool)], is_large: bool) -> Look {
    let at = |date: &str| Point::Time(format!("{date}T00:00:00").parse().unwrap());
    Look {
        ranges: ranges.iter().map(|(from, to, _)| (at(from), at(to))).collect(),
        answer: Ok(DefaultRows {
            is_large,
            occupied: ranges.iter().map(|&(_, _, occupied)| occupied).collect(),
        }),
    }
}

pub fn world(tables: impl IntoIterator<Item = Table>) -> World {
    let mut world = World {
        section: Partitions {
            schedule: Schedule {
                cron: "17 * * * *".parse().unwrap(),
                timezone: Tz::UTC,
                jitter: Duration::ZERO,
                timeout: Duration::from_mins(1),
                max_attempts: 1,
                catchup: Catchup::Latest,
                start_deadline: None,
            },
            tables: BTreeMap::new(),
        },
        seen: Seen {
            version: Version(180_004),
            role: "tend".into(),
            lock_timeout: Duration::from_secs(2),
            tables: BTreeMap::new(),
            taken: BTreeSet::new(),
            strays: Vec::new(),
            stray_leftovers: Vec::new(),
            own_schema: "pgtend".parse().unwrap(),
            clocks: Clocks { server: NOON.parse().unwrap(), host: NOON.parse().unwrap() },
            adoption: None,
            unfinished: Vec::new(),
        },
        task: Task::Tend { confirm: false },
    };
    for table in tables {
        world.section.tables.insert(table.name.clone(), table.config);
        world.seen.tables.insert(table.name, table.facts);
    }
    world
}

impl World {
    pub fn taken(mut self, name: &str) -> Self {
        self.seen.taken.insert(name.parse().unwrap());
        self
    }

    pub fn confirmed(mut self) -> Self {
        self.task = Task::Tend { confirm: true };
        self
    }

    pub fn plan(&self, now: &str) -> Plan<PartitionAction> {
        plan(&self.section, &self.task, &self.seen, now.parse().unwrap())
    }

    /// What is made with its bounds, and everything else that is said.
    pub fn show(&self, now: &str) -> String {
        let plan = self.plan(now);
        let mut text = String::new();
        for action in &plan.actions {
            let _ = match action {
                PartitionAction::Create(new) => {
                    writeln!(text, "{} {} {} {}", action.kind(), new.child, new.from, new.to)
                }
                PartitionAction::DropCheck { .. } => {
                    writeln!(text, "{} {}", action.kind(), action.object())
                }
                PartitionAction::Leave(_)
                | PartitionAction::Agree(_)
                | PartitionAction::End(_)
                | PartitionAction::Repair(_)
                | PartitionAction::Carve(_)
                | PartitionAction::GiveUp(_)
                | PartitionAction::Adopt(_) => {
                    writeln!(text, "{} {}: {}", action.kind(), action.object(), action.reason())
                }
            };
        }
        for spared in &plan.spared {
            let _ = writeln!(text, "spared {}: {}", spared.object, spared.reason);
        }
        for refused in &plan.refused {
            let _ = writeln!(text, "refused {}", refused.fault);
        }
        for warning in &plan.warnings {
            let _ = writeln!(text, "warning {warning}");
        }
        text
    }
}
