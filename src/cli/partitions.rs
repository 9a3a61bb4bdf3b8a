//! `partitions restore`, `repair`, `drain`, `split` and `adopt`: runs of the job with that one task: under its
//! claim, through its door, into its history. `partitions import-partman`: another tool's record as our
//! configuration.

use std::path::Path;

use super::args::{Format, PartitionsCommand};
use super::{Failure, output, plan, setup, task};
use crate::job::JobName;
use crate::jobs::partitions::adopt::Wish;
use crate::jobs::partitions::{Task, partman};
use crate::pg::ident::TableName;

pub async fn partitions(file: Option<&Path>, command: &PartitionsCommand) -> Result<u8, Failure> {
    match command {
        PartitionsCommand::Restore(args) => {
            let task =
                Task::Restore { table: named(&args.table)?, partition: args.partition.clone() };
            run(file, &task, args.plan, args.format).await
        }
        PartitionsCommand::Repair(args) => {
            let task =
                Task::Repair { table: named(&args.table)?, partition: args.partition.clone() };
            run(file, &task, args.plan, args.format).await
        }
        PartitionsCommand::Drain(args) => {
            let task = Task::Drain { table: named(&args.table)?, abort: args.abort };
            run(file, &task, args.plan, args.format).await
        }
        PartitionsCommand::Split(args) => {
            let task = Task::Split { table: named(&args.table)?, abort: args.abort };
            run(file, &task, args.plan, args.format).await
        }
        PartitionsCommand::Adopt(args) => {
            let wish =
                Wish { table: named(&args.table)?, column: args.column.clone(), abort: args.abort };
            run(file, &Task::Adopt(wish), args.plan, args.format).await
        }
        PartitionsCommand::ImportPartman => import_partman(file).await,
    }
}

async fn import_partman(file: Option<&Path>) -> Result<u8, Failure> {
    let setup = setup::configure(file)?;
    let server = setup.connect().await?;
    let mut session = plan::look(&server, JobName::Partitions).await?;
    let text = partman::import(&mut session.reader()).await;
    session.close();
    server.close().await;
    output::print(&text?)?;
    Ok(0)
}

fn named(name: &str) -> Result<TableName, Failure> {
    name.parse().map_err(|error| Failure::Usage(format!("{name}: {error}")))
}

async fn run(
    file: Option<&Path>,
    task: &Task,
    is_plan: bool,
    format: Format,
) -> Result<u8, Failure> {
    task::run(file, JobName::Partitions, |job| job.ask(task), is_plan, format).await
}
