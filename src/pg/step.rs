//! Steps: what the one door for writes runs. Plain data, so that what is shown is what is run.

use std::time::Duration;

/// One SQL statement with what it must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The text, as `plan` shows it and the server's log records it.
    pub sql: String,
    /// Values of `$1`, `$2`, …, all sent as text; the SQL casts them (`$1::timestamptz`).
    pub binds: Vec<Option<String>>,
    /// What must be true of its result; otherwise the whole step is rolled back.
    pub expect: Expect,
    /// It runs before the transaction has a snapshot, and so before the fence: `LOCK TABLE`, after
    /// which a REPEATABLE READ transaction sees every change of the schema that came before. Only the
    /// first statements of a step can.
    pub is_early: bool,
    /// Many steps run it, with other values: the server keeps it prepared.
    pub is_repeated: bool,
    /// Its further values: the one row, all of text, that this question is answered with. It is asked
    /// when the step begins, on a second connection that sees the same snapshot, so that the answer
    /// costs the step no time. In [`Mode::RepeatableRead`] only.
    pub beside: Option<Box<Self>>,
    /// It is such a question itself, for what comes after the step: what it returns is the answer.
    pub is_beside: bool,
}

/// What must be true of a statement's result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// Anything but an error.
    Any,
    /// It touches as many rows as the statement at this index of the same step; otherwise the step
    /// is rolled back as `Changed`, with this sentence.
    RowsOf(usize, &'static str),
    /// It touches no more rows than that; otherwise the step is rolled back as `Changed`, with this
    /// sentence.
    AtMost(u64, &'static str),
    /// Its one row begins with a bigint, how many rows the statement at this index of the same step
    /// touched; no row is none. Otherwise the step is rolled back as `Changed`, with this sentence.
    CountOf(usize, &'static str),
    /// It returns one row whose first column is the boolean `true`: evidence re-read under the
    /// lock. Otherwise the step is rolled back as `Changed`, with this sentence.
    True(&'static str),
}

impl Statement {
    /// A statement without values.
    #[must_use]
    pub fn new(sql: impl Into<String>) -> Self {
        Self {
            sql: sql.into(),
            binds: Vec::new(),
            expect: Expect::Any,
            is_early: false,
            is_repeated: false,
            beside: None,
            is_beside: false,
        }
    }

    /// The same with values.
    #[must_use]
    pub fn bind(mut self, binds: Vec<Option<String>>) -> Self {
        self.binds = binds;
        self
    }

    /// The same, before there is a snapshot.
    #[must_use]
    pub fn early(mut self) -> Self {
        self.is_early = true;
        self
    }

    /// The same, kept prepared by the server.
    #[must_use]
    pub fn repeated(mut self) -> Self {
        self.is_repeated = true;
        self
    }

    /// The same with further values, the answer of this question.
    #[must_use]
    pub fn beside(mut self, question: Self) -> Self {
        self.beside = Some(Box::new(question));
        self
    }

    /// The same as a question, asked on the second connection.
    #[must_use]
    pub fn aside(mut self) -> Self {
        self.is_beside = true;
        self
    }

    /// The same with an expectation.
    #[must_use]
    pub fn expect(mut self, expect: Expect) -> Self {
        self.expect = expect;
        self
    }
}

/// How the statements of a step are enclosed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One READ COMMITTED transaction, under the fence.
    Transaction,
    /// The same, and its commit does not wait for the disk, so that nobody waits for its locks meanwhile.
    /// Whatever commits later and did wait has it flushed too: no row can outlive the partition it is
    /// in. For what the next run would do again, were the server to crash before.
    Unflushed,
    /// One REPEATABLE READ transaction, under the fence: an edit meanwhile is an error, not a loss.
    RepeatableRead,
    /// Each statement by itself, outside any transaction, after a look at the claim: ANALYZE,
    /// VACUUM, CONCURRENTLY. Must be idempotent.
    Alone,
}

/// The longest that a wait for a lock of ours may cost the application, whatever is configured.
pub const BRIEF_MAX: Duration = Duration::from_millis(100);

/// The longest try for a lock where the application may wait for so long, [`BRIEF_MAX`] at most: four
/// fifths of it. The rest is what the server takes to notice that the time is up, to take back what the
/// transaction did, and to wake those who wait: 2 ms on an idle machine, 15 on a busy one.
#[must_use]
pub fn longest_try(cap: Duration) -> Duration {
    cap.min(BRIEF_MAX) * 4 / 5
}

/// How long a step waits for locks, and how often it tries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockWait {
    /// `lock_timeout` of each try; its length is the number of tries.
    pub tries: Vec<Duration>,
    /// The pause between tries, before ±20 % jitter.
    pub pause: Duration,
    /// No statement of the step takes longer: for work under a strong lock whose length depends on
    /// how many rows there are. Absent: `database.statement_timeout`.
    pub hold_max: Option<Duration>,
    /// What is looked at before each try: while an old transaction stands in the way of one of these
    /// locks, the try is not made, so that nobody queues behind it in vain.
    pub strong: Vec<Strong>,
}

/// A lock that the application may have to wait behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strong {
    /// The table, as SQL names it.
    pub table: String,
    /// How.
    pub mode: LockMode,
    /// Its partitions are locked with it.
    pub with_partitions: bool,
}

/// Table locks, as far as steps announce them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// SHARE UPDATE EXCLUSIVE: ATTACH on the parent, ANALYZE, CREATE INDEX CONCURRENTLY.
    ShareUpdateExclusive,
    /// SHARE ROW EXCLUSIVE: a foreign key, on both tables; a trigger.
    ShareRowExclusive,
    /// ACCESS EXCLUSIVE: against everything.
    AccessExclusive,
}

impl LockMode {
    /// The modes that it does not wait for, as `pg_locks` writes them.
    #[must_use]
    pub fn passes(self) -> &'static str {
        match self {
            Self::ShareUpdateExclusive => "AccessShareLock,RowShareLock,RowExclusiveLock",
            Self::ShareRowExclusive => "AccessShareLock,RowShareLock",
            Self::AccessExclusive => "",
        }
    }
}

impl Strong {
    /// A lock of this mode on that table and its partitions.
    #[must_use]
    pub fn new(table: impl std::fmt::Display, mode: LockMode) -> Self {
        Self { table: table.to_string(), mode, with_partitions: true }
    }

    /// A lock of this mode on that table alone.
    #[must_use]
    pub fn only(table: impl std::fmt::Display, mode: LockMode) -> Self {
        Self { with_partitions: false, ..Self::new(table, mode) }
    }
}

impl LockWait {
    /// For locks that nobody queues behind (SHARE UPDATE EXCLUSIVE without foreign keys): three
    /// tries of the configured time.
    #[must_use]
    pub fn patient(lock_timeout: Duration) -> Self {
        Self {
            tries: vec![lock_timeout; 3],
            pause: Duration::from_millis(500),
            hold_max: None,
            strong: Vec::new(),
        }
    }

    /// For locks the application queues behind: short tries, rising to [`longest_try`] of this cap,
    /// then giving up until the next run. A wait of 20 ms with a pause of 200 ms stalls a tenth of
    /// what one long wait does.
    #[must_use]
    pub fn brief(cap: Duration) -> Self {
        let longest = longest_try(cap);
        let rungs = [20, 20, 50, 50].map(|ms| Duration::from_millis(ms).min(longest));
        Self {
            tries: [rungs, [longest; 4]].concat(),
            pause: Duration::from_millis(250),
            hold_max: None,
            strong: Vec::new(),
        }
    }

    /// The same with so many tries at most.
    #[must_use]
    pub fn at_most(mut self, tries: usize) -> Self {
        self.tries.truncate(tries);
        self
    }

    /// No statement of the step takes longer than this.
    #[must_use]
    pub fn holding(mut self, hold_max: Duration) -> Self {
        self.hold_max = Some(hold_max);
        self
    }

    /// The same, looking first at who stands in the way of these locks.
    #[must_use]
    pub fn looking_at(mut self, strong: Vec<Strong>) -> Self {
        self.strong = strong;
        self
    }
}

/// What one transaction (or one lone statement) does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// For messages: `attach partition`.
    pub doing: &'static str,
    /// The object, as SQL names it.
    pub object: String,
    /// How the statements are enclosed.
    pub mode: Mode,
    /// The lock ladder.
    pub lock: LockWait,
    /// In this order.
    pub statements: Vec<Statement>,
}

impl Step {
    /// The SQL, for a plan.
    pub fn sql(&self) -> impl Iterator<Item = String> + '_ {
        self.statements.iter().map(|statement| statement.sql.clone())
    }
}
