//! What was told while the test did something in process.

use std::future::Future;
use std::sync::{Arc, Mutex, Once};

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::instrument::WithSubscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

/// The events told by this future, oldest first. Tasks that it spawns are not heard.
#[derive(Clone, Default)]
pub struct Told(Arc<Mutex<Vec<Value>>>);

impl Told {
    /// Runs it, listening.
    pub async fn during<F: Future>(&self, work: F) -> F::Output {
        // A call site met first on a thread that listens to nothing would be switched off for all,
        // as long as this listener is the only one in the process.
        static SOMEBODY_LISTENS: Once = Once::new();
        SOMEBODY_LISTENS.call_once(|| {
            let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
        });
        let listening = tracing_subscriber::registry().with(Listener(self.clone()));
        work.with_subscriber(listening).await
    }

    /// Those of this name so far.
    pub fn named(&self, event: &str) -> Vec<Value> {
        let all = self.0.lock().expect("not poisoned");
        all.iter().filter(|told| told["event"] == event).cloned().collect()
    }
}

struct Listener(Told);

impl<S: tracing::Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "pgtend" {
            event.record(&mut Payload(&self.0));
        }
    }
}

struct Payload<'a>(&'a Told);

impl Visit for Payload<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "payload" {
            let event = serde_json::from_str(value).expect("an event is JSON");
            self.0.0.lock().expect("not poisoned").push(event);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}
