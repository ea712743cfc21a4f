//! A name server on loopback that says what it is told.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use hickory_resolver::proto::{
    op::{Message, ResponseCode},
    rr::{RData, Record, RecordType, rdata},
};
use tokio::net::UdpSocket;
use tokio_util::task::AbortOnDropHandle;

/// Runs until it is dropped.
pub(crate) struct Names {
    pub(crate) address: SocketAddr,
    book: Arc<Mutex<Book>>,
    _answering: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Book {
    addresses: HashMap<String, Vec<IpAddr>>,
    asked: Vec<(String, RecordType)>,
    is_silent: bool,
}

impl Names {
    pub(crate) async fn start() -> Self {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let book = Arc::new(Mutex::new(Book::default()));
        let shared = Arc::clone(&book);
        let answering = tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                if let Some(answer) = shared.lock().unwrap().answer(&buffer[..length]) {
                    drop(socket.try_send_to(&answer, from));
                }
            }
        });
        Self { address, book, _answering: AbortOnDropHandle::new(answering) }
    }

    /// From now on `name` has these addresses.
    pub(crate) fn set(&self, name: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        self.book.lock().unwrap().addresses.insert(name.to_owned(), addresses);
    }

    pub(crate) fn fall_silent(&self) {
        self.book.lock().unwrap().is_silent = true;
    }

    pub(crate) fn speak(&self) {
        self.book.lock().unwrap().is_silent = false;
    }

    /// How often the IPv4 addresses of `name` were asked for.
    pub(crate) fn asked(&self, name: &str) -> usize {
        let book = self.book.lock().unwrap();
        book.asked.iter().filter(|(asked, kind)| asked == name && *kind == RecordType::A).count()
    }
}

impl Book {
    fn answer(&mut self, question: &[u8]) -> Option<Vec<u8>> {
        let mut message = Message::from_vec(question).ok()?;
        let query = message.queries.first()?.clone();
        let name = query.name().to_ascii().trim_end_matches('.').to_lowercase();
        self.asked.push((name.clone(), query.query_type()));
        if self.is_silent {
            return None;
        }
        message.metadata.message_type = hickory_resolver::proto::op::MessageType::Response;
        message.metadata.recursion_available = true;
        match self.addresses.get(&name) {
            None => message.metadata.response_code = ResponseCode::NXDomain,
            Some(addresses) => {
                for address in addresses {
                    let data = match (address, query.query_type()) {
                        (IpAddr::V4(address), RecordType::A) => RData::A(rdata::A(*address)),
                        (IpAddr::V6(address), RecordType::AAAA) => RData::AAAA(rdata::AAAA(*address)),
                        _ => continue,
                    };
                    // Nobody may keep it.
                    message.answers.push(Record::from_rdata(query.name().clone(), 0, data));
                }
            }
        }
        message.to_vec().ok()
    }
}
