//! Inputs that are small and become large: refused, or ended by the limits of the call.

use domain::{LimitName, Outcome};

use crate::free_tier::FreeTier;

#[tokio::test(flavor = "multi_thread")]
async fn xml_that_declares_entities_is_refused() {
    let tier = FreeTier::start();
    let import = r#"import { parse } from "toolwright:xml";"#;

    for document in [
        r#"<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]><a>&c;</a>"#,
        r#"<?xml version="1.0"?><!-- x --><!doctype a SYSTEM "file:///etc/passwd" [ <!ENTITY % p SYSTEM "http://a.test/"> ]><a/>"#,
        "\u{feff} <!DOCTYPE a [<!ELEMENT a ANY>]><a/>",
    ] {
        let message = tier.failure(import, &format!("return parse({document:?});")).await;
        assert!(message.contains("declares types or entities of its own"), "{document}: {message}");
    }
    let plain = r#"return parse("<!DOCTYPE html><a>&unknown;</a>");"#;
    assert_eq!(tier.answer(import, plain).await["a"], "&unknown;");
    tier.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn yaml_whose_aliases_multiply_ends_at_a_limit_of_the_call() {
    let tier = FreeTier::start();

    let invoked = tier
        .invoke(
            r#"import { parse } from "toolwright:yaml";"#,
            r#"const lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"];
            for (let at = 1; at < 10; at++) lines.push(`a${at}: &a${at} [${Array(9).fill(`*a${at - 1}`).join(", ")}]`);
            return parse(lines.join("\n"));"#,
        )
        .await;

    let Outcome::LimitExceeded(limit) = invoked.outcome else { panic!("{:?}", invoked.outcome) };
    assert!(matches!(limit.limit, LimitName::FuelPerCallMax | LimitName::MemoryBytesMax | LimitName::OutputBytesMax), "{limit}");
    tier.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_unpacks_to_more_than_it_may_is_refused() {
    let tier = FreeTier::start();

    let message = tier
        .failure(
            r#"import { unzip, zip } from "toolwright:zip";"#,
            r#"return unzip(zip({ "zeros": new Uint8Array(200_000) }), { bytesMax: 100_000 });"#,
        )
        .await;

    assert_eq!(message, "the archive unpacks to more than 100000 bytes");
    tier.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_nested_without_end_becomes_markdown() {
    let tier = FreeTier::start();

    let answer = tier
        .answer(
            r#"import { toMarkdown, toText } from "toolwright:html";"#,
            r#"const deep = "<div><b>".repeat(1500) + "text" + "</b></div>".repeat(10);
            return [typeof toMarkdown(deep), toMarkdown("<p>first</p>" + deep).slice(0, 5), typeof toText("<b>".repeat(1000))];"#,
        )
        .await;

    assert_eq!(answer, serde_json::json!(["string", "first", "string"]));
    tier.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_module_throws_at_the_top_level_names_the_line_of_the_source() {
    let tier = FreeTier::start();

    let reason = tier
        .refused("import { parse } from \"toolwright:yaml\";\nconst good = 1;\nparse(\"a: [\");", compiler::ModuleBounds::none())
        .await;

    assert_eq!(reason.line, Some(4), "{reason:?}");
    tier.end().await;
}
