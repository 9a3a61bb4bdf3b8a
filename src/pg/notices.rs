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
/// task meanwhile, the first 100. Notices and below are left out. Needs [`layer`] in the
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
            if warnings.len() < KEPT_MAX {
                event.record(&mut Message(&mut warnings));
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
