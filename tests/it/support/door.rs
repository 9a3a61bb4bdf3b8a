//! A way to the server that counts what comes through the one door for writes, and can close after
//! any statement: that one is done on the server, and pgtend is never told.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinHandle};

use super::db::Db;

/// The way. Dropped, it takes its connections with it.
pub struct Door {
    url: String,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

/// What is counted, over all connections.
#[derive(Default)]
struct Shared {
    statements: Mutex<Vec<String>>,
    /// Closed after so many statements.
    closes_after: Option<usize>,
    closed: Notify,
    connections: Mutex<Vec<AbortHandle>>,
}

impl Door {
    /// To this database; closed after so many statements, or never.
    pub async fn to(db: &Db, closes_after: Option<usize>) -> Self {
        let (before, rest) = db.url().rsplit_once('@').expect("our own url");
        let (server, database) = rest.split_once('/').expect("our own url");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let shared = Arc::new(Shared { closes_after, ..Shared::default() });
        let (server, all) = (server.to_owned(), Arc::clone(&shared));
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&server).await else { continue };
                let one = tokio::spawn(connection(client, server, Arc::clone(&all)));
                all.connections.lock().expect("not poisoned").push(one.abort_handle());
            }
        });
        // What is counted must be readable.
        let url = format!("{before}@127.0.0.1:{port}/{database}?sslmode=disable");
        Self { url, shared, listening }
    }

    /// The database's URL by this way.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Waits until it has closed: the last statement is done, and its answer kept back.
    pub async fn closed(&self) {
        self.shared.closed.notified().await;
    }

    /// What came through so far.
    pub fn statements(&self) -> Vec<String> {
        self.shared.statements.lock().expect("not poisoned").clone()
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.listening.abort();
        for connection in self.shared.connections.lock().expect("not poisoned").iter() {
            connection.abort();
        }
    }
}

/// One connection, as far as counting needs it.
#[derive(Default)]
struct Talk {
    /// What the client has sent last, and the server not answered yet.
    text: Option<String>,
    /// Between the statements that open and shut the door.
    is_inside: bool,
}

impl Talk {
    /// The door's statements begin with its `BEGIN`, or with what it says before a lone statement.
    fn opens(text: &str) -> bool {
        text.starts_with("BEGIN ISOLATION LEVEL") || text.starts_with("SET lock_timeout")
    }

    fn shuts(text: &str) -> bool {
        matches!(text, "COMMIT" | "ROLLBACK" | "SET default_transaction_read_only = on")
    }

    /// The server is done with it: the statement, if it is one of the door's.
    fn answered(&mut self) -> Option<String> {
        let text = self.text.take()?;
        self.is_inside |= Self::opens(&text);
        let counts = self.is_inside;
        self.is_inside &= !Self::shuts(&text);
        counts.then_some(text)
    }
}

async fn connection(client: TcpStream, server: TcpStream, shared: Arc<Shared>) {
    // A small message is not kept back for the answer to the last one: that costs 40 ms each.
    for side in [&client, &server] {
        side.set_nodelay(true).expect("an open socket");
    }
    let (from_client, to_client) = tokio::io::split(client);
    let (from_server, to_server) = tokio::io::split(server);
    let talk = Mutex::new(Talk::default());
    // Whichever ends first takes the other with it, and both sockets.
    tokio::select! {
        _ = asks(from_client, to_server, &talk) => {}
        _ = answers(from_server, to_client, &talk, &shared) => {}
    }
}

async fn asks(
    mut from: ReadHalf<TcpStream>,
    mut to: WriteHalf<TcpStream>,
    talk: &Mutex<Talk>,
) -> std::io::Result<()> {
    // The first message has no type.
    to.write_all(&message(&mut from, 0).await?).await?;
    let mut parsed = None;
    loop {
        let whole = message(&mut from, 1).await?;
        let body = &whole[HEAD..];
        let text = |text: &[u8]| {
            String::from_utf8_lossy(text.strip_suffix(b"\0").unwrap_or(text)).into_owned()
        };
        match whole[0] {
            b'Q' => talk.lock().expect("not poisoned").text = Some(text(body)),
            // A name, the text, the types of its parameters.
            b'P' => parsed = body.split(|byte| *byte == 0).nth(1).map(text),
            b'E' => talk.lock().expect("not poisoned").text = parsed.take(),
            _ => {}
        }
        to.write_all(&whole).await?;
    }
}

async fn answers(
    mut from: ReadHalf<TcpStream>,
    mut to: WriteHalf<TcpStream>,
    talk: &Mutex<Talk>,
    shared: &Shared,
) -> std::io::Result<()> {
    loop {
        let whole = message(&mut from, 1).await?;
        let done =
            if whole[0] == b'Z' { talk.lock().expect("not poisoned").answered() } else { None };
        if let Some(statement) = done {
            let count = {
                let mut statements = shared.statements.lock().expect("not poisoned");
                statements.push(statement);
                statements.len()
            };
            if shared.closes_after == Some(count) {
                shared.closed.notify_one();
                std::future::pending::<()>().await;
            }
        }
        to.write_all(&whole).await?;
    }
}

/// A type and a length.
const HEAD: usize = 5;

/// One message, whole: so many bytes of type, its length, and what that counts.
async fn message(from: &mut ReadHalf<TcpStream>, type_bytes: usize) -> std::io::Result<Vec<u8>> {
    let mut whole = vec![0; type_bytes + 4];
    from.read_exact(&mut whole).await?;
    let length = whole[type_bytes..].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    whole.resize(type_bytes + length, 0);
    from.read_exact(&mut whole[type_bytes + 4..]).await?;
    Ok(whole)
}
