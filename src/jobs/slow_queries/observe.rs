//! Reads the counters, the baseline they are compared with, and the texts that will be needed.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use sqlx::postgres::types::Oid;
use sqlx::{AssertSqlSafe, FromRow, PgConnection};

use super::delta::{
    Comparison, Counter, Entry, Key, Marks, Origin, Since, Snapshot, Sums, compare,
};
use super::extension::{Extension, FIND, explain};
use super::plan::wanted;
use super::policy::Policy;
use super::redact::{Class, Redacted, redact};
use super::state::{Seen, Server, Text, Texts};
use super::stored::{self, key_arrays, natural};
use crate::pg::fault::Fault;
use crate::pg::session::Reader;

/// Reads everything the plan needs.
///
/// # Errors
/// `Configuration` where the extension is not installed, not loaded or too old; `Permission`; what
/// the server reports.
pub async fn observe(reader: &mut Reader<'_>, policy: &Policy) -> Result<Seen, Fault> {
    let (conn, facts) = (&mut *reader.conn, reader.server);
    let found = sqlx::query_as(FIND).fetch_optional(&mut *conn).await;
    let extension = Extension::judge(found.map_err(|e| explain(&e))?, &facts.database)?;
    let stored = stored::baseline(conn).await?;
    let (now, server) = poll(conn, &extension).await?;
    let baseline = stored.as_ref().and_then(|stored| stored.baseline.as_ref());
    let before = baseline.map(|baseline| &baseline.snapshot);
    let comparison = compare(before, &now, policy.stale_after(now.marks.taken_at));
    let (mut open, mut texts) = (BTreeMap::new(), Texts::default());
    if let Comparison::Since(interval) = &comparison {
        open = stored::open(conn).await?;
        let keys = wanted(interval, &open, policy);
        texts.by_key = stored::texts(conn, &keys).await?;
        let is_missing = |key: &Key| !texts.by_key.contains_key(key) && !open.contains_key(key);
        let missing: Vec<Key> = keys.into_iter().filter(is_missing).collect();
        if !missing.is_empty() {
            let fetched = read_texts(conn, &extension, &now, &missing, &facts.user).await?;
            texts.fetched = fetched.keys().copied().collect();
            texts.by_key.extend(fetched);
        }
    }
    Ok(Seen { database: facts.database.clone(), server, stored, now, comparison, open, texts })
}

#[derive(FromRow)]
struct MarksRow {
    taken_at: DateTime<Utc>,
    started_at: DateTime<Utc>,
    system: i64,
    stats_reset: Option<DateTime<Utc>>,
    evictions: Option<i64>,
    entries: i64,
    hidden: i64,
    entries_max: i64,
    times_io: bool,
    block_bytes: i64,
    records: bool,
}

#[derive(FromRow)]
struct EntryRow {
    role: Oid,
    toplevel: bool,
    queryid: i64,
    calls: i64,
    time: i64,
    rows: i64,
    hit: i64,
    read: i64,
    temp_written: i64,
    io: i64,
    wal: i64,
    min_us: i64,
    max_us: i64,
    stats_since: Option<DateTime<Utc>>,
    minmax_stats_since: Option<DateTime<Utc>>,
}

impl MarksRow {
    fn marks(self, extension: &Extension, database: Oid) -> Marks {
        Marks {
            origin: Origin {
                system: self.system,
                database: database.0,
                extension: extension.version(),
            },
            taken_at: self.taken_at,
            started_at: self.started_at,
            stats_reset: self.stats_reset,
            evictions: self.evictions.map(natural),
            entries: natural(self.entries),
            entries_max: natural(self.entries_max),
            hidden: natural(self.hidden),
        }
    }
}

impl EntryRow {
    fn key(&self) -> Key {
        Key { role: self.role.0, toplevel: self.toplevel, queryid: self.queryid }
    }

    fn entry(&self) -> Entry {
        let mut sums = Sums::default();
        for (counter, value) in [
            (Counter::Calls, self.calls),
            (Counter::Time, self.time),
            (Counter::Rows, self.rows),
            (Counter::Hit, self.hit),
            (Counter::Read, self.read),
            (Counter::TempWritten, self.temp_written),
            (Counter::Io, self.io),
            (Counter::Wal, self.wal),
        ] {
            sums[counter] = natural(value);
        }
        let since = self.stats_since.zip(self.minmax_stats_since).map(|(entry, minmax)| Since {
            entry: entry.timestamp_micros(),
            minmax: minmax.timestamp_micros(),
        });
        Entry { sums, min_us: natural(self.min_us), max_us: natural(self.max_us), since }
    }
}

async fn poll(conn: &mut PgConnection, extension: &Extension) -> Result<(Snapshot, Server), Fault> {
    let refused = |error: sqlx::Error| explain(&error);
    let database: Oid = sqlx::query_scalar(
        "SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()",
    )
    .fetch_one(&mut *conn)
    .await
    .map_err(refused)?;
    let marks: MarksRow = sqlx::query_as(AssertSqlSafe(extension.marks_sql()))
        .bind(database)
        .fetch_one(&mut *conn)
        .await
        .map_err(refused)?;
    let server = Server {
        times_io: marks.times_io,
        block_bytes: natural(marks.block_bytes),
        records: marks.records,
    };
    let mut statements = BTreeMap::new();
    let mut rows =
        sqlx::query_as(AssertSqlSafe(extension.entries_sql())).bind(database).fetch(conn);
    while let Some(row) = rows.try_next().await.map_err(refused)? {
        let row: EntryRow = row;
        let entry = row.entry();
        let same = |known: &mut Entry| *known = known.joined(entry);
        statements.entry(row.key()).and_modify(same).or_insert(entry);
    }
    Ok((Snapshot { marks: marks.marks(extension, database), statements }, server))
}

#[derive(FromRow)]
struct TextRow {
    role: Oid,
    toplevel: bool,
    queryid: i64,
    role_name: String,
    query: Option<String>,
}

/// Reads texts and redacts them at once: no raw text leaves this function. What was evicted in the
/// meantime is missing.
async fn read_texts(
    conn: &mut PgConnection,
    extension: &Extension,
    seen: &Snapshot,
    keys: &[Key],
    own_role: &str,
) -> Result<BTreeMap<Key, Text>, Fault> {
    let (roles, toplevels, queryids) = key_arrays(keys);
    let rows: Vec<TextRow> = sqlx::query_as(AssertSqlSafe(extension.texts_sql()))
        .bind(Oid(seen.marks.origin.database))
        .bind(roles)
        .bind(toplevels)
        .bind(queryids)
        .fetch_all(&mut *conn)
        .await
        .map_err(|error| explain(&error))?;
    let text = |row: TextRow| {
        let key = Key { role: row.role.0, toplevel: row.toplevel, queryid: row.queryid };
        let raw = row.query.unwrap_or_default();
        let is_own = row.role_name == own_role && raw.contains("pg_stat_statements");
        let Redacted { text: query, fingerprint, class } = redact(&raw);
        let class = if is_own { Class::Own } else { class };
        (key, Text { role_name: row.role_name, query, fingerprint, class })
    };
    Ok(rows.into_iter().map(text).collect())
}
