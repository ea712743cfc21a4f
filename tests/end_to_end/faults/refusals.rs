//! The database is there and refuses: its own disk is full, or others have all its connections.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use reqwest::Method;
use serde_json::json;

use super::{
    database::{serve, serve_adder},
    postgres::Postgres,
    small_disk::{self, SmallDisk},
    until,
};
use crate::{api::Api, program::Home};

const BACK_MAX: Duration = Duration::from_secs(15);
/// A change that was made.
const IS_DONE: [u16; 3] = [200, 201, 204];

/// 53100: what needs another page of the table is refused, and says why; calls go on; and all of it when there is room.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_whose_disk_is_full_says_so_and_goes_on_when_there_is_room() {
    let postgres = Postgres::start_with(&[], |folder| {
        let script = if rustix::process::geteuid().is_root() { "chown postgres .;" } else { "" };
        let mut words = small_disk::wrapper(&folder.join("small"), "size=2m,mode=777", script);
        words.extend(small_disk::as_oneself());
        words
    });
    let home = Home::new();
    let program = serve(&home, &postgres.url(), 60).await;
    let owner = program.customer("enterprise").await;
    serve_adder(&owner).await;
    postgres.sql(&format!("CREATE TABLESPACE small LOCATION '{}'", postgres.path().join("small").display()));
    // Each change writes an entry.
    postgres.sql("ALTER TABLE audit_entries SET TABLESPACE small");
    let disk = SmallDisk::of(postgres.id(), &postgres.path().join("small"));

    disk.fill();
    let refused = refused_change(&owner).await;

    assert_eq!((refused.0, refused.1), (503, true), "{}", refused.2);
    assert!(refused.2.contains("the database has no room left on its disk"), "{}", refused.2);
    owner.call("sums", "add", json!({"n": 1})).await.unwrap().expect(200);
    disk.make_room();
    until("changes go on", BACK_MAX, async || IS_DONE.contains(&change(&owner, "again").await.0)).await;
    assert!(program.log().contains("the database is not available"));
}

/// Changes until one is refused: what there is of a page is used first.
async fn refused_change(owner: &Api) -> (u16, bool, String) {
    for number in 0..400 {
        let answer = change(owner, &format!("number {number}")).await;
        if !IS_DONE.contains(&answer.0) {
            return answer;
        }
    }
    panic!("nothing was refused");
}

/// The status, whether it says when to come back, and the text.
async fn change(owner: &Api, value: &str) -> (u16, bool, String) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.request(Method::PUT, format!("{}/api/v1/servers/sums/env/VALUE", owner.base)).bearer_auth(&owner.key);
    let answer = request.json(&json!({"value": value, "secret": false})).send().await.unwrap();
    let (status, comes_back) = (answer.status().as_u16(), answer.headers().contains_key("retry-after"));
    (status, comes_back, answer.text().await.unwrap())
}

/// 53300: others have every connection, and the program's own were cut.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_without_a_free_connection_says_so_and_goes_on_when_there_is_one() {
    let postgres = Postgres::start_with(&["max_connections=24", "superuser_reserved_connections=0"], |_| Vec::new());
    let home = Home::new();
    let program = serve(&home, &postgres.url(), 60).await;
    let owner = program.customer("enterprise").await;
    serve_adder(&owner).await;
    owner.call("sums", "add", json!({"n": 1})).await.unwrap().expect(200);

    let mut others = vec![Other::connect(&postgres.socket()).expect("there is a place")];
    // Each place that the program loses is taken, until it has none.
    until("the program has no connection", BACK_MAX, async || {
        others[0].ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'toolwright'");
        while let Some(other) = Other::connect(&postgres.socket()) {
            others.push(other);
        }
        others.len() >= 24
    })
    .await;
    until("it is away", BACK_MAX, async || program.log().contains("the database is away")).await;
    until("it says why", BACK_MAX, async || {
        let refused = change(&owner, "other").await;
        assert_eq!((refused.0, refused.1), (503, true), "{}", refused.2);
        refused.2.contains("the database has no connection free")
    })
    .await;
    owner.call("sums", "add", json!({"n": 1})).await.unwrap().expect(200);
    drop(others);
    until("changes go on", BACK_MAX, async || IS_DONE.contains(&change(&owner, "again").await.0)).await;
}

/// A connection of somebody else (PostgreSQL, "Frontend/Backend Protocol").
struct Other(UnixStream);

impl Other {
    /// `None` if there is no place.
    fn connect(socket: &Path) -> Option<Self> {
        let mut stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let words = b"user\0app\0database\0postgres\0\0";
        let length = u32::try_from(8 + words.len()).unwrap();
        let start_up = [length.to_be_bytes().as_slice(), 196_608_u32.to_be_bytes().as_slice(), words].concat();
        stream.write_all(&start_up).unwrap();
        let mut other = Self(stream);
        // AuthenticationOk, or an error.
        (other.read_until_ready() == Some(b'R')).then_some(other)
    }

    fn ask(&mut self, statement: &str) {
        let length = u32::try_from(5 + statement.len()).unwrap();
        let query = [b"Q".as_slice(), length.to_be_bytes().as_slice(), statement.as_bytes(), b"\0"].concat();
        self.0.write_all(&query).unwrap();
        self.read_until_ready();
    }

    /// The first message's type; all of what comes is read, to its `ReadyForQuery`, or to the end.
    fn read_until_ready(&mut self) -> Option<u8> {
        let mut first = None;
        loop {
            let mut head = [0; 5];
            if self.0.read_exact(&mut head).is_err() {
                return first;
            }
            first = first.or(Some(head[0]));
            let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
            let mut body = vec![0; length as usize - 4];
            self.0.read_exact(&mut body).unwrap();
            match head[0] {
                b'Z' => return first,
                b'E' => return Some(b'E'),
                _ => {}
            }
        }
    }
}
