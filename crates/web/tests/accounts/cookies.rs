use http::{StatusCode, header};
use sqlx::PgPool;
use testkit::TestOptions;
use web::CookieForm;

use super::browser::PASSWORD;
use crate::client::{Answer, Doors};

fn set_cookies(answer: &Answer) -> Vec<String> {
    let cookies = answer.headers.get_all(header::SET_COOKIE).iter().map(|cookie| cookie.to_str().unwrap());
    cookies
        .map(|cookie| {
            cookie
                .split_once('=')
                .map_or(cookie.to_owned(), |(name, rest)| format!("{name}; {}", rest.split_once("; ").unwrap().1))
        })
        .collect()
}

#[sqlx::test(migrations = "../../migrations")]
async fn on_plain_http_the_cookies_are_kept_from_scripts_and_other_sites(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mut browser = doors.browser();

    assert_eq!(set_cookies(&browser.get("/sign-up").await), ["toolwright-form; HttpOnly; SameSite=Lax; Path=/"]);
    assert_eq!(set_cookies(&browser.get("/sign-up").await), [""; 0], "it has one");
    let signed_up = browser.sign_up("ada@example.com").await;
    assert_eq!(set_cookies(&signed_up), ["toolwright; HttpOnly; SameSite=Lax; Path=/; Max-Age=7776000"]);
    let signed_out = browser.fill("/account", "/sign-out", &[]).await;
    assert_eq!(set_cookies(&signed_out), ["toolwright; HttpOnly; SameSite=Lax; Path=/; Max-Age=0"]);
}

#[sqlx::test(migrations = "../../migrations")]
async fn over_https_they_are_bound_to_the_host_as_well(pool: PgPool) {
    let doors = Doors::open_changed(&pool, TestOptions::default(), |settings| {
        settings.cookies = CookieForm::Secure;
        settings.public_url = "https://tools.example.com".parse().unwrap();
    })
    .await;
    let mut browser = doors.browser();
    browser.host = "tools.example.com".to_owned();
    browser.origin = Some("https://tools.example.com".to_owned());

    assert_eq!(set_cookies(&browser.get("/sign-up").await), ["__Host-toolwright-form; HttpOnly; SameSite=Lax; Secure; Path=/"]);
    let fields = [("name", "Ada"), ("email", "ada@example.com"), ("password", PASSWORD)];
    let signed_up = browser.fill("/sign-up", "/sign-up", &fields).await;
    assert_eq!(set_cookies(&signed_up), ["__Host-toolwright; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=7776000"]);
    assert_eq!(browser.get("/account").await.status, StatusCode::OK);
    let token = browser.cookies.remove("__Host-toolwright").unwrap();
    browser.cookies.insert("toolwright".to_owned(), token);
    assert_eq!(browser.get("/account").await.status, StatusCode::SEE_OTHER, "one without the prefix may come from anywhere");
}
