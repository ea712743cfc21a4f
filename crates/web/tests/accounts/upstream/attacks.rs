use app::limits::LimitSettings;
use http::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;
use testkit::{IssuerState, TestOptions, unlimited};

use super::{World, leave};

const BEGIN: &str = "/sign-in/upstream/acme";

fn claims(claims: Value) -> Box<dyn Fn(&mut IssuerState)> {
    Box::new(move |acme| acme.claims = claims.clone())
}

async fn users(pool: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(pool).await.unwrap()
}

/// What an issuer does wrong.
type Trick = Box<dyn Fn(&mut IssuerState)>;

#[sqlx::test(migrations = "../../migrations")]
async fn a_token_that_is_not_right_lets_nobody_in(pool: PgPool) {
    let world = World::open(&pool).await;
    let long_ago = 1_700_000_000;
    let tricks: Vec<(&str, Trick)> = vec![
        ("another nonce", claims(json!({ "nonce": "another" }))),
        ("no nonce", claims(json!({ "nonce": null }))),
        ("for another client", claims(json!({ "aud": "another" }))),
        ("for another client as well", claims(json!({ "aud": ["toolwright", "another"] }))),
        ("by another party", claims(json!({ "azp": "another" }))),
        ("of another issuer", claims(json!({ "iss": world.other.issuer() }))),
        ("expired", claims(json!({ "exp": long_ago + 300 }))),
        ("made long ago", claims(json!({ "iat": long_ago }))),
        ("made in the future", claims(json!({ "iat": 4_000_000_000_i64 }))),
        ("with another access token", claims(json!({ "at_hash": "bm90IHRoaXMgb25l" }))),
        ("about nobody", claims(json!({ "sub": "" }))),
        ("about somebody too long", claims(json!({ "sub": "a".repeat(256) }))),
        ("about somebody whom no database can name", claims(json!({ "sub": "a\u{0}b" }))),
        ("signed with nothing", Box::new(|acme| acme.algorithm = "none")),
        ("signed with the client's secret", Box::new(|acme| acme.algorithm = "HS256")),
        ("signed with a key that it does not show", Box::new(|acme| acme.signing_key = 9)),
    ];

    for (name, trick) in tricks {
        world.acme.change(|acme| {
            *acme = IssuerState::default();
            trick(acme);
        });
        let mut browser = world.doors.browser();
        let answer = world.come_in(&mut browser).await;
        assert!(answer.status.is_client_error() || answer.status.is_server_error(), "{name}: {answer}");
        assert!(browser.token().is_none() && !browser.is_signed_in().await, "{name}");
    }
    assert_eq!(users(&pool).await, 0);
    world.acme.change(|acme| *acme = IssuerState::default());
    assert_eq!(world.come_in(&mut world.doors.browser()).await.status, StatusCode::SEE_OTHER, "and an honest one does");
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_answer_counts_in_the_browser_that_asked_and_once_on_all_nodes(pool: PgPool) {
    let world = World::open(&pool).await;
    world.acme.change(|acme| acme.redeems_again = true);
    let (mut ada, mut eve) = (world.doors.browser(), world.doors.browser());
    let back = world.acme.visit(&leave(&mut eve, BEGIN).await);

    let in_another = ada.get(&back).await;
    assert!(in_another.status == StatusCode::BAD_REQUEST && in_another.text.contains("begun in another browser"), "{in_another}");
    leave(&mut ada, BEGIN).await;
    assert_eq!(ada.get(&back).await.status, StatusCode::BAD_REQUEST, "one that waits for an answer of its own, too");
    assert_eq!(world.acme.asked("/token"), 0, "the issuer is not asked");

    let kept = eve.cookies.clone();
    let mut tampered = eve.clone();
    let changed = back.replace("state=", "state=A");
    assert_eq!(tampered.get(&changed).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(eve.get(&back).await.status, StatusCode::SEE_OTHER);
    let other_node = World::open_doors(&pool, &world.acme, &world.other, |_, _| {}).await;
    for mut again in [world.doors.browser(), other_node.browser()] {
        again.cookies.clone_from(&kept);
        assert_eq!(again.get(&back).await.status, StatusCode::BAD_REQUEST, "a second time");
        assert!(again.token().is_none());
    }
    assert_eq!(world.acme.asked("/token"), 1);
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_answer_counts_for_the_issuer_that_was_asked(pool: PgPool) {
    let world = World::open(&pool).await;
    let mut browser = world.doors.browser();
    let back = world.acme.visit(&leave(&mut browser, BEGIN).await);
    let kept = browser.cookies.clone();

    let mixed_up = browser.get(&back.replace("/acme/", "/other/")).await;
    assert_eq!(mixed_up.status, StatusCode::BAD_REQUEST, "{mixed_up}");
    browser.cookies = kept;
    let in_anothers_name = browser.get(&format!("{back}&iss=http%3A%2F%2Fevil.test")).await;
    assert_eq!(in_anothers_name.status, StatusCode::FORBIDDEN, "{in_anothers_name}");
    assert_eq!((world.acme.asked("/token"), world.other.asked("/token")), (0, 0), "nobody gets the code");

    world.acme.change(|acme| acme.answer_issuer = Some("http://upstream.localhost:1".to_owned()));
    assert_eq!(world.come_in(&mut world.doors.browser()).await.status, StatusCode::FORBIDDEN);
    let issuer = world.acme.issuer();
    world.acme.change(|acme| acme.answer_issuer = Some(issuer));
    assert_eq!(world.come_in(&mut world.doors.browser()).await.status, StatusCode::SEE_OTHER);
    let promising = World::open(&pool).await;
    promising.acme.change(|acme| acme.promises_issuer = true);
    assert_eq!(promising.come_in(&mut promising.doors.browser()).await.status, StatusCode::FORBIDDEN, "it always says who it is");
}

#[sqlx::test(migrations = "../../migrations")]
async fn whoever_signs_in_has_a_new_cookie_and_the_old_one_is_nobodys(pool: PgPool) {
    let world = World::open(&pool).await;
    let mut browser = world.doors.browser();
    browser.sign_up("eve@example.com").await;
    let mut planted = browser.clone();
    let before = browser.token().unwrap().to_owned();

    world.come_in_from(&mut browser, "/sign-in/upstream/acme?again=yes").await;

    assert_ne!(browser.token().unwrap(), before);
    assert!(browser.is_signed_in().await && !planted.is_signed_in().await);
}

#[sqlx::test(migrations = "../../migrations")]
async fn nothing_that_an_issuer_writes_is_shown_and_nobody_is_sent_elsewhere(pool: PgPool) {
    let world = World::open(&pool).await;
    for (error, status) in [
        ("access_denied", StatusCode::FORBIDDEN),
        ("temporarily_unavailable", StatusCode::SERVICE_UNAVAILABLE),
        ("%3Cscript%3E", StatusCode::BAD_GATEWAY),
        ("", StatusCode::BAD_GATEWAY),
    ] {
        let mut browser = world.doors.browser();
        let back = world.acme.visit(&leave(&mut browser, BEGIN).await);
        let state = back.split('&').find(|field| field.starts_with("state=")).unwrap();
        let refused =
            browser.get(&format!("{BEGIN}/callback?{state}&error={error}&error_description=%3Cscript%3Ealert&code=c")).await;
        assert_eq!(refused.status, status, "{error}: {refused}");
        assert!(!refused.text.contains("script"), "{refused}");
    }
    let mut browser = world.doors.browser();
    let back = world.acme.visit(&leave(&mut browser, BEGIN).await).replace("code-", "wrong-");
    let refused = browser.get(&back).await;
    assert!(refused.status == StatusCode::BAD_REQUEST && !refused.text.contains("script"), "{refused}");
    for elsewhere in ["%2F%2Fevil.test", "https%3A%2F%2Fevil.test", "%2F%5Cevil.test"] {
        let answer = world.come_in_from(&mut world.doors.browser(), &format!("{BEGIN}?return_to={elsewhere}")).await;
        assert_eq!(answer.header("location"), "/account", "{elsewhere}");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_page_of_somebody_else_sends_nobody_on_the_way(pool: PgPool) {
    let world = World::open(&pool).await;
    let mut browser = world.doors.browser();
    browser.origin = Some("https://evil.test".to_owned());

    let answer = browser.get("/sign-in/upstream/acme?return_to=%2Faccount%2Faccess").await;

    assert_eq!(answer.header("location"), "/sign-in?return_to=%2Faccount%2Faccess", "{answer}");
    assert!(browser.cookies.is_empty());
}

/// What makes a browser ask the way there or back takes nothing of what its network may sign in.
#[sqlx::test(migrations = "../../migrations")]
async fn a_page_of_somebody_else_uses_up_no_sign_ins_of_the_network(pool: PgPool) {
    let limits = |options: &mut TestOptions| options.limits = LimitSettings { logins_per_minute_max: 2, ..unlimited() };
    let world = World::open_with(&pool, |options, _| limits(options)).await;
    let (mut lured, mut browser) = (world.doors.browser(), world.doors.browser());
    lured.origin = Some("https://evil.test".to_owned());
    let state = "12345678.abcdefgh";

    // More than the rate of either has room for.
    for number in 0..70 {
        assert_eq!(lured.get(BEGIN).await.header("location"), "/sign-in");
        let back = lured.get(&format!("{BEGIN}/callback?state={state}&code={number}")).await;
        assert_eq!(back.status, StatusCode::BAD_REQUEST, "{number}: {back}");
    }

    assert_eq!(world.come_in(&mut browser).await.status, StatusCode::SEE_OTHER);
    assert_eq!(world.doors.browser().get(BEGIN).await.status, StatusCode::TOO_MANY_REQUESTS, "what somebody asks for is counted");
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_issuer_that_says_too_much_or_leads_elsewhere_is_not_listened_to(pool: PgPool) {
    let tricks: Vec<(&str, Trick)> = vec![
        ("a giant document", Box::new(|acme| acme.giant_at = Some("/.well-known/openid-configuration"))),
        ("giant keys", Box::new(|acme| acme.giant_at = Some("/jwks"))),
        ("a giant token", Box::new(|acme| acme.giant_at = Some("/token"))),
        ("another issuer", Box::new(|acme| acme.discovery = json!({ "issuer": "http://upstream.localhost:1" }))),
        ("an open address", Box::new(|acme| acme.discovery = json!({ "authorization_endpoint": "http://example.com/a" }))),
        ("a script", Box::new(|acme| acme.discovery = json!({ "authorization_endpoint": "javascript:alert(1)" }))),
        ("keys on this machine", Box::new(|acme| acme.discovery = json!({ "jwks_uri": "http://127.0.0.1:1/jwks" }))),
        ("tokens in this network", Box::new(|acme| acme.discovery = json!({ "token_endpoint": "https://10.0.0.1/token" }))),
        ("no tokens", Box::new(|acme| acme.discovery = json!({ "token_endpoint": null }))),
    ];
    for (name, trick) in tricks {
        let world = World::open(&pool).await;
        world.acme.change(|acme| trick(acme));
        let mut browser = world.doors.browser();
        let mut answer = browser.get(BEGIN).await;
        if answer.status == StatusCode::SEE_OTHER {
            let back = world.acme.visit(answer.header("location"));
            answer = browser.get(&back).await;
        }
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{name}: {answer}");
        assert!(answer.text.contains("do not understand each other"), "{name}: {answer}");
    }
    assert_eq!(users(&pool).await, 0);
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_access_token_that_no_header_takes_does_no_harm(pool: PgPool) {
    let world = World::open(&pool).await;
    world.acme.change(|acme| {
        acme.claims = json!({ "email": null });
        acme.user_info = Some(json!({ "email": "ada@example.com" }));
        acme.access_token = "a\r\nb: c".to_owned();
    });

    let answer = world.come_in(&mut world.doors.browser()).await;

    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{answer}");
    assert_eq!(world.acme.asked("/userinfo"), 0);
}

#[sqlx::test(migrations = "../../migrations")]
async fn who_is_disabled_does_not_come_in(pool: PgPool) {
    let world = World::open(&pool).await;
    world.come_in(&mut world.doors.browser()).await;
    sqlx::query("UPDATE users SET disabled_at = now()").execute(&pool).await.unwrap();
    let mut browser = world.doors.browser();

    let refused = world.come_in(&mut browser).await;

    assert!(refused.status == StatusCode::FORBIDDEN && refused.text.contains("is disabled"), "{refused}");
    assert!(browser.token().is_none());
}

#[sqlx::test(migrations = "../../migrations")]
async fn one_network_begins_so_many_sign_ins_a_minute(pool: PgPool) {
    let world = World::open(&pool).await;
    let mut browser = world.doors.browser();
    for _ in 0..60 {
        leave(&mut browser, BEGIN).await;
    }

    let refused = browser.get(BEGIN).await;

    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{refused}");
    assert!(!refused.header("retry-after").is_empty());
}
