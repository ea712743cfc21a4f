//! Many tools, each of another source, on servers of several customers.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    connection::{BenchError, Connection},
    customer::Customer,
    message::{ADD, call_request, list_request_after},
    server::Server,
};

/// Servers that are deployed at one time. The workers have enough to do with these, and none waits long enough to be refused.
const CONNECTIONS: usize = 6;

/// How many there are to be, and whose.
#[derive(Debug, Clone, Copy)]
pub struct CrowdSize {
    /// Tools of all servers together.
    pub tools: usize,
    /// Of these, on the first server, which is larger than the others.
    pub tools_of_first: usize,
    /// Tools of each other server, at most.
    pub tools_per_server: usize,
    /// Whose servers they are, in turn.
    pub customers: usize,
}

/// The tools, numbered from 0.
#[derive(Debug, Clone)]
pub struct Crowd {
    servers: Vec<CrowdServer>,
    /// The server of each, and its number there.
    tools: Vec<(usize, usize)>,
}

#[derive(Debug, Clone)]
struct CrowdServer {
    slug: String,
    key: String,
    tools: usize,
}

impl Crowd {
    /// Makes the customers and builds, puts and releases every tool through the API. No two have the same source, artifact or native code.
    pub async fn deploy(server: &Server, slug: &str, size: CrowdSize) -> Result<Self, BenchError> {
        let mut keys = Vec::new();
        for _ in 0..size.customers.max(1) {
            keys.push(server.create_customer().await?);
        }
        let crowd = Arc::new(Self::plan(slug, &keys, size));
        let next = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..CONNECTIONS.min(crowd.servers.len()) {
            let (crowd, next, address) = (Arc::clone(&crowd), Arc::clone(&next), server.address);
            tasks.spawn(async move {
                while let Some(server) = crowd.servers.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let customer = Customer::new(Connection::open(address).await?, &server.key);
                    server.deploy(customer).await?;
                }
                Ok::<_, BenchError>(())
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.map_err(|error| BenchError::Failed(format!("deploying ended early: {error}")))??;
        }
        Ok(Arc::unwrap_or_clone(crowd))
    }

    fn plan(slug: &str, keys: &[String], size: CrowdSize) -> Self {
        let mut crowd = Self { servers: Vec::new(), tools: Vec::with_capacity(size.tools) };
        while crowd.tools.len() < size.tools {
            let number = crowd.servers.len();
            let most = if number == 0 { size.tools_of_first } else { size.tools_per_server };
            let tools = most.clamp(1, size.tools - crowd.tools.len());
            let key = keys.get(number % keys.len().max(1)).cloned().unwrap_or_default();
            crowd.servers.push(CrowdServer { slug: format!("{slug}-{number}"), key, tools });
            crowd.tools.extend((0..tools).map(|tool| (number, tool)));
        }
        crowd
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tools.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tools.is_empty()
    }

    /// On how many servers.
    #[must_use]
    pub fn servers(&self) -> usize {
        self.servers.len()
    }

    /// A tools/call of the tool with this number; beyond the last, it begins anew. [`crate::message::check`] knows the answer.
    #[must_use]
    pub fn call(&self, number: usize) -> Request<Full<Bytes>> {
        let (server, tool) = self.tools.get(number % self.tools.len().max(1)).copied().unwrap_or_default();
        let (slug, key) = self.name_and_key(server);
        call_request(slug, &tool_name(tool), key)
    }

    /// A tools/list of the server with this number, after `cursor`.
    #[must_use]
    pub fn list(&self, server: usize, cursor: Option<&str>) -> Request<Full<Bytes>> {
        let (slug, key) = self.name_and_key(server);
        list_request_after(slug, key, cursor)
    }

    /// Tools of the server with this number; none if there is no such server.
    #[must_use]
    pub fn tools_of(&self, server: usize) -> usize {
        self.servers.get(server).map_or(0, |server| server.tools)
    }

    fn name_and_key(&self, server: usize) -> (&str, &str) {
        self.servers.get(server).map_or(("", ""), |server| (&server.slug, &server.key))
    }
}

impl CrowdServer {
    async fn deploy(&self, mut customer: Customer) -> Result<(), BenchError> {
        customer.create_server(&self.slug).await?;
        for tool in 0..self.tools {
            let name = tool_name(tool);
            customer.put(&self.slug, &name, &source(&self.slug, &name), json!({})).await?;
        }
        customer.release(&self.slug).await
    }
}

fn tool_name(number: usize) -> String {
    format!("tool_{number}")
}

/// Another text than that of any other tool, in what becomes part of its memory.
fn source(slug: &str, name: &str) -> String {
    ADD.replace("\"add\"", &format!("\"{name}\"")).replace("Adds two numbers", &format!("Adds two numbers for {slug}, as {name}"))
}
