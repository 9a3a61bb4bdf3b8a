//! Warnings the server sends beside a result.
//!
//! sqlx offers no other way to them than its tracing events, so a layer of ours listens to those
//! and keeps them for the task that asked. It has its own filter and works at any log level.

use std::cell::RefCell;
use std::fmt::Debug;
use std::future::Future;

use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Where sqlx logs what the server sends; a WARNING at level warn, a NOTICE at info.
pub(crate) const TARGET: &str = "sqlx::postgres::notice";

/// Warnings kept per [`collect`]. ANALYZE warns once per table it skips; whoever has more of
/// these has one cause.
const KEPT_MAX: usize = 100;

tokio::task_local! {
    static WARNINGS: RefCell<Vec<String>>;
}

/// Runs the future and returns with its result the text of the warnings the server sent to this
/// task meanwhile: the first 100, and then a sentence that there were more. Notices and below are left out. Needs [`layer`] in the
/// subscriber.
pub async fn collect<F: Future>(future: F) -> (F::Output, Vec<String>) {
    WARNINGS
        .scope(RefCell::default(), async {
            let output = future.await;
            (output, WARNINGS.with(RefCell::take))
        })
        .await
}

/// The layer [`collect`] listens through.
#[must_use]
pub fn layer<S>() -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    Listener.with_filter(Targets::new().with_target(TARGET, LevelFilter::WARN))
}

struct Listener;

impl<S: Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        // Outside of `collect` there is nobody to tell.
        let _ = WARNINGS.try_with(|warnings| {
            let mut warnings = warnings.borrow_mut();
            match warnings.len() {
                ..KEPT_MAX => event.record(&mut Message(&mut warnings)),
                KEPT_MAX => warnings.push("further warnings were not kept".to_owned()),
                _ => {}
            }
        });
    }
}

struct Message<'a>(&'a mut Vec<String>);

impl Visit for Message<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.0.push(value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0.push(format!("{value:?}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    fn listening(work: impl Future<Output = ()>) {
        let _default =
            tracing::subscriber::set_default(tracing_subscriber::registry().with(layer()));
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work);
    }

    #[test]
    fn warnings_reach_the_task_that_asked() {
        listening(async {
            let (output, warnings) = collect(async {
                tracing::warn!(target: TARGET, message = "skipping \"x\"");
                tracing::info!(target: TARGET, message = "a notice");
                tracing::warn!(target: "sqlx::query", message = "slow statement");
                tokio::spawn(async { tracing::warn!(target: TARGET, "another task's") })
                    .await
                    .unwrap();
                tokio::task::yield_now().await;
                tracing::warn!(target: TARGET, "skipping {}", 2);
                7
            })
            .await;
            assert_eq!((output, warnings), (7, vec!["skipping \"x\"".into(), "skipping 2".into()]));
            tracing::warn!(target: TARGET, "nobody asked");
            assert!(collect(async {}).await.1.is_empty());
        });
    }

    #[test]
    fn a_flood_of_warnings_is_cut_and_says_so() {
        listening(async {
            let flood = async { (0..1000).for_each(|n| tracing::warn!(target: TARGET, "{n}")) };
            let ((), warnings) = collect(flood).await;
            assert_eq!(warnings.len(), KEPT_MAX + 1);
            assert_eq!(warnings.last().unwrap(), "further warnings were not kept");
        });
    }
}
