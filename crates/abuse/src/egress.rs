//! The way out, past its guards.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    api::Answer,
    case::{Case, Miss, Verdict, must},
    guest::{self, End::Limit, source},
    tenant::Tenant,
    world::World,
};

const EGRESS: &str = "egress";
const NOBODY: &str = "refused in words; nothing is connected to";

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new(EGRESS, "decimal, octal, hex, short addresses", NOBODY, |world| {
            unreached(world, &["2130706433", "0177.0.0.1", "0x7f.0.0.1", "0x7f000001", "127.1", "127.0.0.1", "0"])
        })
        .quick(),
        Case::new(EGRESS, "IPv6, and IPv4 inside it", NOBODY, |world| {
            unreached(
                world,
                &["[::]", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fe80::1]", "[fd00::1]"],
            )
        }),
        Case::new(EGRESS, "private, CGNAT, link-local, metadata, multicast", NOBODY, |world| {
            unreached(
                world,
                &["10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "169.254.169.254", "224.0.0.1", "255.255.255.255"],
            )
        }),
        Case::new(EGRESS, "userinfo, IDN, trailing dot", NOBODY, |world| {
            unreached(
                world,
                &[
                    "upstream.localhost@127.0.0.1",
                    "upstream.localhost%40127.0.0.1",
                    "127。0。0。1",
                    "①②⑦.0.0.1",
                    "canary.localhost.",
                    "127.0.0.1.",
                ],
            )
        }),
        Case::new(EGRESS, "a granted name that resolves to loopback", NOBODY, |world| unreached(world, &["canary.localhost"]))
            .quick(),
        Case::new(EGRESS, "grants of special addresses", "422, in words", special_grants),
        Case::new(EGRESS, "redirects to private addresses", NOBODY, redirects),
        Case::new(EGRESS, "other schemes, by URL and by redirect", NOBODY, schemes),
        Case::new(EGRESS, "the platform's own port", NOBODY, own_port),
        limit("slow upstream body", "/slow", &["wall_ms_max"]),
        limit("an upstream that never answers", "/silent", &["wall_ms_max"]),
        limit("endless upstream body", "/endless", &["egress_bytes_max", "memory_bytes_max", "wall_ms_max"]),
        limit("compressed bomb", "/bomb", &["egress_bytes_max", "memory_bytes_max"]).quick(),
        Case::new(EGRESS, "an upstream with a flood of headers", "an error that the tool can catch", |world| async move {
            let (_, answer) = ask(&world, &tries(&[url(&world, "/headers")])).await?;
            all_failed(&answer, 1)
        }),
        Case::new(EGRESS, "a request with a flood of headers", "an error that the tool can catch", request_headers),
        Case::new(EGRESS, "credentials over a redirect to another host", "they do not go along", credentials),
        Case::new(EGRESS, "header injection", "an error that the tool can catch", injection),
    ]
}

/// A case in which a tool reads all of what `path` answers.
fn limit(name: &'static str, path: &'static str, limits: &'static [&'static str]) -> Case {
    Case::new(EGRESS, name, "a limit, named; charged", move |world| async move {
        let body = format!(r#"const answer = await fetch("{}"); return (await answer.text()).length;"#, url(&world, path));
        let (tenant, answer) = ask(&world, &body).await?;
        let told = guest::check(&tenant, &answer, Limit(limits))?;
        let record = tenant.is_charged("limit_exceeded").await?;
        must(record.pointer("/receipt/host_calls").and_then(Value::as_u64) > Some(0), || format!("not counted: {record}"))?;
        Ok(told)
    })
}

fn url(world: &World, path: &str) -> String {
    format!("http://upstream.localhost:{}{path}", world.upstream().port())
}

/// The body of a tool that tries each of these, and tells the status or what was thrown.
fn tries(urls: &[String]) -> String {
    let urls = json!(urls);
    format!(
        r"const all = [];
      for (const url of {urls}) {{
        try {{ all.push((await fetch(url)).status); }} catch (error) {{ all.push(String(error.message)); }}
      }}
      return {{ all }};"
    )
}

/// Deploys a tool that is granted the upstream and the canary, and calls it.
async fn ask(world: &World, body: &str) -> Result<(Tenant, Answer), Miss> {
    let tenant = world.tenant(&json!({"wall_ms_max": 2_000, "fuel_per_call_max": 20_000_000_000_u64, "granted_hosts_max": 10, "host_calls_max": 200})).await?;
    let slug = world.name();
    tenant.create_server(&slug).await?;
    let host = |host: &str, port: u16| json!({"scheme": "http", "host": host, "port": port});
    let grants = json!({"hosts": [
        host("upstream.localhost", world.upstream().port()), host("other.localhost", world.other().port()),
        host("canary.localhost", world.canary().port()),
        host("canary.localhost", world.server().address.port()),
    ]});
    tenant.put(&slug, "attack", &source(body), &grants).await?.expect(201)?;
    tenant.release(&slug).await?;
    let answer = tenant.api().call(&slug, "attack", &json!({})).await?;
    Ok((tenant, answer))
}

/// Checks that each of `count` requests failed in the tool; the first reason.
fn all_failed(answer: &Answer, count: usize) -> Verdict {
    let results = answer.json().pointer("/result/structuredContent/all").and_then(Value::as_array).cloned().unwrap_or_default();
    must(results.len() == count, || format!("answered {}", answer.brief()))?;
    let open = results.iter().find(|result| !result.is_string());
    must(open.is_none(), || format!("a request was answered: {results:?}"))?;
    Ok(results.first().and_then(Value::as_str).unwrap_or_default().chars().take(57).collect())
}

/// Hosts by which the canary is reached if a guard fails.
async fn unreached(world: Arc<World>, hosts: &'static [&'static str]) -> Verdict {
    let port = world.canary().port();
    let urls: Vec<_> = hosts.iter().map(|host| format!("http://{host}:{port}/")).collect();
    let (tenant, answer) = ask(&world, &tries(&urls)).await?;
    let told = all_failed(&answer, urls.len())?;
    tenant.is_charged("success").await?;
    world.canary_is_untouched()?;
    Ok(told)
}

async fn special_grants(world: Arc<World>) -> Verdict {
    let tenant = world.tenant(&json!({})).await?;
    let slug = world.name();
    tenant.create_server(&slug).await?;
    for host in
        ["127.0.0.1", "169.254.169.254", "[::1]", "2130706433", "0x7f.1", "*", "*.*", "a..b", "-", "evil.test/path", "a@b"]
    {
        let grants = json!({"hosts": [{"scheme": "http", "host": host, "port": 80}]});
        let answer = tenant.put(&slug, "attack", &source("return 1;"), &grants).await?;
        must([400, 422].contains(&answer.status), || format!("{host}: answered {}", answer.brief()))?;
    }
    Ok("refused when they are put".to_owned())
}

async fn redirects(world: Arc<World>) -> Verdict {
    let port = world.canary().port();
    let targets = ["127.0.0.1", "[::ffff:127.0.0.1]", "canary.localhost", "2130706433", "localhost"];
    let urls: Vec<_> = targets.iter().map(|host| url(&world, &format!("/redirect?to=http://{host}:{port}/"))).collect();
    let (_, answer) = ask(&world, &tries(&urls)).await?;
    let told = all_failed(&answer, urls.len())?;
    world.canary_is_untouched()?;
    Ok(told)
}

async fn schemes(world: Arc<World>) -> Verdict {
    let schemes =
        ["file:///etc/passwd", "ftp://canary.localhost/", "gopher://canary.localhost/", "data:text/plain,x", "javascript:1"];
    let urls = schemes.iter().map(|target| (*target).to_owned());
    let urls: Vec<_> = urls.chain(schemes.iter().map(|target| url(&world, &format!("/redirect?to={target}")))).collect();
    let (_, answer) = ask(&world, &tries(&urls)).await?;
    all_failed(&answer, urls.len())
}

async fn own_port(world: Arc<World>) -> Verdict {
    let port = world.server().address.port();
    let urls = [format!("http://localhost:{port}/health/live"), format!("http://canary.localhost:{port}/admin/v1/customers")];
    let (_, answer) = ask(&world, &tries(&urls)).await?;
    all_failed(&answer, urls.len())
}

async fn request_headers(world: Arc<World>) -> Verdict {
    let body = format!(
        r#"const headers = {{}}; for (let n = 0; n < 10_000; n++) headers[`x-${{n}}`] = "y".repeat(1000);
        const all = []; try {{ all.push((await fetch("{}", {{ headers }})).status); }} catch (error) {{ all.push(String(error.message)); }}
        return {{ all }};"#,
        url(&world, "/")
    );
    let (_, answer) = ask(&world, &body).await?;
    all_failed(&answer, 1)
}

async fn credentials(world: Arc<World>) -> Verdict {
    let target = format!("http://other.localhost:{}/", world.other().port());
    let body = format!(
        r#"const answer = await fetch("{}", {{ headers: {{ authorization: "Bearer carried-over", cookie: "a=carried-over" }} }});
        return {{ text: await answer.text() }};"#,
        url(&world, &format!("/redirect?to={target}"))
    );
    let (_, answer) = ask(&world, &body).await?;
    must(!answer.is_tool_error() && answer.status == 200, || format!("answered {}", answer.brief()))?;
    let heads = world.other().heads();
    let carried = heads.iter().any(|head| head.contains("carried-over"));
    must(!heads.is_empty() && !carried, || format!("the other host was told: {heads:?}"))?;
    Ok("followed without them".to_owned())
}

async fn injection(world: Arc<World>) -> Verdict {
    let body = format!(
        r#"const all = [];
        for (const value of ["a\r\nx-forged: 1", "a\nx-forged: 1", "a\u0000"]) {{
          try {{ all.push((await fetch("{}", {{ headers: {{ "x-value": value }} }})).status); }} catch (error) {{ all.push(String(error.message)); }}
        }}
        return {{ all }};"#,
        url(&world, "/")
    );
    let (_, answer) = ask(&world, &body).await?;
    let told = all_failed(&answer, 3)?;
    must(world.upstream().heads().iter().all(|head| !head.contains("x-forged")), || "a header was forged".to_owned())?;
    Ok(told)
}
