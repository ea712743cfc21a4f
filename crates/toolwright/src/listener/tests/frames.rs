//! HTTP/2 as hostile clients speak it: frames written by hand (RFC 9113, section 6; RFC 7541, appendix A for the few fields).

use super::*;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

const NO_ERROR: u32 = 0;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

/// A client that says what it likes.
struct Client {
    stream: TcpStream,
}

#[derive(Debug)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Client {
    /// With these SETTINGS.
    async fn connect(running: &Running, settings: &[u8]) -> Self {
        let mut client = Self { stream: running.connect().await };
        client.stream.set_nodelay(true).unwrap();
        client.stream.write_all(PREFACE).await.unwrap();
        client.send(&frame(SETTINGS, 0, 0, settings)).await.unwrap();
        client
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        timeout(PATIENCE, self.stream.write_all(bytes)).await.expect("the server reads, or ends the connection")
    }

    /// The next frame; `None` at the end of the connection, which may be abrupt.
    async fn read(&mut self) -> Option<Frame> {
        timeout(PATIENCE, async {
            let mut header = [0; 9];
            self.stream.read_exact(&mut header).await.ok()?;
            let [high, middle, low, kind, flags, stream @ ..] = header;
            let mut payload = vec![0; usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low)];
            self.stream.read_exact(&mut payload).await.ok()?;
            Some(Frame { kind, flags, stream: u32::from_be_bytes(stream), payload })
        })
        .await
        .expect("a frame comes, or the end")
    }

    /// Why the server ended the connection; `None` if it just did.
    async fn end(&mut self) -> Option<u32> {
        let mut reason = None;
        while let Some(frame) = self.read().await {
            if frame.kind == GOAWAY {
                reason = Some(number(&frame.payload[4..8]));
            }
        }
        reason
    }

    /// Waits for the answer to a PING: all that was sent before it has been looked at then.
    async fn ping(&mut self) -> Option<()> {
        self.send(&frame(PING, 0, 0, b"are you?")).await.ok()?;
        loop {
            let frame = self.read().await?;
            if frame.kind == PING && frame.flags & ACK != 0 {
                return Some(());
            }
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The fields of a GET of a path of less than 128 bytes.
fn get(path: &str) -> Vec<u8> {
    let mut fields = vec![0x82, 0x86, 0x04, u8::try_from(path.len()).unwrap()];
    fields.extend(path.as_bytes());
    fields.extend(b"\x01\x09localhost");
    fields
}

fn request(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &get(path))
}

fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().unwrap())
}

#[tokio::test]
async fn requests_that_are_reset_before_they_are_looked_at_end_the_connection() {
    let running = start(settings()).await;
    let mut client = Client::connect(&running, &[]).await;

    let burst: Vec<u8> = (0..200).flat_map(|index| [request(2 * index + 1, "/slow"), reset(2 * index + 1)].concat()).collect();
    let _ = client.send(&burst).await;

    assert_eq!(client.end().await, Some(ENHANCE_YOUR_CALM));
    running.end().await;
}

#[tokio::test]
async fn requests_that_are_reset_one_by_one_end_the_connection_as_well() {
    let running = start(settings()).await;
    let mut client = Client::connect(&running, &[]).await;

    let mut resets = 0;
    for index in 0..1_000 {
        let stream = 2 * index + 1;
        let sent = async {
            client.send(&request(stream, "/slow")).await.ok()?;
            client.ping().await?;
            client.send(&reset(stream)).await.ok()
        };
        if sent.await.is_none() {
            break;
        }
        resets += 1;
    }

    // Half of the frames that are counted are the client's own pings.
    assert!((400..=502).contains(&resets), "{resets}");
    assert_eq!(running.count("toolwright_http_connections_cut_total{reason=\"frame_flood\"} "), "1");
    running.end().await;
}

#[tokio::test]
async fn settings_and_pings_without_end_are_cut() {
    for payload in [frame(SETTINGS, 0, 0, &[]), frame(PING, 0, 0, b"are you?"), frame(2, 0, 1, &[0, 0, 0, 0, 16])] {
        let running = start(settings()).await;
        let mut client = Client::connect(&running, &[]).await;

        let flood = payload.repeat(1_200);
        let (mut reading, mut writing) = client.stream.split();
        let mut answers = Vec::new();
        let both = async { tokio::join!(reading.read_to_end(&mut answers), writing.write_all(&flood)) };

        let _ = timeout(PATIENCE, both).await.expect("the flood is cut");
        assert_eq!(running.count("toolwright_http_connections_cut_total{reason=\"frame_flood\"} "), "1");
        running.end().await;
    }
}

#[tokio::test]
async fn a_client_that_pings_now_and_then_is_served() {
    let running = start(settings()).await;
    let mut client = Client::connect(&running, &[]).await;

    for _ in 0..100 {
        client.ping().await.unwrap();
    }
    client.send(&request(1, "/")).await.unwrap();

    loop {
        let frame = client.read().await.expect("an answer");
        if frame.stream == 1 && frame.payload == b"hello" {
            break;
        }
    }
    drop(client);
    running.end().await;
}

#[tokio::test]
async fn a_head_in_ever_more_pieces_ends_the_connection() {
    let running = start(settings()).await;
    let mut client = Client::connect(&running, &[]).await;

    let mut flood = frame(HEADERS, END_STREAM, 1, &get("/"));
    for _ in 0..100 {
        flood.extend(frame(CONTINUATION, 0, 1, b"\x00\x01a\x01b"));
    }
    let _ = client.send(&flood).await;

    assert_eq!(client.end().await, Some(ENHANCE_YOUR_CALM));
    running.end().await;
}

#[tokio::test]
async fn a_head_that_is_too_large_is_answered_so_on_http_2() {
    let running = start(settings()).await;
    let mut client = Client::connect(&running, &[]).await;

    // A field of 12 000 bytes twice: more than the 16 KiB of these settings. Its length is 127 and two more groups of seven bits.
    let mut field = b"\x00\x01a\x7f\xe1\x5c".to_vec();
    field.resize(field.len() + 12_000, b'x');
    client.send(&frame(HEADERS, END_STREAM, 1, &[get("/"), field.clone()].concat())).await.unwrap();
    client.send(&frame(CONTINUATION, END_HEADERS, 1, &field)).await.unwrap();

    let mut head = Vec::new();
    while let Some(frame) = client.read().await {
        if frame.kind == HEADERS {
            head = frame.payload;
            break;
        }
    }
    // The first field of the answer is `:status`; 200 would be one byte of the static table (RFC 7541, appendix A).
    assert!(!head.is_empty() && head[0] != 0x88, "{head:x?}");
    drop(client);
    running.end().await;
}

#[tokio::test]
async fn a_connection_has_so_many_requests_at_a_time() {
    let running = start(settings()).await;
    let mut client = Client::connect(&running, &[]).await;

    for index in 0..12 {
        client.send(&request(2 * index + 1, "/slow")).await.unwrap();
    }
    let mut refused = Vec::new();
    while refused.len() < 4 {
        let frame = client.read().await.expect("a refusal");
        if frame.kind == RST_STREAM {
            assert_eq!(number(&frame.payload), REFUSED_STREAM);
            refused.push(frame.stream);
        }
    }

    assert_eq!(refused, [17, 19, 21, 23]);
    drop(client);
    running.stop.cut.cancel();
    running.end().await;
}

#[tokio::test]
async fn a_client_that_lets_no_answer_go_is_cut() {
    for (window, path) in [(0_u32, "/"), (0, "/large"), (1000, "/large")] {
        let running = start(Http { write_timeout: Duration::from_millis(300), ..settings() }).await;
        // SETTINGS_INITIAL_WINDOW_SIZE (RFC 9113, section 6.5.2)
        let mut client = Client::connect(&running, &[&[0, 4][..], &window.to_be_bytes()].concat()).await;

        client.send(&request(1, path)).await.unwrap();
        let began = Instant::now();
        client.end().await;

        assert!(began.elapsed() < Duration::from_secs(5), "{window} {path} took {:?}", began.elapsed());
        assert_eq!(running.count("toolwright_http_connections_cut_total{reason=\"untaken_answer\"} "), "1", "{window} {path}");
        running.end().await;
    }
}

#[tokio::test]
async fn an_answer_that_says_nothing_yet_is_not_taken_for_one_that_is_not_taken() {
    let running = start(Http { write_timeout: Duration::from_millis(200), ..settings() }).await;
    let mut client = Client::connect(&running, &[]).await;

    client.send(&request(1, "/slow")).await.unwrap();
    sleep(Duration::from_millis(900)).await;
    running.release.notify_one();

    loop {
        let frame = client.read().await.expect("the answer comes");
        if frame.payload == b"at last" {
            break;
        }
    }
    drop(client);
    running.end().await;
}

#[tokio::test]
async fn a_body_that_nobody_reads_is_ended_without_calling_it_an_error() {
    let running = start(settings()).await;
    let mut client = Client::connect(&running, &[]).await;
    let mut fields = get("/unread");
    // `:method: POST` of the static table.
    fields[0] = 0x83;

    client.send(&frame(HEADERS, END_HEADERS, 1, &fields)).await.unwrap();
    client.send(&frame(DATA, 0, 1, &[b'x'; 16_384])).await.unwrap();
    let mut is_answered = false;
    let reason = loop {
        let frame = client.read().await.expect("the request ends, and not the connection");
        is_answered |= frame.kind == DATA && frame.payload == b"unread";
        if frame.kind == RST_STREAM {
            break number(&frame.payload);
        }
    };

    assert!(is_answered);
    assert_eq!(reason, NO_ERROR);
    client.ping().await.expect("the connection goes on");
    drop(client);
    running.end().await;
}
