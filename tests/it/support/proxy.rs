//! A network that can swallow packets.

use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use super::db::Db;

/// A way to the server that can be cut without a word to either side.
pub struct Proxy {
    url: String,
    ways: Arc<Mutex<Vec<Way>>>,
}

struct Way {
    copying: AbortHandle,
    ends: Arc<tokio::sync::Mutex<(TcpStream, TcpStream)>>,
}

impl Proxy {
    /// A way to this database's server.
    pub async fn to(db: &Db) -> Self {
        let (before, rest) = db.url().rsplit_once('@').expect("our own url");
        let (server, database) = rest.split_once('/').expect("our own url");
        let server = server.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let ways: Arc<Mutex<Vec<Way>>> = Arc::default();
        let all = Arc::clone(&ways);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&server).await else { continue };
                let ends = Arc::new(tokio::sync::Mutex::new((client, server)));
                let both = Arc::clone(&ends);
                let copying = tokio::spawn(async move {
                    let mut ends = both.lock().await;
                    let (client, server) = &mut *ends;
                    let _ = copy_bidirectional(client, server).await;
                });
                let copying = copying.abort_handle();
                all.lock().expect("not poisoned").push(Way { copying, ends });
            }
        });
        Self { url: format!("{before}@127.0.0.1:{port}/{database}"), ways }
    }

    /// The database's URL by this way.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on nothing passes on the connections there are; neither end is told. New ones work.
    pub fn swallow(&self) {
        for way in self.ways.lock().expect("not poisoned").iter() {
            way.copying.abort();
            // Both sockets stay open as long as the test.
            std::mem::forget(Arc::clone(&way.ends));
        }
    }
}
