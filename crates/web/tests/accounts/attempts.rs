use std::net::IpAddr;

use http::StatusCode;
use sqlx::PgPool;

use super::browser::{PASSWORD, csrf};
use crate::client::Doors;

#[sqlx::test(migrations = "../../migrations")]
async fn after_some_wrong_passwords_not_even_the_right_one_is_tried(pool: PgPool) {
    let doors = Doors::open(pool).await;
    doors.browser().sign_up("ada@example.com").await;
    for email in ["ada@example.com", "nobody@example.com"] {
        let mut browser = doors.browser();
        let page = csrf(&browser.get("/sign-in").await);
        let wrong = [("csrf", page.as_str()), ("email", email), ("password", "another password")];
        for _ in 0..5 {
            assert_eq!(browser.post("/sign-in", &wrong).await.status, StatusCode::UNPROCESSABLE_ENTITY);
        }

        let refused = browser.post("/sign-in", &[("csrf", &page), ("email", email), ("password", PASSWORD)]).await;

        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{email}: {refused}");
        assert!((1..=2).contains(&refused.header("retry-after").parse::<u32>().unwrap()));
        assert!(refused.text.contains("Too many attempts"), "{refused}");
    }
    let mut elsewhere = doors.browser();
    elsewhere.address = IpAddr::from([198, 51, 100, 7]);
    assert_eq!(elsewhere.sign_in("ada@example.com", PASSWORD).await.status, StatusCode::SEE_OTHER, "she is not locked out");
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_address_that_tries_one_account_after_the_other_has_to_wait(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mut browser = doors.browser();
    let page = csrf(&browser.get("/sign-in").await);
    let mut statuses = Vec::new();
    for index in 0..31 {
        let email = format!("somebody{index}@example.com");
        statuses.push(browser.post("/sign-in", &[("csrf", &page), ("email", &email), ("password", PASSWORD)]).await.status);
    }

    assert!(statuses[..30].iter().all(|status| *status == StatusCode::UNPROCESSABLE_ENTITY), "{statuses:?}");
    assert_eq!(statuses[30], StatusCode::TOO_MANY_REQUESTS);
    let up = [("name", "Ada"), ("email", "ada@example.com"), ("password", PASSWORD)];
    assert_eq!(browser.fill("/sign-up", "/sign-up", &up).await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[sqlx::test(migrations = "../../migrations")]
async fn passwords_guessed_at_one_time_count_one_by_one(pool: PgPool) {
    let doors = Doors::open(pool).await;
    doors.browser().sign_up("ada@example.com").await;
    let mut browser = doors.browser();
    let page = csrf(&browser.get("/sign-in").await);
    let guesses: Vec<_> = (0..20)
        .map(|_| {
            let (mut browser, page) = (browser.clone(), page.clone());
            tokio::spawn(async move {
                let fields = [("csrf", page.as_str()), ("email", "ada@example.com"), ("password", "another password")];
                browser.post("/sign-in", &fields).await.status
            })
        })
        .collect();

    let mut tried = 0;
    for guess in guesses {
        tried += u32::from(guess.await.unwrap() == StatusCode::UNPROCESSABLE_ENTITY);
    }

    assert_eq!(tried, 5);
}
