//! A hand-over: its steps, and the evidence.

use std::time::Duration;

use super::CHECK;
use crate::config::checked::{Allowance, Rule};
use crate::jobs::archive::account::Part;
use crate::pg::catalog::hand_over::Grant;
use crate::pg::catalog::shape;
use crate::pg::condition::Condition;
use crate::pg::ident::{Ident, TableName, literal};
use crate::pg::range::Range;
use crate::pg::step::{Expect, LockMode, LockWait, Mode, Statement, Step, Strong};

/// A partition changes tables.
#[derive(Debug, Clone)]
pub struct HandOver {
    /// From here …
    pub source: TableName,
    /// By this rule.
    pub rule: Rule,
    /// … to there.
    pub into: TableName,
    /// The partition.
    pub leaf: TableName,
    /// The hot table's oid.
    pub source_oid: i64,
    /// The archive table's oid.
    pub into_oid: i64,
    /// The partition's oid.
    pub leaf_oid: i64,
    /// Its bound, `FOR VALUES …`, which it keeps.
    pub bound: String,
    /// The same as a range.
    pub range: Range,
    /// The key of both tables.
    pub key: Ident,
    /// Which rows are due, if not all.
    pub condition: Option<Condition>,
    /// How it is known that all are.
    pub proof: Proof,
    /// Indexes of ours that are of no use any more.
    pub surplus: Vec<Ident>,
    /// Indexes that it lacks.
    pub builds: Vec<Build>,
    /// The CHECK of its bound is there, and validated or not.
    pub check: Option<bool>,
    /// What gives it the columns that only the archive has.
    pub added: Vec<String>,
    /// The archive's owner, where that is another; as SQL writes it.
    pub owner: Option<String>,
    /// Roles that lose what they may do with it.
    pub revoked: Vec<String>,
    /// What roles may do with the archive.
    pub granted: Vec<Grant>,
    /// Default partitions of either table: they are locked too.
    pub defaults: Vec<TableName>,
    /// The shape both tables must still have.
    pub shape: String,
    /// What is recorded of it.
    pub part: Part,
    /// How long per run, and in which hours; none is begun when it is over.
    pub allowance: Allowance,
    /// The cap on waiting for a lock.
    pub lock_timeout: Duration,
    /// Why.
    pub reason: String,
}

/// How it is known that all rows are due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// By their age alone.
    Needless,
    /// They are few, and read under the lock.
    Scan,
    /// An index has those that are not.
    Index {
        /// Its name.
        name: Ident,
        /// An earlier run has made it.
        is_made: bool,
        /// An earlier run has begun it.
        is_unfinished: bool,
    },
}

/// An index that the partition lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// Its name to be.
    pub name: Ident,
    /// What follows the table's name.
    pub definition: String,
    /// An earlier run has begun it.
    pub is_unfinished: bool,
}

/// Takes back what was prepared for a partition that is not handed over after all.
#[derive(Debug, Clone)]
pub struct Tidy {
    /// The partition.
    pub leaf: TableName,
    /// The CHECK of its bound is there.
    pub has_check: bool,
    /// Indexes of rows that are not due.
    pub indexes: Vec<Ident>,
}

/// What a try for the hot table's lock may cost the application, which waits behind it. The partition's comes
/// behind that.
const TABLE_LOCK: Duration = Duration::from_millis(40);
/// Once the hot table is locked, everyone waits for us: further locks are had at once or not at all.
const HURRY: &str = "SET LOCAL lock_timeout = '30ms'";
/// No statement under the lock takes longer. All of them together take a few milliseconds.
const HOLD_MAX: Duration = Duration::from_millis(50);
/// Scans take as long as the table is large; what limits them is the job's own time-out.
const WITHOUT_LIMIT: &str = "SET LOCAL statement_timeout = 0";

const NOT_AS_SEEN: &str = "it is not that partition any more, by oid, name, bound and CHECK, or one of the two tables was \
     altered; the next run looks again";
const NOT_DUE: &str =
    "rows of it are not due any more, as the condition says; the next run looks again";

impl HandOver {
    /// What is done, in order; after that the partition is read for the record. A crash between two of
    /// them is carried on by the next run.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> =
            self.surplus.iter().map(|index| drop_index(&self.leaf, index)).collect();
        for Build { name, definition, is_unfinished } in &self.builds {
            if *is_unfinished {
                steps.push(drop_index(&self.leaf, name));
            }
            steps.push(self.index(name, definition));
        }
        if let (Proof::Index { name, is_made, is_unfinished }, Some(condition)) =
            (&self.proof, &self.condition)
        {
            if *is_unfinished {
                steps.push(drop_index(&self.leaf, name));
            }
            if !is_made {
                let rows = format!("({}) WHERE {condition} IS NOT TRUE", self.key);
                steps.push(self.index(name, &rows));
            }
        }
        steps.extend(self.check());
        steps.push(self.change());
        steps
    }

    /// What it runs, in order.
    #[must_use]
    pub fn sql(&self) -> Vec<String> {
        let read = self.part.read();
        self.steps().iter().chain([&read]).flat_map(Step::sql).collect()
    }

    fn index(&self, name: &Ident, definition: &str) -> Step {
        let sql = format!("CREATE INDEX CONCURRENTLY {name} ON {} {definition}", self.leaf);
        // After a try that failed, an unfinished one of that name is there.
        let lock = LockWait::patient(self.lock_timeout).at_most(1);
        Step { mode: Mode::Alone, ..step("index", &self.leaf, lock, vec![sql]) }
    }

    fn check(&self) -> Vec<Step> {
        let leaf = &self.leaf;
        let mut steps = Vec::new();
        if self.check.is_none() {
            let add = check_sql(leaf, &self.key, &self.range);
            steps.push(step("add a check to", leaf, strong(leaf), vec![add]));
        }
        if self.check != Some(true) {
            let validate = format!("ALTER TABLE {leaf} VALIDATE CONSTRAINT {CHECK}");
            let sql = vec![WITHOUT_LIMIT.to_owned(), validate];
            steps.push(step(
                "validate the check of",
                leaf,
                LockWait::patient(self.lock_timeout),
                sql,
            ));
        }
        steps
    }

    /// The one transaction. The archive's lock comes first: nobody but maintenance waits for it, and
    /// maintenance may have it for long.
    fn change(&self) -> Step {
        let Self { source, into, leaf, .. } = self;
        let by_index = match self.proof {
            Proof::Index { .. } => "; SET LOCAL enable_seqscan = off",
            Proof::Needless | Proof::Scan => "",
        };
        let lock = [
            format!("LOCK TABLE ONLY {into} IN SHARE UPDATE EXCLUSIVE MODE"),
            format!("LOCK TABLE ONLY {source} IN ACCESS EXCLUSIVE MODE"),
            format!("{HURRY}{by_index};\nLOCK TABLE ONLY {leaf} IN ACCESS EXCLUSIVE MODE"),
        ];
        let mut statements: Vec<Statement> = lock.into_iter().map(Statement::new).collect();
        statements.push(self.evidence());
        statements.extend(self.all_due());
        statements.push(Statement::new(self.work().join(";\n")));
        let mut strong = vec![
            Strong::only(into, LockMode::ShareUpdateExclusive),
            Strong::only(source, LockMode::AccessExclusive),
            Strong::only(leaf, LockMode::AccessExclusive),
        ];
        let defaults = self.defaults.iter();
        strong.extend(defaults.map(|default| Strong::new(default, LockMode::AccessExclusive)));
        let cap = self.lock_timeout.min(TABLE_LOCK);
        let lock = LockWait::brief(cap).holding(HOLD_MAX).looking_at(strong);
        Step { statements, ..step("hand over", leaf, lock, Vec::new()) }
    }

    /// It is that partition of that table, proven to lie in its bound and not about to leave; both
    /// tables are as they were.
    fn evidence(&self) -> Statement {
        let Self { source, into, leaf, source_oid, into_oid, leaf_oid, bound, shape, .. } = self;
        let [source_name, into_name, leaf_name] =
            [source, into, leaf].map(|table| literal(&table.to_string()));
        let sql = format!(
            "SELECT EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
             WHERE c.oid = {leaf_oid} AND c.oid = {leaf_name}::regclass AND i.inhparent = {source_oid} \
             AND i.inhparent = {source_name}::regclass AND pg_get_expr(c.relpartbound, 0) = {}) \
             AND {into_name}::regclass = {into_oid}::oid \
             AND EXISTS (SELECT FROM pg_constraint WHERE conrelid = {leaf_oid} AND conname = '{CHECK}' AND convalidated) \
             AND NOT EXISTS (SELECT FROM partition_quarantine WHERE relation = {leaf_oid} AND restored_at IS NULL) \
             AND {} = {}",
            literal(bound),
            shape::sql(&[source, into]),
            literal(shape),
        );
        Statement::new(sql).expect(Expect::True(NOT_AS_SEEN))
    }

    /// Under the lock, so that it stays true. The condition may name the hot table.
    fn all_due(&self) -> Option<Statement> {
        let condition = self.condition.as_ref()?;
        let sql = format!(
            "SELECT NOT EXISTS (SELECT FROM ONLY {} AS {} WHERE {condition} IS NOT TRUE)",
            self.leaf, self.source.table
        );
        Some(Statement::new(sql).expect(Expect::True(NOT_DUE)))
    }

    fn work(&self) -> Vec<String> {
        let Self { source, into, leaf, .. } = self;
        let mut sql = vec![format!("ALTER TABLE {source} DETACH PARTITION {leaf}")];
        sql.extend(self.added.iter().map(|column| format!("ALTER TABLE {leaf} {column}")));
        sql.push(format!("ALTER TABLE {into} ATTACH PARTITION {leaf} {}", self.bound));
        sql.push(format!("ALTER TABLE {leaf} DROP CONSTRAINT {CHECK}"));
        if let Proof::Index { name, .. } = &self.proof {
            sql.push(format!("DROP INDEX {}", leaf.sibling(name.clone())));
        }
        let revoked = self.revoked.iter();
        sql.extend(revoked.map(|role| format!("REVOKE ALL ON TABLE {leaf} FROM {role}")));
        sql.extend(self.owner.iter().map(|owner| format!("ALTER TABLE {leaf} OWNER TO {owner}")));
        sql.extend(self.granted.iter().map(|grant| {
            let option = if grant.is_grantable { " WITH GRANT OPTION" } else { "" };
            format!("GRANT {} ON TABLE {leaf} TO {}{option}", grant.privileges, grant.grantee)
        }));
        sql.push(self.part.opened(self.rule.name.as_ref()));
        sql
    }
}

impl Tidy {
    /// What is done, in order.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> =
            self.indexes.iter().map(|index| drop_index(&self.leaf, index)).collect();
        if self.has_check {
            let sql = format!("ALTER TABLE {} DROP CONSTRAINT IF EXISTS {CHECK}", self.leaf);
            steps.push(step("drop the check of", &self.leaf, strong(&self.leaf), vec![sql]));
        }
        steps
    }
}

/// The partition alone, and for a moment.
fn strong(leaf: &TableName) -> LockWait {
    LockWait::brief(TABLE_LOCK).looking_at(vec![Strong::only(leaf, LockMode::AccessExclusive)])
}

fn drop_index(leaf: &TableName, index: &Ident) -> Step {
    let sql = format!("DROP INDEX CONCURRENTLY IF EXISTS {}", leaf.sibling(index.clone()));
    let lock = LockWait::patient(Duration::from_secs(2));
    Step { mode: Mode::Alone, ..step("drop an index of", leaf, lock, vec![sql]) }
}

fn step(doing: &'static str, leaf: &TableName, lock: LockWait, sql: Vec<String>) -> Step {
    let statements = sql.into_iter().map(Statement::new).collect();
    Step { doing, object: leaf.to_string(), mode: Mode::Unflushed, lock, statements }
}

/// The CHECK's condition: what the bound says, and that there is a key.
fn check_sql(leaf: &TableName, key: &Ident, range: &Range) -> String {
    format!(
        "ALTER TABLE {leaf} ADD CONSTRAINT {CHECK} CHECK ({key} IS NOT NULL AND {}) NOT VALID",
        range.holds(key)
    )
}
