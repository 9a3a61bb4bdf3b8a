//! A live application over one table, and a private ledger of what it committed.
//!
//! Four writers insert, update and delete, each the rows of its own ids, so that each knows what
//! the table must hold. A reader looks all the while at rows that nobody deletes: none may ever be
//! missing or stand twice. At the end the table is compared with the ledger.
//!
//! ```ignore
//! let app = Application::start(&db, World::new("events", "'2025-01-01'::date + $1::int % 90")).await;
//! // … what is tested …
//! let ledger = app.stop().await;
//! ledger.holds(&db, "SELECT id, v FROM events").await;
//! ```
//!
//! The table has `id bigint`, `v bigint` (the version, which each update raises), and its key
//! column. Rows that are there already belong to the ledger too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use pgtend::time::clock;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tokio::task::JoinHandle;

use super::db::Db;
use super::wait::wait_until;

/// Writers; each owns the ids that leave its number when divided by this.
const WRITERS: i64 = 4;
/// Ids that this divides are never deleted and never inserted: the reader counts them.
const FIXED: i64 = 10;
/// Of so many ids before it, a writer updates or deletes one.
const REACH: i64 = 100_000;
/// A writer that met so many errors gives up.
const ANOMALIES_MAX: usize = 20;

/// What the application works on.
#[derive(Debug, Clone)]
pub struct World {
    /// The table, as SQL names it.
    pub table: String,
    /// The key column of a row, as an SQL expression of its id `$1::bigint`.
    pub key: String,
    /// The key column's name.
    pub key_column: String,
    /// Every so many updates, one gives its row another key: the expression of `$1` (the id) and
    /// `$2` (the version), both bigint.
    pub moved_key: Option<String>,
    /// A row that is not found is no anomaly: rows are moved away meanwhile. Otherwise it is.
    pub rows_may_leave: bool,
    /// A pause between two transactions of a writer.
    pub pause: Duration,
    /// Connect as this role instead of the superuser.
    pub url: Option<String>,
}

impl World {
    /// Writers of this table, whose column `ts` is this expression of the id `$1`.
    pub fn new(table: &str, key: &str) -> Self {
        Self {
            table: table.to_owned(),
            key: key.to_owned(),
            key_column: "ts".to_owned(),
            moved_key: None,
            rows_may_leave: false,
            pause: Duration::ZERO,
            url: None,
        }
    }

    fn sql(&self) -> Texts {
        let Self { table, key, key_column, moved_key, .. } = self;
        let key = key.replace("$1", "$1::bigint");
        let moved = moved_key.as_ref().map(|moved| {
            let moved = moved.replace("$1", "$1::bigint").replace("$2", "$2::bigint");
            format!("UPDATE {table} SET v = $2, {key_column} = {moved} WHERE id = $1")
        });
        Texts {
            insert: format!("INSERT INTO {table} (id, v, {key_column}) VALUES ($1, $2, {key})"),
            update: format!("UPDATE {table} SET v = $2 WHERE id = $1"),
            moved,
            delete: format!("DELETE FROM {table} WHERE id = $1 AND v = $2"),
            look: format!(
                "SELECT count(*), count(DISTINCT id) FROM {table} WHERE id % {FIXED} = 0"
            ),
        }
    }
}

struct Texts {
    insert: String,
    update: String,
    moved: Option<String>,
    delete: String,
    look: String,
}

/// A running application.
pub struct Application {
    over: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    looks: Arc<AtomicU64>,
    writers: Vec<JoinHandle<Private>>,
    reader: JoinHandle<Private>,
}

/// What one connection saw: the rows it owns with their versions, and what went wrong.
#[derive(Default)]
struct Private {
    rows: BTreeMap<i64, i64>,
    anomalies: Vec<String>,
    slowest: Duration,
    done: u64,
}

impl Application {
    /// Reads what is there into the ledger, and begins.
    pub async fn start(db: &Db, world: World) -> Self {
        let url = world.url.clone().unwrap_or_else(|| db.url().to_owned());
        let mut shares: Vec<BTreeMap<i64, i64>> = (0..WRITERS).map(|_| BTreeMap::new()).collect();
        for (id, v) in all(db, &format!("SELECT id, v FROM {}", world.table)).await {
            shares[usize::try_from(id.rem_euclid(WRITERS)).expect("small")].insert(id, v);
        }
        let next =
            shares.iter().filter_map(|share| share.keys().last()).max().map_or(1, |id| id + 1);
        let (over, done, looks) = (Arc::default(), Arc::<AtomicU64>::default(), Arc::default());
        let writers = shares
            .into_iter()
            .zip(0..)
            .map(|(rows, number)| {
                let writer = Writer {
                    texts: world.sql(),
                    world: world.clone(),
                    over: Arc::clone(&over),
                    done: Arc::clone(&done),
                    next: next + (number - next).rem_euclid(WRITERS),
                    private: Private { rows, ..Private::default() },
                };
                tokio::spawn(writer.work(url.clone()))
            })
            .collect();
        let reader = tokio::spawn(read(world, url, Arc::clone(&over), Arc::clone(&looks)));
        let this = Self { over, done, looks, writers, reader };
        this.goes_on().await;
        this
    }

    /// Waits until every writer and the reader had some turns from now on.
    pub async fn goes_on(&self) {
        let (done, looks) = (&self.done, &self.looks);
        let (writes, reads) = (done.load(Ordering::Relaxed), looks.load(Ordering::Relaxed));
        wait_until("the application works", || async {
            done.load(Ordering::Relaxed) >= writes + 40 && looks.load(Ordering::Relaxed) > reads + 1
        })
        .await;
    }

    /// Ends it, and hands over the ledger.
    pub async fn stop(self) -> Ledger {
        self.over.store(true, Ordering::Relaxed);
        let mut ledger = Ledger::default();
        for task in self.writers.into_iter().chain([self.reader]) {
            let private = task.await.expect("no writer panics");
            ledger.rows.extend(private.rows);
            ledger.anomalies.extend(private.anomalies);
            ledger.slowest = ledger.slowest.max(private.slowest);
            ledger.done += private.done;
        }
        ledger
    }
}

struct Writer {
    world: World,
    texts: Texts,
    over: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    next: i64,
    private: Private,
}

impl Writer {
    async fn work(mut self, url: String) -> Private {
        let mut conn = PgConnection::connect(&url).await.expect("connect");
        while !self.over.load(Ordering::Relaxed) {
            let begun = clock::monotonic();
            if let Err(error) = self.transaction(&mut conn).await {
                self.private.anomalies.push(format!("an error of a writer: {error}"));
                if self.private.anomalies.len() == ANOMALIES_MAX {
                    break;
                }
            }
            self.private.slowest = self.private.slowest.max(clock::monotonic() - begun);
            self.private.done += 1;
            self.done.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(self.world.pause).await;
        }
        self.private
    }

    /// One to three changes, committed as one; only then are they in the ledger.
    async fn transaction(&mut self, conn: &mut PgConnection) -> Result<(), sqlx::Error> {
        let mut tx = conn.begin().await?;
        let mut changed: BTreeMap<i64, Option<i64>> = BTreeMap::new();
        for _ in 0..fastrand::u8(1..=3) {
            match fastrand::u8(0..10) {
                0..4 => {
                    while self.next % FIXED == 0 {
                        self.next += WRITERS;
                    }
                    let id = self.next;
                    self.next += WRITERS;
                    change(&mut tx, &self.texts.insert, id, 1).await?;
                    changed.insert(id, Some(1));
                }
                kind => {
                    let Some((id, v)) = self.owned(&changed) else { continue };
                    let delete = kind >= 8 && id % FIXED != 0;
                    let (text, version) = match &self.texts.moved {
                        _ if delete => (&self.texts.delete, v),
                        Some(moved) if kind == 4 => (moved, v + 1),
                        _ => (&self.texts.update, v + 1),
                    };
                    match change(&mut tx, text, id, version).await? {
                        1 => drop(changed.insert(id, (!delete).then_some(version))),
                        0 if self.world.rows_may_leave => {}
                        rows => {
                            let words = format!("{rows} rows of id {id}, version {v}: {text}");
                            self.private.anomalies.push(words);
                        }
                    }
                }
            }
        }
        tx.commit().await?;
        for (id, v) in changed {
            match v {
                Some(v) => drop(self.private.rows.insert(id, v)),
                None => drop(self.private.rows.remove(&id)),
            }
        }
        Ok(())
    }

    /// A row of its own that this transaction has not touched yet.
    fn owned(&self, changed: &BTreeMap<i64, Option<i64>>) -> Option<(i64, i64)> {
        let rows = &self.private.rows;
        let at = fastrand::i64((self.next - REACH)..self.next);
        let (&id, &v) = rows.range(at..).next()?;
        (!changed.contains_key(&id)).then_some((id, v))
    }
}

async fn change(conn: &mut PgConnection, sql: &str, id: i64, v: i64) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(AssertSqlSafe(sql)).bind(id).bind(v).execute(conn).await?;
    Ok(done.rows_affected())
}

/// Rows that nobody inserts or deletes are always all there, each once.
async fn read(world: World, url: String, over: Arc<AtomicBool>, looks: Arc<AtomicU64>) -> Private {
    let mut conn = PgConnection::connect(&url).await.expect("connect");
    let look = world.sql().look;
    let mut private = Private::default();
    let mut before = None;
    while !over.load(Ordering::Relaxed) {
        let begun = clock::monotonic();
        let row = sqlx::query(AssertSqlSafe(look.as_str())).fetch_one(&mut conn).await;
        private.slowest = private.slowest.max(clock::monotonic() - begun);
        private.done += 1;
        looks.fetch_add(1, Ordering::Relaxed);
        let seen: (i64, i64) = match row {
            Ok(row) => (row.get(0), row.get(1)),
            Err(error) => {
                private.anomalies.push(format!("an error of the reader: {error}"));
                continue;
            }
        };
        let is_same = before.is_none_or(|before| before == seen);
        if seen.0 != seen.1 || !(is_same || world.rows_may_leave) {
            let words = format!("the reader saw {seen:?} rows and ids after {before:?}");
            private.anomalies.push(words);
        }
        before = Some(seen);
        tokio::time::sleep(world.pause).await;
    }
    private
}

/// What was committed.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Ids with their versions.
    pub rows: BTreeMap<i64, i64>,
    /// Errors of the application, and what it saw that cannot be.
    pub anomalies: Vec<String>,
    /// The longest transaction or look.
    pub slowest: Duration,
    /// Transactions and looks.
    pub done: u64,
}

/// How a table differs from the ledger.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Committed, and not there.
    pub lost: Vec<i64>,
    /// There, and not committed or deleted since.
    pub extra: Vec<i64>,
    /// There in another version than committed.
    pub stale: Vec<i64>,
    /// There more than once.
    pub doubled: Vec<i64>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let few = |ids: &[i64]| (ids.len(), ids.iter().take(5).copied().collect::<Vec<_>>());
        let Self { lost, extra, stale, doubled } = self;
        let all = [few(lost), few(extra), few(stale), few(doubled)];
        write!(f, "lost {:?}, extra {:?}, stale {:?}, doubled {:?}", all[0], all[1], all[2], all[3])
    }
}

impl Ledger {
    /// Compares with the rows of a query: id and version.
    pub async fn compare(&self, db: &Db, query: &str) -> Difference {
        let mut found = Difference::default();
        let mut seen = BTreeSet::new();
        for (id, v) in all(db, query).await {
            if !seen.insert(id) {
                found.doubled.push(id);
                continue;
            }
            match self.rows.get(&id) {
                None => found.extra.push(id),
                Some(committed) if *committed != v => found.stale.push(id),
                Some(_) => {}
            }
        }
        found.lost = self.rows.keys().filter(|id| !seen.contains(id)).copied().collect();
        found
    }

    /// The query's rows are exactly what was committed, and the application saw nothing strange.
    pub async fn holds(&self, db: &Db, query: &str) {
        assert!(self.anomalies.is_empty(), "anomalies: {:#?}", self.anomalies);
        let difference = self.compare(db, query).await;
        assert_eq!(difference, Difference::default(), "{difference}");
    }
}

async fn all(db: &Db, query: &str) -> Vec<(i64, i64)> {
    let sql = format!("SELECT id::int8, v::int8 FROM ({query}) AS rows (id, v)");
    let rows = sqlx::query_as(AssertSqlSafe(sql)).fetch_all(db.pool()).await;
    rows.unwrap_or_else(|error| panic!("{error}\nin: {query}"))
}
