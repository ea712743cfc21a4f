//! A name server that knows one address for every name.

use std::net::SocketAddr;

use tokio::{net::UdpSocket, task::JoinHandle};

/// Answers until it is dropped.
pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl NameServer {
    pub(crate) async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut query = [0; 512];
            while let Ok((bytes, client)) = socket.recv_from(&mut query).await {
                let _ = socket.send_to(&answer(&query[..bytes]), client).await;
            }
        });
        Self { address, task }
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// 127.0.0.1 to a question for A, nothing to any other (RFC 1035, section 4).
fn answer(query: &[u8]) -> Vec<u8> {
    let name_bytes = query[12..].iter().position(|byte| *byte == 0).unwrap() + 1;
    let question = &query[12..12 + name_bytes + 4];
    let is_for_a = question[name_bytes..] == [0, 1, 0, 1];
    let mut answer = query[..2].to_vec();
    answer.extend([0x81, 0x80, 0, 1, 0, u8::from(is_for_a), 0, 0, 0, 0]);
    answer.extend(question);
    if is_for_a {
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
    }
    answer
}
