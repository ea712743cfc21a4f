//! Whoever lets clients in: codes, tokens that are refreshed, revocations.

use reqwest::Response;
use serde_json::{Value, json};

use super::{
    chance::Chance,
    deploys::text,
    world::{Gone, STEADY, Worker, World},
};
use crate::browser::{self, Browser, CALLBACK, VERIFIER};

/// Clients that have been let in at one time.
const LIVING_MAX: usize = 4;

/// A person who lets clients in, and these clients.
pub(super) struct Grants {
    browser: Browser,
    http: reqwest::Client,
    chance: Chance,
    living: Vec<Grant>,
    revoked: Vec<Grant>,
    /// The client that refreshes. If it does not get the answer, it asks again before anything else is done, as clients do.
    interrupted: Option<Grant>,
    refreshed: usize,
}

/// What one client was given.
#[derive(Debug)]
struct Grant {
    client_id: String,
    access: String,
    refresh: String,
    /// The refresh tokens before that one.
    spent: Vec<String>,
}

impl Grants {
    pub(super) fn new(browser: Browser, chance: Chance) -> Self {
        let http = browser::client();
        Self { browser, http, chance, living: Vec::new(), revoked: Vec::new(), interrupted: None, refreshed: 0 }
    }

    pub(super) const fn refreshed(&self) -> usize {
        self.refreshed
    }

    pub(super) const fn revoked(&self) -> usize {
        self.revoked.len()
    }

    /// What was given is good, what was revoked is not, and what was replaced long ago ends what came of it.
    pub(super) async fn check(&mut self, world: &World) {
        for mut grant in self.interrupted.take().into_iter().chain(std::mem::take(&mut self.living)) {
            self.use_token(world, &grant).await.expect("the program is up");
            self.rotate(&mut grant).await.expect("the program is up");
            self.use_token(world, &grant).await.expect("the program is up");
            if let Some(old) = grant.spent.iter().rev().nth(1).cloned() {
                let (status, body) = self.refresh(&grant.client_id, &old).await.expect("the program is up");
                assert_eq!((status, &body["error"]), (400, &json!("invalid_grant")), "a refresh token was good again");
                let (status, body) = self.refresh(&grant.client_id, &grant.refresh).await.expect("the program is up");
                assert_eq!(status, 400, "a refresh token came back, and its family lives on: {body}");
            }
        }
        for grant in &self.revoked {
            let (status, body) = self.refresh(&grant.client_id, &grant.refresh).await.expect("the program is up");
            assert_eq!(status, 400, "what was revoked is refreshed: {body}");
            refused(world, grant).await.expect("the program is up");
        }
    }

    async fn begin(&mut self, world: &World) -> Result<(), Gone> {
        let metadata = json!({"client_name": "Client", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"});
        let registered = self.http.post(self.browser.url("/oauth/register")).json(&metadata).send().await;
        let registered = self.noted(world, "register_client", registered).await?;
        let client_id = text(&registered["client_id"]);
        let (endpoint, resource) = (self.browser.url("/oauth/authorize"), self.browser.url(&format!("/mcp/{STEADY}")));
        let allowed = self.browser.try_allow(&endpoint, &client_id, &resource).await.map_err(|_| Gone)?;
        world.ledger.changed(&allowed.request_id, "give_consent");
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &allowed.code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
            ("client_id", &client_id),
            ("resource", &resource),
        ];
        let tokens = browser::try_post(&self.http, &self.browser.url("/oauth/token"), &form).await;
        let tokens = self.noted(world, "make_authorization", tokens).await?;
        let (access, refresh) = (text(&tokens["access_token"]), text(&tokens["refresh_token"]));
        self.living.push(Grant { client_id, access, refresh, spent: Vec::new() });
        Ok(())
    }

    /// What was answered, which is noted as a change.
    async fn noted(&self, world: &World, operation: &'static str, answer: reqwest::Result<Response>) -> Result<Value, Gone> {
        let answer = answer.map_err(|_| Gone)?;
        let (status, request_id) = (answer.status().as_u16(), answer.headers()["x-request-id"].to_str().unwrap().to_owned());
        if matches!(status, 408 | 429 | 503) {
            return Err(Gone);
        }
        let body = answer.bytes().await.map_err(|_| Gone)?;
        assert!((200..300).contains(&status), "{operation} was refused: {status} {}", String::from_utf8_lossy(&body));
        world.ledger.changed(&request_id, operation);
        Ok(serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn use_token(&self, world: &World, grant: &Grant) -> Result<(), Gone> {
        world.add(&world.api(&grant.access), STEADY, 3).await
    }

    /// Refreshes what is to be refreshed.
    async fn go_on(&mut self) -> Result<(), Gone> {
        let Some(mut grant) = self.interrupted.take() else { return Ok(()) };
        let rotated = self.rotate(&mut grant).await;
        if rotated.is_ok() {
            self.living.push(grant);
        } else {
            self.interrupted = Some(grant);
        }
        rotated
    }

    async fn rotate(&mut self, grant: &mut Grant) -> Result<(), Gone> {
        let (status, tokens) = self.refresh(&grant.client_id, &grant.refresh).await?;
        assert_eq!(status, 200, "a refresh token that was acknowledged is not good: {tokens}, after {}", grant.spent.len());
        grant.access = text(&tokens["access_token"]);
        grant.spent.push(std::mem::replace(&mut grant.refresh, text(&tokens["refresh_token"])));
        self.refreshed += 1;
        Ok(())
    }

    async fn refresh(&self, client_id: &str, token: &str) -> Result<(u16, Value), Gone> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", client_id)];
        let answer = browser::try_post(&self.http, &self.browser.url("/oauth/token"), &form).await.map_err(|_| Gone)?;
        let status = answer.status().as_u16();
        if matches!(status, 408 | 429 | 503) {
            return Err(Gone);
        }
        Ok((status, answer.json().await.map_err(|_| Gone)?))
    }

    /// Of one that the program went away under, nothing is known.
    async fn revoke(&mut self, world: &World, grant: Grant) -> Result<(), Gone> {
        let form = [("token", grant.refresh.as_str()), ("client_id", grant.client_id.as_str())];
        let answer = browser::try_post(&self.http, &self.browser.url("/oauth/revoke"), &form).await;
        self.noted(world, "revoke_authorization", answer).await?;
        self.revoked.push(grant);
        Ok(())
    }
}

impl Worker for Grants {
    async fn step(&mut self, world: &World) -> Result<(), Gone> {
        self.go_on().await?;
        if self.living.len() < LIVING_MAX {
            return self.begin(world).await;
        }
        let grant = self.living.swap_remove(self.chance.index(self.living.len()));
        match self.chance.within(0..5) {
            0 if !grant.spent.is_empty() => self.revoke(world, grant).await,
            1..3 => {
                let used = self.use_token(world, &grant).await;
                self.living.push(grant);
                used
            }
            _ => {
                self.interrupted = Some(grant);
                self.go_on().await
            }
        }
    }

    async fn look(&mut self, world: &World) -> Result<(), Gone> {
        self.go_on().await?;
        if let Some(grant) = self.living.last() {
            self.use_token(world, grant).await?;
        }
        match self.revoked.last() {
            Some(grant) => refused(world, grant).await,
            None => Ok(()),
        }
    }
}

async fn refused(world: &World, grant: &Grant) -> Result<(), Gone> {
    let call = world.api(&grant.access).call(STEADY, "add", json!({"n": 1})).await.map_err(|_| Gone)?;
    assert!(matches!(call.status, 401 | 408 | 429 | 503), "a revoked token is good: {call:?}");
    if call.status == 401 { Ok(()) } else { Err(Gone) }
}
