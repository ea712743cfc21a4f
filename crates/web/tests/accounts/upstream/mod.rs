//! Signing in by an issuer elsewhere, and what others try on the way.

mod attacks;
mod connecting;
mod freshness;
mod ways;

use app::accounts::upstream::UpstreamSettings;
use http::StatusCode;
use sqlx::PgPool;
use testkit::{TestIssuer, TestOptions};

use super::browser::Browser;
use crate::client::{Answer, Doors};

/// An installation where people sign in by `acme`, and by `other`.
struct World {
    doors: Doors,
    acme: TestIssuer,
    other: TestIssuer,
}

impl World {
    async fn open(pool: &PgPool) -> Self {
        Self::open_with(pool, |_, _| {}).await
    }

    /// The same, with what `change` does to what the operator says.
    async fn open_with(pool: &PgPool, change: impl FnOnce(&mut TestOptions, &mut UpstreamSettings)) -> Self {
        let (acme, other) = (TestIssuer::start().await, TestIssuer::start().await);
        let doors = Self::open_doors(pool, &acme, &other, change).await;
        Self { doors, acme, other }
    }

    async fn open_doors(
        pool: &PgPool,
        acme: &TestIssuer,
        other: &TestIssuer,
        change: impl FnOnce(&mut TestOptions, &mut UpstreamSettings),
    ) -> Doors {
        let mut options = TestOptions { egress: TestIssuer::egress(&[acme, other]), ..TestOptions::default() };
        let mut settings = acme.settings("acme");
        change(&mut options, &mut settings);
        options.upstreams = vec![settings, other.settings("other")];
        Doors::open_with(pool, options).await
    }

    /// Lets a browser go to acme from `path` and come back.
    async fn come_in_from(&self, browser: &mut Browser, path: &str) -> Answer {
        let back = self.acme.visit(&leave(browser, path).await);
        browser.get(&back).await
    }

    async fn come_in(&self, browser: &mut Browser) -> Answer {
        self.come_in_from(browser, "/sign-in/upstream/acme").await
    }
}

/// Where a browser is sent to that goes to `path`.
async fn leave(browser: &mut Browser, path: &str) -> String {
    let answer = browser.get(path).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer}");
    answer.header("location").to_owned()
}

/// Who is signed in, by id.
async fn user_id(browser: &mut Browser) -> String {
    browser.fetch("GET", "/api/v1/account", None).await.json()["user_id"].as_str().unwrap().to_owned()
}

/// The accounts elsewhere of whoever is signed in.
async fn identities(browser: &mut Browser) -> Vec<serde_json::Value> {
    browser.fetch("GET", "/api/v1/account/identities", None).await.json()["items"].as_array().unwrap().clone()
}
