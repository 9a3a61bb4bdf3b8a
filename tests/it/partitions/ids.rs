//! Keys that tell no time: coverage ahead of the highest id in use.

use super::grids::homes;
use super::{plan, shown, tend, tending};
use crate::support::on_every_major;

pub(super) const WIDTH: &str = "interval = 1000\npremake = \"2000\"";

#[test]
fn ids_are_covered_ahead_of_the_highest_in_use() {
    on_every_major(|db| async move {
        db.execute(
            "CREATE TABLE ids (id bigint PRIMARY KEY, at int) PARTITION BY RANGE (id);
             CREATE TABLE small (id int PRIMARY KEY) PARTITION BY RANGE (id);
             CREATE TABLE counted (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at int) PARTITION BY RANGE (id);",
        )
        .await;
        let app = tending(&db, &[("ids", WIDTH), ("small", WIDTH), ("counted", WIDTH)]).await;
        tend(&app).await;
        db.execute("INSERT INTO ids SELECT unnest(ARRAY[0, 999, 1000, 1999, 2000])").await;
        let expected = [
            "0000000000 0",
            "0000000000 999",
            "0000001000 1000",
            "0000001000 1999",
            "0000002000 2000",
        ];
        assert_eq!(homes(&db, "ids", "id").await, expected.map(|home| format!("ids_p{home}")));
        tend(&app).await;
        let bounds: Vec<String> =
            shown(&db, "ids").await.lines().map(|line| line.replace('\'', "")).collect();
        assert_eq!(bounds.last().unwrap(), "ids_p0000004000 FOR VALUES FROM (4000) TO (5000)");
        // A sequence promises ids before any row has them.
        db.execute("ALTER TABLE counted ALTER id RESTART WITH 1000000; SELECT nextval(pg_get_serial_sequence('counted', 'id'))").await;
        tend(&app).await;
        db.execute("INSERT INTO counted (at) SELECT generate_series(1, 2000)").await;
        let used = "SELECT DISTINCT tableoid::regclass::text FROM counted ORDER BY 1";
        let made = ["1000000", "1001000", "1002000"].map(|from| format!("counted_p000{from}"));
        assert_eq!(db.column(used).await, made);
        assert_eq!(shown(&db, "small").await.lines().count(), 3);
    });
}

/// A row far out in the default partition is not chased, and a partition that cannot be read counts
/// as full.
#[test]
fn ids_are_not_led_astray() {
    on_every_major(|db| async move {
        db.execute(
            "CREATE TABLE ids (id bigint PRIMARY KEY) PARTITION BY RANGE (id);
             CREATE TABLE ids_default PARTITION OF ids DEFAULT;
             INSERT INTO ids VALUES (9000000000000000000);",
        )
        .await;
        let app = tending(&db, &[("ids", WIDTH)]).await;
        tend(&app).await;
        assert_eq!(shown(&db, "ids").await.lines().count(), 4, "three and the default one");
        let mut writer = db.connect().await;
        crate::support::run(
            &mut writer,
            "BEGIN; LOCK TABLE ids_p0000002000 IN ACCESS EXCLUSIVE MODE",
        )
        .await;
        let planned = plan(&app).await;
        let made: Vec<_> = planned.actions.iter().map(|action| action.object.as_str()).collect();
        assert_eq!(made, ["public.ids_p0000003000", "public.ids_p0000004000"]);
    });
}
