//! Each library module does its work inside the real sandbox, within the limits of the smallest tier.
#![expect(clippy::unwrap_used, reason = "what a test's helper cannot do fails the test")]

#[path = "library/bounds.rs"]
mod bounds;
#[path = "library/free_tier.rs"]
mod free_tier;
#[path = "library/hostile.rs"]
mod hostile;

use compiler::{LIBRARY, ModuleBounds};
use serde_json::json;

use free_tier::FreeTier;

#[tokio::test(flavor = "multi_thread")]
async fn csv_is_read_and_written() {
    let tier = FreeTier::start();

    let answer = tier
        .answer(
            r#"import { parse, stringify } from "toolwright:csv";"#,
            r#"return {
                rows: parse('name;note\r\n"Ada";"first; ""the""\nsecond"\r\n'),
                arrays: parse("a,b\n1,2\n", { header: false }),
                text: stringify([{ name: "Ada", note: 'a "b", c' }, { name: "=1+1", note: null }], { escapeFormulas: true }),
            };"#,
        )
        .await;

    assert_eq!(
        answer,
        json!({
            "rows": [{ "name": "Ada", "note": "first; \"the\"\nsecond" }],
            "arrays": [["a", "b"], ["1", "2"]],
            "text": "name,note\nAda,\"a \"\"b\"\", c\"\n\"'=1+1\",",
        })
    );
    tier.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dates_know_zones_across_a_change_of_the_clock() {
    let tier = FreeTier::start();

    let answer = tier
        .answer(
            r#"import moment, { zones, zoneDataVersion } from "toolwright:dates";"#,
            r#"const spring = moment.tz("2026-03-29 01:30", "Europe/Oslo");
            const autumn = moment.tz("2026-10-25 02:30", "Europe/Oslo");
            return {
                hourLater: spring.clone().add(1, "hour").format(),
                dayLater: spring.clone().add(1, "day").format(),
                twice: [autumn.format("z"), autumn.clone().add(1, "hour").format("HH:mm z")],
                newYork: moment.tz("2026-07-01T12:00:00Z", "America/New_York").format("YYYY-MM-DD HH:mm z"),
                later: moment.tz("2045-07-01T12:00:00Z", "Europe/Berlin").format(),
                nepal: moment.tz("2026-01-01T00:00:00Z", "Asia/Kathmandu").format("HH:mm"),
                strict: moment("31.02.2026", "DD.MM.YYYY", true).isValid(),
                lasts: moment.duration(moment("2026-03-01").diff("2026-02-01")).asDays(),
                zones: zones().length > 500 && zones().includes("Pacific/Chatham"),
                version: /^20\d\d[a-z]$/.test(zoneDataVersion),
            };"#,
        )
        .await;

    assert_eq!(
        answer,
        json!({
            "hourLater": "2026-03-29T03:30:00+02:00",
            "dayLater": "2026-03-30T01:30:00+02:00",
            "twice": ["CEST", "02:30 CET"],
            "newYork": "2026-07-01 08:00 EDT",
            "later": "2045-07-01T14:00:00+02:00",
            "nepal": "05:45",
            "strict": false,
            "lasts": 28,
            "zones": true,
            "version": true,
        })
    );
    tier.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn decimals_are_exact() {
    let tier = FreeTier::start();

    let answer = tier
        .answer(
            r#"import { Decimal } from "toolwright:decimal";"#,
            r#"return [
                new Decimal("0.1").plus("0.2").toString(),
                new Decimal("1.005").toDecimalPlaces(2).toString(),
                new Decimal("123456789012345678901234567890").times(3).toFixed(),
                new Decimal("2.5").toDecimalPlaces(0, Decimal.ROUND_HALF_EVEN).toString(),
                new Decimal(1).dividedBy(3).toString(),
            ];"#,
        )
        .await;

    assert_eq!(
        answer,
        json!(["0.3", "1.01", "370370367037037036703703703670", "2", "0.33333333333333333333333333333333333333333333333333"])
    );
    tier.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn diffs_are_made_and_applied() {
    let tier = FreeTier::start();

    let answer = tier
        .answer(
            r#"import { apply, compare, unified } from "toolwright:diff";"#,
            r#"const before = "one\ntwo\nthree\n", after = "one\n2\nthree\n";
            const patch = unified(before, after, { from: "a.txt", to: "b.txt" });
            return { patch, applied: apply(before, patch) === after, words: compare("a cat", "a dog", "words") };"#,
        )
        .await;

    assert!(answer["patch"].as_str().unwrap().ends_with("@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n"), "{answer}");
    assert_eq!(answer["applied"], true);
    assert_eq!(
        answer["words"],
        json!([{ "kind": "same", "text": "a " }, { "kind": "removed", "text": "cat" }, { "kind": "added", "text": "dog" }])
    );
    assert!(
        tier.failure(r#"import { apply } from "toolwright:diff";"#, r#"return apply("x\n", "@@ -1,1 +1,1 @@\n-y\n+z\n");"#)
            .await
            .contains("does not fit")
    );
    tier.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn html_is_queried_and_becomes_text_and_markdown() {
    let tier = FreeTier::start();

    let answer = tier
        .answer(
            r#"import { escape, parse, select, toMarkdown, toText } from "toolwright:html";"#,
            r#"const page = `<!doctype html><html><head><title>T</title><script>alert(1)</script></head><body>
                <nav><a href="/home">Home</a></nav>
                <main><h1>Fish &amp; <em>chips</em></h1><p>Some   <b>bold </b>text, a <a href="/a b?x=1">link</a><br>and *stars*.</p>
                <ul><li>one<ul><li>inner</li></ul></li><li>two</ul>
                <ol start="3"><li>three</li></ol>
                <table><tr><th>A<th>B|C<tr><td>1<td>2</table>
                <pre><code class="language-js">let a = 1;\n  b();</code></pre>
                <blockquote><p>said</p></blockquote><a href="javascript:alert(1)">bad</a><img src="i.png" alt="An image">
                </main></body></html>`;
            const document = parse(page);
            document.selectOne("nav").remove();
            return {
                links: select(page, "main a[href^='/'], nav > a").map((link) => link.attribute("href")),
                title: document.selectOne("title").text,
                cells: select(page, "td:nth-child(2)").map((cell) => cell.text),
                markdown: toMarkdown(document, { baseUrl: "https://example.com/x/" }),
                text: toText("<p>a  b</p><p>c<script>d</script>"),
                escaped: escape("<a href='x'>"),
            };"#,
        )
        .await;

    assert_eq!(answer["links"], json!(["/home", "/a b?x=1"]));
    assert_eq!(answer["title"], "T");
    assert_eq!(answer["cells"], json!(["2"]));
    assert_eq!(
        answer["markdown"],
        "# Fish & _chips_\n\nSome **bold** text, a [link](https://example.com/a%20b?x=1)  \nand \\*stars\\*.\n\n- one\n  - inner\n- two\n\n\
         3. three\n\n| A | B\\|C |\n| --- | --- |\n| 1 | 2 |\n\n```js\nlet a = 1;\n  b();\n```\n\n> said\n\nbad![An image](https://example.com/x/i.png)"
    );
    assert_eq!(answer["text"], "a b\nc");
    assert_eq!(answer["escaped"], "&#60;a href=&#39;x&#39;&#62;");
    tier.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_selected_and_patched_by_path() {
    let tier = FreeTier::start();

    let answer = tier
        .answer(
            r#"import { nodes, patch, pointer, select } from "toolwright:json-path";"#,
            r#"const shop = { orders: [{ id: 7, total: 120 }, { id: 8, total: 80 }] };
            return {
                large: select("$.orders[?@.total > 100].id", shop),
                paths: nodes("$..id", shop).map((node) => node.path),
                one: pointer("/orders/1/id", shop),
                none: pointer("/orders/9", shop) === undefined,
                patched: patch([{ op: "replace", path: "/orders/0/total", value: 1 }], shop).orders[0].total,
                kept: shop.orders[0].total,
            };"#,
        )
        .await;

    assert_eq!(
        answer,
        json!({ "large": [7], "paths": ["$['orders'][0]['id']", "$['orders'][1]['id']"], "one": 8, "none": true, "patched": 1, "kept": 120 })
    );
    tier.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_held_against_json_schemas() {
    let tier = FreeTier::start();

    let answer = tier
        .answer(
            r#"import { validate } from "toolwright:json-schema";"#,
            r##"const schema = {
                $defs: { person: { type: "object", required: ["name"], properties: { name: { type: "string" }, age: { type: "integer", minimum: 0 } } } },
                type: "array", items: { $ref: "#/$defs/person" },
            };
            return [validate(schema, [{ name: "Ada", age: 36 }]), validate(schema, [{ name: "Ada" }, { name: "Bob", age: -1 }])];"##,
        )
        .await;

    assert_eq!(answer[0], json!({ "valid": true, "errors": [] }));
    assert_eq!(answer[1]["valid"], false);
    assert_eq!(answer[1]["errors"].as_array().unwrap().len(), 1, "{answer}");
    assert_eq!((&answer[1]["errors"][0]["path"], &answer[1]["errors"][0]["keyword"]), (&json!("/1/age"), &json!("minimum")));
    tier.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_json_web_token_is_read() {
    let tier = FreeTier::start();

    // RFC 7519, section 3.1.
    let body = r#"return decode("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");"#;
    let answer = tier.answer(r#"import { decode } from "toolwright:jwt";"#, body).await;

    assert_eq!(answer["header"], json!({ "typ": "JWT", "alg": "HS256" }));
    assert_eq!(answer["payload"], json!({ "iss": "joe", "exp": 1_300_819_380, "http://example.com/is_root": true }));
    tier.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn markdown_becomes_html_that_runs_no_code() {
    let tier = FreeTier::start();

    let answer = tier
        .answer(
            r#"import { toHtml, tokens } from "toolwright:markdown";"#,
            r##"return {
                html: toHtml("# A *b*\n\n| x | y |\n|---|---|\n| 1 | ~~2~~ |\n"),
                raw: toHtml("a <script>alert(1)</script> b"),
                links: ["javascript:alert(1)", "JAVA\tSCRIPT:x", "javascript&colon;alert(1)", "javascript&#58;x", "data:text/html,x", "vbscript:x"]
                    .map((url) => toHtml(`[x](<${url}>) ![y](<${url}>)`)).filter((html) => /href|src/.test(html)),
                good: toHtml("[x](https://example.com/?a=1) [y](page.html#top) <mailto:a@b.test>"),
                tokens: tokens('## T\n').map((token) => [token.type, token.depth]).at(0),
            };"##,
        )
        .await;

    assert_eq!(
        answer["html"],
        "<h1>A <em>b</em></h1>\n<table>\n<thead>\n<tr>\n<th>x</th>\n<th>y</th>\n</tr>\n</thead>\n<tbody><tr>\n<td>1</td>\n<td><del>2</del></td>\n</tr>\n</tbody></table>\n"
    );
    assert!(!answer["raw"].as_str().unwrap().contains("<script"), "{answer}");
    assert_eq!(answer["links"], json!([]));
    assert_eq!(answer["good"].as_str().unwrap().matches("href=").count(), 3, "{answer}");
    assert_eq!(answer["tokens"], json!(["heading", 2]));
    tier.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn templates_are_filled_in() {
    let tier = FreeTier::start();

    let answer = tier
        .answer(
            r#"import { render } from "toolwright:template";"#,
            r#"return [
                render("{{#items}}{{name}}: {{> price}}; {{/items}}{{^items}}none{{/items}}", { items: [{ name: "a & b", price: 2 }] }, { partials: { price: "{{price}} EUR" } }),
                render("{{x}}", { x: "<b>" }, { escape: "html" }),
            ];"#,
        )
        .await;

    assert_eq!(answer, json!(["a & b: 2 EUR; ", "&lt;b&gt;"]));
    tier.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn toml_is_read_and_written() {
    let tier = FreeTier::start();

    let answer = tier
        .answer(
            r#"import { parse, stringify } from "toolwright:toml";"#,
            r#"const table = parse('[server]\nport = 8080\nhosts = ["a", "b"]\nsince = 2026-01-02T03:04:05Z\n');
            return { table, text: stringify({ server: { port: 1 } }) };"#,
        )
        .await;

    assert_eq!(answer["table"]["server"]["port"], 8080);
    assert_eq!(answer["table"]["server"]["hosts"], json!(["a", "b"]));
    assert_eq!(answer["table"]["server"]["since"], "2026-01-02T03:04:05.000Z");
    assert_eq!(answer["text"], "[server]\nport = 1\n");
    tier.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn xml_is_read_and_written() {
    let tier = FreeTier::start();

    let answer = tier
        .answer(
            r#"import { parse, stringify } from "toolwright:xml";"#,
            r#"const text = '<?xml version="1.0"?><rss version="2.0"><item id="1">A &lt;b&gt; &#233;</item><item>007</item><x:one><![CDATA[<raw>]]></x:one></rss>';
            const { rss } = parse(text, { arrays: ["x:one"] });
            return { rss, written: stringify({ a: { "@id": "1&2", b: ["x", "<y>"] } }, { indent: 0 }), again: parse(stringify({ rss })).rss.item[1] };"#,
        )
        .await;

    assert_eq!(
        answer["rss"],
        json!({ "@version": "2.0", "item": [{ "#text": "A <b> \u{e9}", "@id": "1" }, "007"], "x:one": ["<raw>"] })
    );
    assert_eq!(answer["written"], "<a id=\"1&amp;2\"><b>x</b><b>&lt;y&gt;</b></a>");
    assert_eq!(answer["again"], "007");
    tier.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn yaml_is_read_and_written() {
    let tier = FreeTier::start();

    let answer = tier
        .answer(
            r#"import { parse, parseAll, stringify } from "toolwright:yaml";"#,
            r#"return {
                value: parse("a: &x [1, no, 0x10, 2026-01-02]\nb: *x\nc: |\n  two\n  lines\n"),
                all: parseAll("1\n---\n2\n"),
                text: stringify({ a: [1, "yes", "no: really"], b: { c: null } }),
            };"#,
        )
        .await;

    assert_eq!(answer["value"]["a"][1], "no", "{answer}");
    assert_eq!(answer["value"]["b"], answer["value"]["a"]);
    assert_eq!(answer["value"]["c"], "two\nlines\n");
    assert_eq!(answer["all"], json!([1, 2]));
    assert_eq!(answer["text"], "a:\n  - 1\n  - 'yes'\n  - 'no: really'\nb:\n  c: null\n");
    tier.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn archives_are_packed_and_unpacked() {
    let tier = FreeTier::start();

    let answer = tier
        .answer(
            r#"import { deflate, gunzip, gzip, inflate, list, unzip, zip } from "toolwright:zip";"#,
            r#"const text = "hello ".repeat(1000), bytes = new TextEncoder().encode(text);
            const archive = zip({ "a.txt": text, "b/c.bin": new Uint8Array([1, 2, 3]) });
            const files = unzip(archive, { names: ["a.txt"] });
            return {
                names: Object.keys(files), same: new TextDecoder().decode(files["a.txt"]) === text, list: list(archive).map(({ name, size }) => [name, size]),
                gzip: new TextDecoder().decode(gunzip(gzip(bytes))) === text, deflate: inflate(deflate(bytes)).length,
            };"#,
        )
        .await;

    assert_eq!(
        answer,
        json!({ "names": ["a.txt"], "same": true, "list": [["a.txt", 6000], ["b/c.bin", 3]], "gzip": true, "deflate": 6000 })
    );
    tier.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_holds_what_its_tool_imports_and_no_more() {
    let tier = FreeTier::start();
    let nothing = tier.build("", "return 1;", ModuleBounds::none()).await.unwrap();
    assert!(nothing.modules.is_empty());

    for module in LIBRARY {
        let built = tier.build(&format!("import \"{}\";", module.specifier()), "return 1;", ModuleBounds::none()).await.unwrap();

        let (added, source) = (built.artifact.len() - nothing.artifact.len(), module.source.len());
        // Bytecode and constants, and what the top level makes: the tables of `zip` are a quarter of a MiB.
        assert!(added < 12 * source + 320 * 1024, "{} adds {added} bytes, its source has {source}", module.name);
        assert!(built.artifact.len() < 1280 * 1024, "{} fills most of the smallest tier's artifact: {added}", module.name);
    }
    tier.end().await;
}
