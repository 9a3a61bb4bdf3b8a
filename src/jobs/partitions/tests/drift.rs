//! What a plan says of partitions that differ, and of the recipe for a new one.

use super::world::{look, table, world};
use crate::jobs::partitions::alike::cure::cures;
use crate::pg::catalog::foreign_keys::Reference;
use crate::pg::catalog::likeness::{Aspect, Difference};
use crate::pg::fault::Blocker;
use crate::pg::version::Version;

const NOW: &str = "2026-01-20T10:00:00Z";

fn difference(child: i64, aspect: Aspect) -> Difference {
    Difference {
        parent: 16_400,
        child,
        schema: "public".into(),
        name: format!("p{child}"),
        owner: "tend".into(),
        acts_as_owner: true,
        aspect,
        role: None,
        item: None,
        privilege: None,
        wanted: Some("true".into()),
        found: Some("false".into()),
    }
}

#[test]
fn an_old_policy_is_better_than_none() {
    let mut other = difference(1, Aspect::Policy);
    other.item = Some("mine".into());
    let child = "public.p1".parse().unwrap();
    assert_eq!(cures(&child, &[other.clone()], None), [""; 0], "the parent's are not known");
    other.wanted = None;
    assert_eq!(cures(&child, &[other], None), ["DROP POLICY mine ON public.p1"]);
}

#[test]
fn twenty_are_told_and_the_others_counted() {
    let all = (1..=23).map(|child| difference(child, Aspect::RowSecurity)).collect();
    let events = table("public.events")
        .children("events_p", &["2025-12-01", "2026-06-01"])
        .seen(|facts| facts.differences = Ok(all));
    let plan = world([events]).plan(NOW);
    assert_eq!(plan.actions.len(), 0, "only told");
    assert_eq!(
        plan.standing.iter().find(|s| s.measure == "drifted_partitions").unwrap().value,
        "23"
    );
    let told: Vec<String> =
        plan.spared.iter().skip(1).map(|spared| spared.reason.clone()).collect();
    assert_eq!(told.len(), 21);
    insta::assert_snapshot!(told[0], @"differs from public.events: row security is off; the cure: ALTER TABLE public.p1 ENABLE ROW LEVEL SECURITY");
    insta::assert_snapshot!(told[20], @"20 shown of 23 partitions that differ from it; pgtend partitions repair public.events makes them alike, --plan shows the SQL");
}

#[test]
fn the_recipe_is_said_with_its_reason() {
    let plain = || table("public.events").premake("1 day");
    let month = &[("2026-01-01", "2026-02-01", false)];
    let with_keys = || {
        plain().seen(|facts| {
            facts.points_at = vec!["public.users".parse().unwrap()];
            facts.references = vec![Reference {
                parent: 16_400,
                constraint: "notes_event".into(),
                schema: "public".into(),
                table: "notes".into(),
                is_own: false,
                may_lock: true,
                join: "r.event = c.id".into(),
            }];
        })
    };
    let recipe = |table, version| {
        let mut world = world([table]);
        world.seen.version = Version(version);
        let reason = crate::job::Action::reason(&world.plan(NOW).actions[0]);
        reason
            .split("are refused; ")
            .last()
            .unwrap()
            .split("default partition; ")
            .last()
            .unwrap()
            .to_owned()
    };
    insta::assert_snapshot!(recipe(plain(), 180_004), @"attached under a lock that no reader or writer waits for: neither a default partition nor a foreign key asks for more");
    insta::assert_snapshot!(recipe(with_keys(), 180_004), @"its foreign keys lock public.users against writes for a moment; foreign keys that point at it lock public.notes against writes for a moment; each try waits 80 ms at most");
    insta::assert_snapshot!(recipe(with_keys(), 140_018), @"its foreign keys lock public.users against writes for a moment; each try waits 80 ms at most");
    insta::assert_snapshot!(recipe(plain().default(Some(look(month, false))), 180_004), @"attaching locks the default partition public.dflt for a moment and scans it; it is small; each try waits 80 ms at most");
    insta::assert_snapshot!(recipe(plain().default(Some(look(month, true))), 180_004), @"a CHECK on the default partition public.dflt is validated first, so that attaching locks public.dflt for a moment and does not scan it; each try waits 80 ms at most");
}

#[test]
fn who_stands_in_the_way_is_named_where_a_partition_is_missing() {
    let blocked = |table: super::world::Table| {
        table.seen(|facts| {
            facts.blockers = vec![Blocker {
                pid: 7,
                application: "report".into(),
                user: "app".into(),
                state: "idle in transaction".into(),
                age_s: 61,
            }];
        })
    };
    let reasons = |table| -> Vec<String> {
        world([table]).plan(NOW).spared.into_iter().skip(1).map(|spared| spared.reason).collect()
    };
    let said = reasons(blocked(table("public.events").premake("1 day")));
    insta::assert_snapshot!(said.join("\n"), @r#"attaching waits for pid 7 ("report" as app, idle in transaction, transaction open 61 s); where that goes on, it is left to the next run"#);
    let covered = table("public.events").children("events_p", &["2025-12-01", "2026-06-01"]);
    assert_eq!(reasons(blocked(covered)), [""; 0]);
}
