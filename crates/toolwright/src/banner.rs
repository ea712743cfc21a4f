//! What a person at a terminal is told when the platform is ready.

use std::{fmt::Write as _, path::Path};

use url::Url;

use crate::examples::Examples;

/// The text for the local profile: where everything is, and a call to paste. Keys are named by their files, so that none ends up in a log or
/// in a shell's history.
pub(crate) fn text(public_url: &Url, admin_key_file: Option<&Path>, examples: Option<&Examples>) -> String {
    let base = public_url.as_str().trim_end_matches('/');
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {name:<16}{value}");
    };
    line("web", &format!("{base}/"));
    line("REST API", &format!("{base}/api/v1   described at {base}/api/v1/openapi.json"));
    line("admin API", &format!("{base}/admin/v1"));
    if let Some(path) = admin_key_file {
        line("admin key", &path.display().to_string());
    }
    if let Some(examples) = examples {
        line("example server", &examples.url);
        line("its API key", &examples.key_file.display().to_string());
    }
    let call = examples.map(call).unwrap_or_default();
    format!("\nToolwright is ready.\n\n{text}{call}\n")
}

fn call(examples: &Examples) -> String {
    let (url, key_file) = (&examples.url, quoted(&examples.key_file.display().to_string()));
    format!(
        r#"
Call a tool (paste this into another terminal):

curl -s {url} \
  -H "Authorization: Bearer $(cat {key_file})" \
  -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \
  -d '{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"iban_check","arguments":{{"iban":"GB82 WEST 1234 5698 7654 32"}}}}}}'
"#
    )
}

/// A path as a shell reads it, also with spaces and quotes in it.
fn quoted(path: &str) -> String {
    format!("'{}'", path.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_is_safe_to_paste_whatever_the_path() {
        let examples = Examples { url: "http://127.0.0.1:1/mcp/examples".to_owned(), key_file: "/it's here/key".into() };

        let text = text(&"http://127.0.0.1:1".parse().unwrap(), None, Some(&examples));

        assert!(text.contains(r"$(cat '/it'\''s here/key')"), "{text}");
        assert!(text.contains("curl -s http://127.0.0.1:1/mcp/examples"), "{text}");
    }
}
