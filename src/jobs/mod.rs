//! The jobs. To add one: its folder here, one line below, its section in `config`, a page in
//! `docs/jobs`; docs/adding-a-job.md walks through it.

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use crate::config::checked::{Config, Schedule};
use crate::job::plan::PlanView;
use crate::job::{Job, JobName, Outcome, run};
use crate::pg::fault::Fault;
use crate::pg::session::{Reader, Session};

// Not by the macro below: rustfmt finds no file through one.
pub mod analyze;
pub mod archive;
pub mod partitions;
pub mod slow_queries;

/// Declares the enum of all jobs and its one dispatch.
macro_rules! jobs {
    ($($variant:ident = $module:ident),+ $(,)?) => {
        /// A configured job, whichever it is.
        pub enum AnyJob {
            $(
                #[doc = concat!("`", stringify!($module), "`")]
                $variant($module::$variant, Schedule),
            )+
        }

        impl AnyJob {
            /// The jobs whose section stands in the configuration, in the order of
            /// [`JobName::ALL`].
            #[must_use]
            pub fn configured(config: &Config) -> Vec<Self> {
                let mut jobs = Vec::new();
                $(
                    if let Some(section) = &config.$module {
                        let schedule = section.schedule.clone();
                        jobs.push(Self::$variant($module::$variant::new(section.clone()), schedule));
                    }
                )+
                jobs
            }

            /// When it runs.
            #[must_use]
            pub fn schedule(&self) -> &Schedule {
                match self { $(Self::$variant(_, schedule) => schedule,)+ }
            }

            /// Its name.
            #[must_use]
            pub fn name(&self) -> JobName {
                match self { $(Self::$variant(job, _) => job.name(),)+ }
            }

            /// See [`run::run`].
            pub async fn run(
                &self,
                session: &mut Session,
                now: DateTime<Utc>,
                stop: &CancellationToken,
                start: &run::Start,
            ) -> Outcome {
                match self { $(Self::$variant(job, _) => run::run(job, session, now, stop, start).await,)+ }
            }

            /// See [`run::plan`].
            ///
            /// # Errors
            /// What `observe` reports of the whole job.
            pub async fn plan(
                &self,
                reader: &mut Reader<'_>,
                now: DateTime<Utc>,
            ) -> Result<PlanView, Fault> {
                match self { $(Self::$variant(job, _) => run::plan(job, reader, now).await,)+ }
            }
        }
    };
}

impl AnyJob {
    /// What their policies would newly destroy was agreed to by a person.
    pub fn confirm(&mut self) {
        match self {
            Self::Partitions(job, _) => job.ask(partitions::Task::Tend { confirm: true }),
            Self::Archive(job, _) => job.ask(archive::Task::Tend { confirm: true }),
            Self::Analyze(..) | Self::SlowQueries(..) => {}
        }
    }

    /// Gives the job `archive` another task.
    pub fn ask_archive(&mut self, task: &archive::Task) {
        if let Self::Archive(job, _) = self {
            job.ask(task.clone());
        }
    }

    /// Gives the job `partitions` another task; the others have but one.
    pub fn ask(&mut self, task: &partitions::Task) {
        if let Self::Partitions(job, _) = self {
            job.ask(task.clone());
        }
    }
}

jobs! {
    Partitions = partitions,
    Archive = archive,
    Analyze = analyze,
    SlowQueries = slow_queries,
}
