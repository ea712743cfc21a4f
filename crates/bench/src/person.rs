//! Somebody with a browser, as far as the pages for people need one: for tokens, and for sign-ins.

use std::net::SocketAddr;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use domain::Digest;
use reqwest::{Client, RequestBuilder, Response, redirect::Policy};
use serde_json::{Value, json};
use url::{Url, form_urlencoded::Serializer};

use crate::connection::BenchError;

const EMAIL: &str = "bench@example.com";
const PASSWORD: &str = "violet tractor orbit 42";
/// What the codes of [`Person::code`] are proven with.
pub const VERIFIER: &str = "a-verifier-of-the-benchmark-with-enough-characters";
/// Where codes go. Nobody listens there: the browser does not go.
pub const CALLBACK: &str = "http://127.0.0.1:9/callback";

/// A person who has an account, and their browser.
pub struct Person {
    http: Client,
    base: String,
    cookie: String,
}

/// A code of an authorization, and whose it is.
#[derive(Debug, Clone)]
pub struct Code {
    /// The client that it was given to.
    pub client: String,
    /// The code.
    pub code: String,
    /// The resource that it is for.
    pub resource: String,
}

/// The form by which somebody signs in, as often as one likes.
#[derive(Clone)]
pub struct SignInForm {
    http: Client,
    url: String,
    cookie: String,
    body: String,
}

impl Person {
    /// Signs up.
    pub async fn sign_up(address: SocketAddr) -> Result<Self, BenchError> {
        let http = Client::builder().no_proxy().redirect(Policy::none()).build()?;
        let mut person = Self { http, base: format!("http://{address}"), cookie: String::new() };
        let page = person.get(&format!("{}/sign-up", person.base)).await?.text().await?;
        let csrf = hidden(&page, "csrf")?;
        person.post("/sign-up", &[("csrf", &csrf), ("name", "Bench"), ("email", EMAIL), ("password", PASSWORD)]).await?;
        Ok(person)
    }

    /// Lets a client use the server `slug`; gives its access token.
    pub async fn token(&mut self, slug: &str) -> Result<String, BenchError> {
        let code = self.code(slug).await?;
        member(&self.exchange(&code, VERIFIER).await?.1, "access_token")
    }

    /// Lets a new client use the server `slug`; gives the code that the client got.
    pub async fn code(&mut self, slug: &str) -> Result<Code, BenchError> {
        let resource = format!("{}/mcp/{slug}", self.base);
        let registration = json!({"client_name": "Bench", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"});
        let registered = self.http.post(format!("{}/oauth/register", self.base)).json(&registration).send().await?;
        let client = member(&registered.json().await?, "client_id")?;
        let code = self.allow(&client, &resource).await?;
        Ok(Code { client, code, resource })
    }

    /// Asks for tokens for a code; status and answer.
    pub async fn exchange(&self, code: &Code, verifier: &str) -> Result<(u16, Value), BenchError> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code.code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", verifier),
            ("client_id", &code.client),
            ("resource", &code.resource),
        ];
        self.ask_for_tokens(&form).await
    }

    /// Asks for tokens for a refresh token of that client; status and answer.
    pub async fn refresh(&self, code: &Code, refresh_token: &str) -> Result<(u16, Value), BenchError> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token), ("client_id", code.client.as_str())];
        self.ask_for_tokens(&form).await
    }

    /// The form to sign in with, in a browser that nobody has signed in with.
    pub async fn sign_in_form(&self) -> Result<SignInForm, BenchError> {
        let mut other = Self { http: self.http.clone(), base: self.base.clone(), cookie: String::new() };
        let url = format!("{}/sign-in", self.base);
        let page = other.get(&url).await?.text().await?;
        let fields = [("csrf", hidden(&page, "csrf")?.as_str()), ("email", EMAIL), ("password", PASSWORD)].map(owned);
        let body = Serializer::new(String::new()).extend_pairs(fields).finish();
        Ok(SignInForm { http: other.http, url, cookie: other.cookie, body })
    }

    async fn ask_for_tokens(&self, form: &[(&str, &str)]) -> Result<(u16, Value), BenchError> {
        let answer = with_form(self.http.post(format!("{}/oauth/token", self.base)), form).send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }

    async fn allow(&mut self, client: &str, resource: &str) -> Result<String, BenchError> {
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(Digest::of(VERIFIER.as_bytes()).as_bytes());
        let request = [
            ("response_type", "code"),
            ("client_id", client),
            ("redirect_uri", CALLBACK),
            ("resource", resource),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let url = Url::parse_with_params(&format!("{}/oauth/authorize", self.base), request).map_err(failed)?;
        let begun = self.get(url.as_str()).await?;
        let consent = format!("{}{}", self.base, location(&begun)?);
        let page = self.get(&consent).await?.text().await?;
        let (csrf, request) = (hidden(&page, "csrf")?, hidden(&page, "request")?);
        let decided = self.post("/oauth/consent", &[("csrf", &csrf), ("request", &request), ("decision", "allow")]).await?;
        let back = Url::parse(&location(&decided)?).map_err(failed)?;
        let code = back.query_pairs().find(|(name, _)| name == "code").map(|(_, code)| code.into_owned());
        code.ok_or_else(|| BenchError::Failed(format!("there is no code in {back}")))
    }

    async fn get(&mut self, url: &str) -> Result<Response, BenchError> {
        let answer = self.http.get(url).header("cookie", &self.cookie).send().await?;
        Ok(self.keep_cookie(answer))
    }

    async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Result<Response, BenchError> {
        let request = self.http.post(format!("{}{path}", self.base)).header("cookie", &self.cookie).header("origin", &self.base);
        let answer = with_form(request, form).send().await?;
        Ok(self.keep_cookie(answer))
    }

    /// The newest cookie is enough: that of a form, and then that of the sign-in.
    fn keep_cookie(&mut self, answer: Response) -> Response {
        let mut set = answer.headers().get_all("set-cookie").iter().filter_map(|set| set.to_str().ok()?.split(';').next());
        if let Some(cookie) = set.next_back() {
            cookie.clone_into(&mut self.cookie);
        }
        answer
    }
}

impl SignInForm {
    /// Signs in. Whether somebody was: a node that has no place for one more password says so at once.
    pub async fn send(self) -> Result<bool, BenchError> {
        let origin = self.url.trim_end_matches("/sign-in").to_owned();
        let request = self.http.post(&self.url).header("cookie", self.cookie).header("origin", origin);
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(self.body);
        Ok(request.send().await?.status() == 303)
    }
}

fn with_form(request: RequestBuilder, form: &[(&str, &str)]) -> RequestBuilder {
    let body = Serializer::new(String::new()).extend_pairs(form).finish();
    request.header("content-type", "application/x-www-form-urlencoded").body(body)
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn location(answer: &Response) -> Result<String, BenchError> {
    let location = answer.headers().get("location").and_then(|location| location.to_str().ok());
    location.map(str::to_owned).ok_or_else(|| BenchError::Failed(format!("a page did not lead on: {}", answer.status())))
}

fn hidden(page: &str, name: &str) -> Result<String, BenchError> {
    let start = format!("name=\"{name}\" value=\"");
    let value = page.split(&start).nth(1).and_then(|rest| rest.split('"').next());
    value.map(str::to_owned).ok_or_else(|| BenchError::Failed(format!("a page has no field `{name}`: {page}")))
}

fn member(answer: &Value, name: &str) -> Result<String, BenchError> {
    let value = answer.get(name).and_then(Value::as_str);
    value.map(str::to_owned).ok_or_else(|| BenchError::Failed(format!("there is no `{name}` in {answer}")))
}

fn failed(error: url::ParseError) -> BenchError {
    BenchError::Failed(format!("an address cannot be read: {error}"))
}
