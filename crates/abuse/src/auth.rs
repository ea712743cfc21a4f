//! Tokens, codes, clients, and the pages on which people sign in and decide.

use std::{net::Ipv4Addr, sync::Arc};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bench::person::{CALLBACK, Person, VERIFIER};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use url::{Url, form_urlencoded::Serializer};

use crate::{
    api::{self, Answer, Api},
    case::{Case, Miss, Verdict, must},
    guest::{Code::JavaScript, deploy, usual},
    world::World,
};

const AUTH: &str = "auth";
/// Where somebody guesses from.
const GUESSER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);

/// Somebody with an account, two servers behind tokens, and a token for the first. Made by the first case that needs it.
pub(crate) struct Account {
    person: Mutex<Person>,
    token: String,
    server: String,
    other: String,
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new(AUTH, "a token for server A used on B", "401 with the challenge", another_server),
        Case::new(AUTH, "expired, not yet valid, alg none, wrong key id, wrong issuer", "401 each", forged),
        Case::new(AUTH, "keys that are none", "401 each", bad_keys).quick(),
        Case::new(AUTH, "PKCE downgrade", "an error, and no code", pkce_downgrade),
        Case::new(AUTH, "a wrong verifier", "400, and no token", wrong_verifier),
        Case::new(AUTH, "code replay", "400, and what it gave is ended", code_replay),
        Case::new(AUTH, "refresh replay", "400, and the family is ended", refresh_replay),
        Case::new(AUTH, "redirect mismatch", "a page, and no redirect", redirect_mismatch),
        Case::new(AUTH, "open redirect after signing in", "no other site", open_redirect),
        Case::new(AUTH, "framing of sign-in", "no page can be framed", framing).quick(),
        Case::new(AUTH, "sign-in by a form of another site", "403", cross_site),
        Case::new(AUTH, "login brute force", "429 after some, for the right one as well", brute_force),
        Case::new(AUTH, "guessing keys", "429 after some; a good key behind the same address goes on", guessing),
        // The last that registers anything.
        Case::new(AUTH, "registration flood", "429 after some", registration_flood),
    ]
}

async fn account(world: &World) -> Result<&Account, Miss> {
    let making = || async {
        let tenant = world.tenant(&usual()).await?;
        let server = deploy(world, &tenant, JavaScript("return 1;")).await?;
        let other = deploy(world, &tenant, JavaScript("return 2;")).await?;
        for slug in [&server, &other] {
            let change =
                tenant.api().request(Method::PATCH, &format!("/api/v1/servers/{slug}")).json(&json!({"access": "consent"}));
            api::read(change).await?.expect(200)?;
        }
        let mut person = Person::sign_up(world.server().address).await?;
        let token = person.token(&server).await?;
        let opens = world.nobody().by(&token).call(&server, "attack", &json!({})).await?;
        must(opens.status == 200 && !opens.is_tool_error(), || format!("a good token: answered {}", opens.brief()))?;
        Ok(Account { person: person.into(), token, server, other })
    };
    world.account().get_or_try_init(making).await
}

async fn is_challenged(api: &Api, slug: &str, what: &str) -> Result<(), Miss> {
    let answer = api.call(slug, "attack", &json!({})).await?;
    let challenged = answer.status == 401 && answer.header("www-authenticate").contains("resource_metadata=");
    must(challenged, || format!("{what}: answered {}", answer.brief()))
}

async fn another_server(world: Arc<World>) -> Verdict {
    let account = account(&world).await?;
    let api = world.nobody().by(&account.token);
    is_challenged(&api, &account.other, "the other server").await?;
    let answer = api.get("/api/v1/servers").await?;
    must([401, 403].contains(&answer.status), || format!("the API: answered {}", answer.brief()))?;
    Ok("401".to_owned())
}

/// What a token says is changed; the signature stays, or is left out. Those with a right signature are `app::tokens::forgeries`.
async fn forged(world: Arc<World>) -> Verdict {
    let account = account(&world).await?;
    let mut parts = account.token.split('.');
    let (header, claims, signature) =
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let changed = |part: &str, name: &str, value: Value| -> String {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
        let mut part: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if let Some(members) = part.as_object_mut() {
            members.insert(name.to_owned(), value);
        }
        BASE64_URL_SAFE_NO_PAD.encode(part.to_string())
    };
    let none = changed(header, "alg", json!("none"));
    for (what, token) in [
        ("alg none", format!("{none}.{claims}.")),
        ("alg none with a signature", format!("{none}.{claims}.{signature}")),
        ("alg HS256", format!("{}.{claims}.{signature}", changed(header, "alg", json!("HS256")))),
        ("wrong key id", format!("{}.{claims}.{signature}", changed(header, "kid", json!("another")))),
        ("expired", format!("{header}.{}.{signature}", changed(claims, "exp", json!(1_000_000_000)))),
        ("never expires", format!("{header}.{}.{signature}", changed(claims, "exp", json!(99_999_999_999_u64)))),
        ("not yet valid", format!("{header}.{}.{signature}", changed(claims, "nbf", json!(99_999_999_999_u64)))),
        ("wrong issuer", format!("{header}.{}.{signature}", changed(claims, "iss", json!("https://evil.test")))),
        ("no signature", format!("{header}.{claims}")),
        ("another signature", format!("{header}.{claims}.{}", signature.chars().rev().collect::<String>())),
    ] {
        is_challenged(&world.nobody().by(&token), &account.server, what).await?;
    }
    Ok("401 ten times".to_owned())
}

async fn bad_keys(world: Arc<World>) -> Verdict {
    let tenant = world.tenant(&usual()).await?;
    let slug = deploy(&world, &tenant, JavaScript("return 1;")).await?;
    let good = tenant.api().key();
    let cut = good.get(..good.len() - 1).unwrap_or_default().to_owned();
    for key in [cut, format!("{good}x"), good.to_uppercase(), "x".repeat(5_000), "changeme".to_owned()] {
        is_challenged(&world.nobody().by(&key), &slug, "a key").await?;
    }
    is_challenged(&world.nobody(), &slug, "nobody").await?;
    world.admin().call(&slug, "attack", &json!({})).await?.expect(403)?;
    let query = api::read(world.nobody().mcp(&format!("{slug}?access_token={good}"), "{}".to_owned())).await?;
    must(query.status == 401, || format!("a key in the query: answered {}", query.brief()))?;
    Ok("401 each".to_owned())
}

async fn pkce_downgrade(world: Arc<World>) -> Verdict {
    let account = account(&world).await?;
    let code = account.person.lock().await.code(&account.server).await?;
    for (challenge, method) in [("", ""), ("", "S256"), (VERIFIER, "plain"), (VERIFIER, ""), ("short", "S256")] {
        let request = [
            ("response_type", "code"),
            ("client_id", code.client.as_str()),
            ("redirect_uri", CALLBACK),
            ("resource", code.resource.as_str()),
            ("code_challenge", challenge),
            ("code_challenge_method", method),
        ];
        let query =
            Serializer::new(String::new()).extend_pairs(request.into_iter().filter(|(_, value)| !value.is_empty())).finish();
        let answer = world.nobody().get(&format!("/oauth/authorize?{query}")).await?;
        let location = answer.header("location");
        let refused = location.contains("error=invalid_request") && !location.contains("code=");
        must(refused, || format!("{challenge:?} {method:?}: answered {} {location}", answer.brief()))?;
    }
    Ok("invalid_request, five times".to_owned())
}

async fn wrong_verifier(world: Arc<World>) -> Verdict {
    let account = account(&world).await?;
    let mut person = account.person.lock().await;
    let code = person.code(&account.server).await?;
    for verifier in ["another-verifier-with-as-many-characters-as-there-must-be", ""] {
        let (status, answer) = person.exchange(&code, verifier).await?;
        must(status == 400 && answer.get("access_token").is_none(), || format!("answered {status} {answer}"))?;
    }
    Ok("400".to_owned())
}

async fn code_replay(world: Arc<World>) -> Verdict {
    let account = account(&world).await?;
    let mut person = account.person.lock().await;
    let code = person.code(&account.server).await?;
    let (_, first) = person.exchange(&code, VERIFIER).await?;
    let token = first.get("access_token").and_then(Value::as_str).unwrap_or_default().to_owned();
    let api = world.nobody().by(&token);
    api.call(&account.server, "attack", &json!({})).await?.expect(200)?;
    let (status, again) = person.exchange(&code, VERIFIER).await?;
    must(status == 400 && again["error"] == "invalid_grant", || format!("answered {status} {again}"))?;
    is_challenged(&api, &account.server, "the token that the code had given").await?;
    Ok("400 invalid_grant, and its token is ended".to_owned())
}

async fn refresh_replay(world: Arc<World>) -> Verdict {
    let account = account(&world).await?;
    let mut person = account.person.lock().await;
    let code = person.code(&account.server).await?;
    let mut answer = person.exchange(&code, VERIFIER).await?.1;
    let refresh = |answer: &Value| answer.get("refresh_token").and_then(Value::as_str).unwrap_or_default().to_owned();
    let first = refresh(&answer);
    for _ in 0..2 {
        let (status, next) = person.refresh(&code, &refresh(&answer)).await?;
        must(status == 200, || format!("answered {status} {next}"))?;
        answer = next;
    }
    let (status, replayed) = person.refresh(&code, &first).await?;
    must(status == 400 && replayed["error"] == "invalid_grant", || format!("answered {status} {replayed}"))?;
    let (status, last) = person.refresh(&code, &refresh(&answer)).await?;
    must(status == 400, || format!("the newest token still gives some: {status} {last}"))?;
    Ok("400 invalid_grant, and the family is ended".to_owned())
}

async fn redirect_mismatch(world: Arc<World>) -> Verdict {
    let account = account(&world).await?;
    let code = account.person.lock().await.code(&account.server).await?;
    for address in [
        "https://evil.test/callback",
        "http://127.0.0.1:9/callback/more",
        "http://127.0.0.1:9/Callback",
        "javascript:alert(1)",
        "",
    ] {
        let request = [
            ("response_type", "code"),
            ("client_id", code.client.as_str()),
            ("redirect_uri", address),
            ("resource", code.resource.as_str()),
            ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            ("code_challenge_method", "S256"),
        ];
        let query = Serializer::new(String::new()).extend_pairs(request).finish();
        let answer = world.nobody().get(&format!("/oauth/authorize?{query}")).await?;
        must(answer.status >= 400 && answer.header("location").is_empty(), || format!("{address}: answered {}", answer.brief()))?;
    }
    Ok("a page, and nobody is sent anywhere".to_owned())
}

async fn open_redirect(world: Arc<World>) -> Verdict {
    account(&world).await?;
    for target in ["https://evil.test", "//evil.test", "/\\evil.test", "https:evil.test", "/%09/evil.test", "javascript:alert(1)"]
    {
        let query = Serializer::new(String::new()).append_pair("return_to", target).finish();
        let page = Page::open(&world, &format!("/sign-in?{query}")).await?;
        let right = [("email", "bench@example.com"), ("password", "violet tractor orbit 42"), ("return_to", target)];
        let answer = page.submit(&world, "/sign-in", &right, None).await?;
        let location = answer.header("location");
        // As a browser reads it.
        let base = Url::parse(world.admin().base()).map_err(Miss::new)?;
        let ours = base.join(location).is_ok_and(|url| url.origin() == base.origin());
        must(ours, || format!("{target} leads to {location}"))?;
    }
    Ok("leads to pages of ours alone".to_owned())
}

async fn framing(world: Arc<World>) -> Verdict {
    for path in ["/sign-in", "/sign-up", "/oauth/authorize", "/oauth/consent", "/account"] {
        let answer = world.nobody().get(path).await?;
        let policy = answer.header("content-security-policy");
        must(policy.contains("frame-ancestors 'none'"), || format!("{path}: {} {policy:?}", answer.status))?;
    }
    Ok("frame-ancestors 'none'".to_owned())
}

async fn cross_site(world: Arc<World>) -> Verdict {
    account(&world).await?;
    let page = Page::open(&world, "/sign-in").await?;
    let right = [("email", "bench@example.com"), ("password", "violet tractor orbit 42")];
    let foreign = page.submit(&world, "/sign-in", &right, Some("https://evil.test")).await?;
    must(foreign.status == 403, || format!("a form of another site: answered {}", foreign.brief()))?;
    let without = Page { csrf: String::new(), cookie: page.cookie.clone() }.submit(&world, "/sign-in", &right, None).await?;
    must([400, 403].contains(&without.status), || format!("without the form's token: answered {}", without.brief()))?;
    Ok("403".to_owned())
}

async fn brute_force(world: Arc<World>) -> Verdict {
    account(&world).await?;
    let page = Page::open(&world, "/sign-in").await?;
    for attempt in 0..30 {
        let password = format!("wrong password {attempt}");
        let answer = page.submit(&world, "/sign-in", &[("email", "bench@example.com"), ("password", &password)], None).await?;
        if answer.status == 429 {
            let right = [("email", "bench@example.com"), ("password", "violet tractor orbit 42")];
            let right = page.submit(&world, "/sign-in", &right, None).await?;
            must(right.status == 429, || format!("the right password: answered {}", right.brief()))?;
            must(!answer.header("retry-after").is_empty(), || "it does not say when to come again".to_owned())?;
            return Ok(format!("429 after {attempt} wrong passwords"));
        }
        must([401, 403, 422, 200].contains(&answer.status), || format!("answered {}", answer.brief()))?;
    }
    Err(Miss::new("thirty wrong passwords were tried"))
}

async fn guessing(world: Arc<World>) -> Verdict {
    let tenant = world.tenant(&usual()).await?;
    // Another address: what it fails at would count against all that comes after.
    let (tenant, guesser) = (tenant.api().from(GUESSER)?, world.nobody().from(GUESSER)?);
    tenant.get("/api/v1/servers").await?.expect(200)?;
    for guess in 0..200 {
        let answer = guesser.by(&format!("tw_{guess:043}")).get("/api/v1/servers").await?;
        if answer.status == 429 {
            must(!answer.header("retry-after").is_empty(), || "it does not say when to come again".to_owned())?;
            tenant.get("/api/v1/servers").await?.expect(200)?;
            return Ok(format!("429 after {guess} guesses; a known key goes on"));
        }
        must(answer.status == 401, || format!("answered {}", answer.brief()))?;
    }
    Err(Miss::new("two hundred guesses were looked at"))
}

async fn registration_flood(world: Arc<World>) -> Verdict {
    for number in 0..200 {
        let body =
            json!({"client_name": format!("Flood {number}"), "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"});
        let answer = world.nobody().post("/oauth/register", &body).await?;
        if answer.status == 429 {
            must(!answer.header("retry-after").is_empty(), || "it does not say when to come again".to_owned())?;
            return Ok(format!("429 after {number} clients"));
        }
        must(answer.status == 201, || format!("answered {}", answer.brief()))?;
    }
    Err(Miss::new("two hundred clients were registered"))
}

/// A page with a form.
struct Page {
    csrf: String,
    cookie: String,
}

impl Page {
    async fn open(world: &World, path: &str) -> Result<Self, Miss> {
        let answer = world.nobody().get(path).await?.expect(200)?;
        let csrf = answer.text.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        let cookie = answer.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
        Ok(Self { csrf: csrf.to_owned(), cookie })
    }

    async fn submit(&self, world: &World, path: &str, fields: &[(&str, &str)], origin: Option<&str>) -> Result<Answer, Miss> {
        let body = Serializer::new(String::new()).append_pair("csrf", &self.csrf).extend_pairs(fields).finish();
        let request = world.nobody().request(Method::POST, path).header("cookie", &self.cookie);
        let request = request.header("origin", origin.unwrap_or(world.admin().base()));
        api::read(request.header("content-type", "application/x-www-form-urlencoded").body(body)).await
    }
}
