//! TLS, as the URL's `sslmode` says.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use super::{assert_refused, by};
use crate::support::{Db, InProcess, OwnServer, on_own_server, wait_until};

/// Made for these tests, for 127.0.0.1 and until 2120; the authorities' keys are thrown away.
const CERTIFICATES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/tls");

/// Turns TLS on.
async fn encrypt(db: &Db, server: &OwnServer) {
    let data = server.get().directory().join("data");
    let owner = fs::metadata(&data).unwrap();
    for file in ["server.pem", "server.key"] {
        let copy = data.join(file);
        fs::copy(Path::new(CERTIFICATES).join(file), &copy).unwrap();
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).unwrap();
        chown(&copy, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    for setting in ["ssl_cert_file = 'server.pem'", "ssl_key_file = 'server.key'", "ssl = on"] {
        let mut conn = db.connect().await;
        crate::support::run(&mut conn, &format!("ALTER SYSTEM SET {setting}")).await;
    }
    db.execute("SELECT pg_reload_conf()").await;
    wait_until("it is encrypted", || async {
        let mut conn = db.connect().await;
        crate::support::rows(&mut conn, "SHOW ssl").await == [[Some("on".to_owned())]]
    })
    .await;
}

#[test]
fn sslmode_is_followed() {
    on_own_server(&[], |db, server| async move {
        let ran = by(&db, &format!("{}?sslmode=require", db.url())).run(&["once"]).await;
        assert_refused(&ran, 69, &["sslmode"]);
        encrypt(&db, &server).await;
        let used = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        for (parameters, encrypted) in [
            ("sslmode=disable".to_owned(), false),
            ("sslmode=require".to_owned(), true),
            (format!("sslmode=verify-full&sslrootcert={CERTIFICATES}/ca.pem"), true),
        ] {
            let url = format!("{}?{parameters}", db.url());
            let app = InProcess::without_schema(&url, "").await;
            let ssl: bool =
                sqlx::query_scalar(used).fetch_one(&app.server().control).await.unwrap();
            assert_eq!(ssl, encrypted, "{parameters}");
        }
        let other =
            format!("{}?sslmode=verify-full&sslrootcert={CERTIFICATES}/other-ca.pem", db.url());
        let ran = by(&db, &other).run(&["once"]).await;
        assert_refused(&ran, 69, &["certificate", "sslmode and sslrootcert"]);
        let missing = format!("{}?sslmode=verify-full&sslrootcert=/missing.pem", db.url());
        let ran = by(&db, &missing).run(&["once"]).await;
        assert_refused(&ran, 78, &["No such file", "sslmode and sslrootcert"]);
    });
}
