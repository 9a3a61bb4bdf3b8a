//! `pgtend status` says how things stand with each table, without a run and without anybody's help.

use std::collections::BTreeMap;

use super::kill_points::half_detached;
use crate::support::{Db, on_every_major, pgtend};

const CONFIG: &str = "[partitions]\nschedule = \"17 * * * *\"\n\
    [partitions.tables.\"public.tidy\"]\ninterval = \"1 year\"\npremake = \"1 year\"\nretention = \"2 years\"\n\
    [partitions.tables.\"public.messy\"]\ninterval = \"1 year\"\npremake = \"1 year\"\n\
    [partitions.tables.\"public.plain\"]\ninterval = \"1 year\"\n";

const WORLD: &str = "
SET TimeZone = 'UTC';
CREATE TABLE tidy (ts date) PARTITION BY RANGE (ts);
CREATE TABLE tidy_now PARTITION OF tidy FOR VALUES FROM ('2025-01-01') TO ('2999-01-01');
CREATE TABLE messy (ts date) PARTITION BY RANGE (ts);
CREATE TABLE messy_old PARTITION OF messy FOR VALUES FROM ('2019-01-01') TO ('2020-01-01');
CREATE TABLE messy_now PARTITION OF messy FOR VALUES FROM ('2025-01-01') TO ('2030-01-01');
CREATE TABLE plain (ts date);";
const DEFAULT: &str = "
CREATE TABLE messy_default PARTITION OF messy DEFAULT;
INSERT INTO messy SELECT '1999-01-01' FROM generate_series(1, 7);
ANALYZE messy_default; GRANT SELECT ON messy TO PUBLIC;";

/// Measures and values of one table.
async fn stands(db: &Db, table: &str) -> BTreeMap<String, String> {
    let ran = pgtend(db, CONFIG).run(&["status", "--format", "json"]).await;
    assert_eq!(ran.code, Some(0), "{ran}");
    let status = ran.json();
    let standing = status["jobs"][0]["standing"].as_array().unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    standing
        .iter()
        .filter(|one| one["object"] == table)
        .map(|one| (text(&one["measure"]), text(&one["value"])))
        .collect()
}

#[test]
fn each_measure_is_told_where_it_stands() {
    on_every_major(|db| async move {
        db.execute(WORLD).await;
        assert_eq!(pgtend(&db, CONFIG).run(&["migrate"]).await.code, Some(0));
        let tidy = stands(&db, "public.tidy").await;
        assert_eq!(tidy["covered_until"], "2999-01-01");
        assert_eq!(tidy["in_quarantine"], "0");
        assert_eq!(tidy["next_expiry"], "3001-01-01 00:00:00Z");
        assert!(!tidy.contains_key("refused") && !tidy.contains_key("detach_pending"), "{tidy:?}");
        let plain = stands(&db, "public.plain").await;
        let refused = "it is a plain table, not a partitioned one; pgtend partitions adopt public.plain \
                       makes it one, or remove it from [partitions.tables]";
        assert_eq!(plain, BTreeMap::from([("refused".to_owned(), refused.to_owned())]));
        if db.major() >= 14 {
            half_detached(&db, "messy", "messy_old").await;
            let messy = stands(&db, "public.messy").await;
            assert_eq!(messy["detach_pending"], "public.messy_old");
            db.execute("ALTER TABLE messy DETACH PARTITION messy_old FINALIZE").await;
        }
        db.execute("DROP TABLE messy_old").await;
        db.execute(DEFAULT).await;
        let messy = stands(&db, "public.messy").await;
        assert_eq!(messy["rows_in_default"], "about 7");
        assert_eq!(messy["drifted_partitions"], "2");
        assert_eq!(messy["covered_until"], "2030-01-01");
        assert!(!messy.contains_key("detach_pending"), "{messy:?}");
    });
}
