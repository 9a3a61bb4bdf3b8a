//! What the same run does before a deletion.

use super::children::ChildArchive;
use crate::job::Plan;
use crate::jobs::archive::action::{AlterTarget, ArchiveAction, CreateTarget};
use crate::pg::ident::TableName;

/// What is done to the archive, or to that of a child: one that is altered may not be deleted from as it was
/// seen, and what is moved into one that is made, the plan cannot name.
pub fn changed_before(
    archive: &TableName,
    children: &[ChildArchive],
    plan: &Plan<ArchiveAction>,
) -> Option<String> {
    let is_child = |name: &TableName| children.iter().any(|child| child.name == *name);
    plan.actions.iter().find_map(|action| match action {
        ArchiveAction::CreateTarget(CreateTarget { into, .. }) if is_child(into) => {
            Some(format!("creates {into}, for what refers to them"))
        }
        ArchiveAction::AlterTarget(AlterTarget { into, .. })
            if into == archive || is_child(into) =>
        {
            Some(format!("gives {into} what it lacks"))
        }
        _ => None,
    })
}
