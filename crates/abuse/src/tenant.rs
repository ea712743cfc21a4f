//! A customer who means harm.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    api::{self, Answer, Api},
    case::{Miss, Verdict, must},
};

/// Records are written in batches; one that is not there after this was never written.
const RECORD_MAX: Duration = Duration::from_secs(5);

/// A customer by its key.
pub(crate) struct Tenant {
    api: Api,
    id: String,
    tier: String,
    limits: Value,
}

impl Tenant {
    pub(crate) const fn new(api: Api, id: String, tier: String, limits: Value) -> Self {
        Self { api, id, tier, limits }
    }

    pub(crate) const fn api(&self) -> &Api {
        &self.api
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn tier(&self) -> &str {
        &self.tier
    }

    /// The value of a limit of its tier.
    pub(crate) fn limit(&self, name: &str) -> u64 {
        self.limits.get(name).and_then(Value::as_u64).unwrap_or_default()
    }

    pub(crate) async fn create_server(&self, slug: &str) -> Result<(), Miss> {
        let body = json!({"slug": slug, "title": "Hostile", "description": ""});
        self.api.post("/api/v1/servers", &body).await?.expect(201).map(drop)
    }

    /// Builds a source; the answer, whatever it is.
    pub(crate) async fn put(&self, slug: &str, name: &str, source: &str, grants: &Value) -> Result<Answer, Miss> {
        let body = json!({"language": "typescript", "source": source, "grants": grants});
        self.api.put(&format!("/api/v1/servers/{slug}/tools/{name}"), &body).await
    }

    /// Uploads a component whose function `run` is to be the tool; the answer, whatever it is.
    pub(crate) async fn upload(&self, slug: &str, name: &str, component: Vec<u8>) -> Result<Answer, Miss> {
        self.send(&format!("/api/v1/servers/{slug}/tools/{name}?export=run"), component).await
    }

    /// Uploads a component that says itself that it is the tool `name`; the answer, whatever it is.
    pub(crate) async fn upload_tool(&self, slug: &str, name: &str, component: Vec<u8>) -> Result<Answer, Miss> {
        self.send(&format!("/api/v1/servers/{slug}/tools/{name}"), component).await
    }

    async fn send(&self, path: &str, component: Vec<u8>) -> Result<Answer, Miss> {
        let request = self.api.request(Method::PUT, path).header("content-type", "application/wasm").body(component);
        api::read(request).await
    }

    /// Checks that a component is refused in words when it is put, and that nothing of it is kept.
    pub(crate) async fn is_refused(&self, slug: &str, component: Vec<u8>) -> Verdict {
        let answer = self.upload(slug, "attack", component).await?;
        self.nothing_was_built(slug, &answer).await
    }

    /// Checks that a build was refused in words, and that nothing of it is kept.
    pub(crate) async fn nothing_was_built(&self, slug: &str, answer: &Answer) -> Verdict {
        let message = answer.at("/message");
        let named = (400..500).contains(&answer.status) && !message.is_empty() && !answer.at("/error_code").is_empty();
        must(named, || format!("answered {}", answer.brief()))?;
        self.api.get(&format!("/api/v1/servers/{slug}/tools/attack")).await?.expect(404)?;
        let reason = answer.at("/details/diagnostics/0/message");
        let words = if reason.is_empty() { message } else { reason };
        Ok(format!("{} {}", answer.status, words).chars().take(57).collect())
    }

    pub(crate) async fn release(&self, slug: &str) -> Result<(), Miss> {
        self.api.post(&format!("/api/v1/servers/{slug}/releases"), &json!({})).await?.expect(201).map(drop)
    }

    /// The record of the newest call that has ended.
    pub(crate) async fn record(&self) -> Result<Value, Miss> {
        let begun = Instant::now();
        while begun.elapsed() < RECORD_MAX {
            let page = self.api.get("/api/v1/executions").await?.expect(200)?.json();
            let newest = page.pointer("/items/0").filter(|record| !record["completed_at"].is_null());
            if let Some(record) = newest {
                return Ok(record.clone());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(Miss::new("the call left no record"))
    }

    /// Checks that the newest call is charged: its record says how it ended and what it used.
    pub(crate) async fn is_charged(&self, status: &str) -> Result<Value, Miss> {
        let record = self.record().await?;
        must(record["status"] == status, || format!("the record says {}, not {status}", record["status"]))?;
        must(record.pointer("/receipt/fuel").and_then(Value::as_u64) > Some(0), || format!("nothing was charged: {record}"))?;
        Ok(record)
    }
}
