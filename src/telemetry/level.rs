//! How loud an event is: debug when idle, info when work was done, warn when we coped, error when
//! a person should act.

use tracing::Level;

use super::event::Event;
use crate::job::Verdict;
use crate::pg::fault::{Class, Fault};

impl Event {
    /// The level of its line.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::RunFinished(run) => of_verdict(run.outcome, run.actions_done),
            Self::RunSkipped { reason, .. } => of_verdict(*reason, 0),
            Self::ActionFailed { fault, .. } => of_fault(fault),
            Self::SlowQueryCoverage(coverage) if coverage.gaps.is_empty() => Level::INFO,
            Self::SlowQueryCoverage(_) => Level::WARN,
            Self::DaemonStopped { fault: Some(_), .. }
            | Self::DaemonPanicked { .. }
            | Self::ConfigRejected { .. }
            | Self::TableRefused { .. }
            | Self::LogWriteFailed { .. } => Level::ERROR,
            Self::DatabaseUnreachable { .. }
            | Self::DatabaseStandby { .. }
            | Self::ClockOffset { .. }
            | Self::RunMissed { .. }
            | Self::RunRetried { .. }
            | Self::RunWarned { .. }
            | Self::HistoryWriteFailed { .. }
            | Self::LockWaited { .. }
            | Self::BatchThrottled { .. }
            | Self::LeaseLost { .. }
            | Self::SlowQueryOpened(_)
            | Self::SlowQueryContinuing(_)
            | Self::SlowQuerySuppressed { .. }
            | Self::LogWriteRecovered { .. }
            | Self::LogPruneFailed { .. } => Level::WARN,
            Self::DaemonStarted { .. }
            | Self::DaemonReady { .. }
            | Self::DaemonStopping { .. }
            | Self::DaemonStopped { fault: None, .. }
            | Self::ConfigReloaded { .. }
            | Self::DatabaseConnected { .. }
            | Self::SchemaMigrated { .. }
            | Self::ActionDone { .. }
            | Self::BatchProgress { .. }
            | Self::BatchResumed { .. }
            | Self::SlowQueryResolved(_)
            | Self::StatusReported { .. }
            | Self::JobPaused { .. }
            | Self::JobResumed { .. }
            | Self::JobTriggered { .. } => Level::INFO,
            // A run that finds nothing to do should leave no trace at `info`, so its start cannot.
            Self::RunStarted { actions_planned: 0, .. } => Level::DEBUG,
            Self::RunStarted { .. } => Level::INFO,
            Self::LibraryMessage { level, .. } => *level,
        }
    }
}

fn of_verdict(verdict: Verdict, actions_done: u64) -> Level {
    match verdict {
        Verdict::Partial | Verdict::Failed | Verdict::TimedOut | Verdict::Abandoned => Level::ERROR,
        Verdict::Cancelled | Verdict::SkippedOverlap | Verdict::SkippedLate => Level::WARN,
        Verdict::Succeeded if actions_done > 0 => Level::INFO,
        Verdict::Succeeded | Verdict::SkippedPaused => Level::DEBUG,
    }
}

/// What the next run may well manage by itself is no error yet.
fn of_fault(fault: &Fault) -> Level {
    match fault.class() {
        Class::Retry | Class::Skip => Level::WARN,
        Class::Fail => Level::ERROR,
    }
}
