//! `URL` and `URLSearchParams` against the examples of the standard and of its test suite.

use serde_json::{Value, json};

use super::machine::evaluate;

/// What `new URL(input, base).href` gives; `null` where it throws.
fn hrefs(pairs: &[(&str, Option<&str>, Option<&str>)]) {
    let inputs: Vec<Value> = pairs.iter().map(|(input, base, _)| json!([input, base])).collect();
    let found = evaluate(&format!(
        "return {}.map(([input, base]) => {{ try {{ return new URL(input, base ?? undefined).href; }} catch (e) {{ return e.name === 'TypeError' ? null : String(e); }} }});",
        Value::Array(inputs)
    ));
    let wrong: Vec<String> = pairs
        .iter()
        .zip(found.as_array().unwrap())
        .filter(|((_, _, expected), found)| json!(expected) != **found)
        .map(|((input, base, expected), found)| format!("{input:?} with {base:?} is {found} and not {expected:?}"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn absolute(pairs: &[(&str, Option<&str>)]) {
    hrefs(&pairs.iter().map(|(input, expected)| (*input, None, *expected)).collect::<Vec<_>>());
}

#[test]
fn absolute_urls() {
    absolute(&[
        ("https://example.com", Some("https://example.com/")),
        ("  HTTPS://EXAMPLE.com:443/a b?c d#e f \n", Some("https://example.com/a%20b?c%20d#e%20f")),
        ("http://example.com:80/", Some("http://example.com/")),
        ("http://example.com:0/", Some("http://example.com:0/")),
        ("http://example.com:00000080", Some("http://example.com/")),
        ("http://example.com:65536/", None),
        ("http://example.com:8a/", None),
        ("http://:80/", None),
        ("http://", None),
        ("https:example.org", Some("https://example.org/")),
        ("https://////example.com///", Some("https://example.com///")),
        ("https:\\\\example.com\\a\\b", Some("https://example.com/a/b")),
        ("ht\ntp://a\t/b", Some("http://a/b")),
        ("http://user:pa ss@host/", Some("http://user:pa%20ss@host/")),
        ("http://u@v@host/", Some("http://u%40v@host/")),
        ("http://user:@host/", Some("http://user@host/")),
        ("http://@host/", Some("http://host/")),
        ("http://:p@host/", Some("http://:p@host/")),
        ("http://user@/path", None),
        ("http://a/b/../c/./d/%2e%2E/e", Some("http://a/c/e")),
        ("http://a/../../b", Some("http://a/b")),
        ("http://a/b/..", Some("http://a/")),
        ("http://a/b/.", Some("http://a/b/")),
        ("http://a/é/\"<>`{}^|", Some("http://a/%C3%A9/%22%3C%3E%60%7B%7D%5E|")),
        ("http://a/?'\"<>é#`\"<>é", Some("http://a/?%27%22%3C%3E%C3%A9#%60%22%3C%3E%C3%A9")),
        ("foo://a/?'", Some("foo://a/?'")),
        ("http://a/%zz%41", Some("http://a/%zz%41")),
        ("http://a?b", Some("http://a/?b")),
        ("http://a#b", Some("http://a/#b")),
        ("http://a/\u{1F600}?\u{1F600}", Some("http://a/%F0%9F%98%80?%F0%9F%98%80")),
        ("//a/b", None),
        ("/a", None),
        ("", None),
        ("a:b", Some("a:b")),
        ("1a:b", None),
        ("ws://a:80/b", Some("ws://a/b")),
        ("wss://a:443/b", Some("wss://a/b")),
        ("ftp://a:21/b", Some("ftp://a/b")),
    ]);
}

#[test]
fn urls_with_other_schemes() {
    absolute(&[
        ("mailto:a@b.test", Some("mailto:a@b.test")),
        ("data:text/plain,a b#c", Some("data:text/plain,a b#c")),
        ("data:a b ?q", Some("data:a b%20?q")),
        ("javascript:alert(1)", Some("javascript:alert(1)")),
        ("foo://HOST/a/../b", Some("foo://HOST/b")),
        ("foo://h%41/", Some("foo://h%41/")),
        ("foo://h é/", None),
        ("foo://hé/", Some("foo://h%C3%A9/")),
        ("foo:///a", Some("foo:///a")),
        ("foo:/a/b", Some("foo:/a/b")),
        ("foo:/..//b", Some("foo:/.//b")),
        ("foo:a/../b", Some("foo:a/../b")),
        ("foo://a:99999/", None),
        ("foo://a b/", None),
        ("blob:https://a.test/1", Some("blob:https://a.test/1")),
        ("file:///C|/a/../..", Some("file:///C:/")),
        ("file:c:\\a", Some("file:///c:/a")),
        ("file://localhost/a", Some("file:///a")),
        ("file://host/a", Some("file://host/a")),
        ("file:", Some("file:///")),
        ("file:///a//../b", Some("file:///a/b")),
    ]);
}

#[test]
fn hosts() {
    absolute(&[
        ("http://EXAMPLE.com./", Some("http://example.com./")),
        ("http://ex%41mple.com/", Some("http://example.com/")),
        ("http://a%00b/", None),
        ("http://a%23b/", None),
        ("http://a b/", None),
        ("http://a<b/", None),
        ("http://a^b/", None),
        ("http://a|b/", None),
        ("http://a%25b/", None),
        ("http://a_b/", Some("http://a_b/")),
        ("http://1.2.3.4/", Some("http://1.2.3.4/")),
        ("http://1.2.3.4./", Some("http://1.2.3.4/")),
        ("http://127.1/", Some("http://127.0.0.1/")),
        ("http://0x7f.1/", Some("http://127.0.0.1/")),
        ("http://0x7F000001/", Some("http://127.0.0.1/")),
        ("http://017700000001/", Some("http://127.0.0.1/")),
        ("http://2130706433/", Some("http://127.0.0.1/")),
        ("http://0/", Some("http://0.0.0.0/")),
        ("http://0x/", Some("http://0.0.0.0/")),
        ("http://4294967295/", Some("http://255.255.255.255/")),
        ("http://4294967296/", None),
        ("http://256.1.1.1/", None),
        ("http://1.2.3.4.5/", None),
        ("http://1.2.3.08/", None),
        ("http://a.1/", None),
        ("http://1.a/", Some("http://1.a/")),
        ("http://1.2..3/", None),
        ("http://0xg/", Some("http://0xg/")),
        ("http://１２７.０.０.１/", Some("http://127.0.0.1/")),
        ("http://[::1]/", Some("http://[::1]/")),
        ("http://[1:0:0:2:0:0:0:3]/", Some("http://[1:0:0:2::3]/")),
        ("http://[1:0:0:2:3:0:0:4]/", Some("http://[1::2:3:0:0:4]/")),
        ("http://[::ffff:127.0.0.1]/", Some("http://[::ffff:7f00:1]/")),
        ("http://[0:0:0:0:0:0:0:0]:80/", Some("http://[::]/")),
        ("http://[1:2:3:4:5:6:7:8]/", Some("http://[1:2:3:4:5:6:7:8]/")),
        ("http://[1:2:3:4:5:6:7::]/", Some("http://[1:2:3:4:5:6:7:0]/")),
        ("http://[ABCD::]/", Some("http://[abcd::]/")),
        ("http://[1:2:3:4:5:6:7:8:9]/", None),
        ("http://[1:2:3:4:5:6:7]/", None),
        ("http://[1::2::3]/", None),
        ("http://[:::1]/", None),
        ("http://[12345::]/", None),
        ("http://[::1.2.3]/", None),
        ("http://[::1.2.3.256]/", None),
        ("http://[::01.2.3.4]/", None),
        ("http://[::1%25eth0]/", None),
        ("http://[::1/", None),
        ("http://[]/", None),
        ("foo://[::1]/", Some("foo://[::1]/")),
    ]);
}

#[test]
fn international_names() {
    absolute(&[
        ("http://bücher.example/", Some("http://xn--bcher-kva.example/")),
        ("http://BÜCHER.example/", Some("http://xn--bcher-kva.example/")),
        ("http://bu\u{308}cher.example/", Some("http://xn--bcher-kva.example/")),
        ("http://faß.de/", Some("http://xn--fa-hia.de/")),
        ("http://ＧＯ.com/", Some("http://go.com/")),
        ("http://例え。テスト/", Some("http://xn--r8jz45g.xn--zckzah/")),
        ("http://日本語.jp/", Some("http://xn--wgv71a119e.jp/")),
        ("http://правда.рф/", Some("http://xn--80aafi6cg.xn--p1ai/")),
        ("http://\u{1F600}.test/", Some("http://xn--e28h.test/")),
        ("http://a\u{ad}b.com/", Some("http://ab.com/")),
        ("http://a\u{200b}b/", Some("http://ab/")),
        ("http://\u{ad}/", None),
        ("http://xn--bcher-kva.example/", Some("http://xn--bcher-kva.example/")),
        ("http://XN--BCHER-KVA.example/", Some("http://xn--bcher-kva.example/")),
        ("http://xn--a/", None),
        ("http://xn--/", None),
        ("http://xn--\u{e9}/", None),
        ("http://xn--ASCII-/", None),
        ("http://\u{301}a/", None),
        ("http://a％41/", None),
        ("http://％00.com/", None),
        ("http://\u{ffff}/", None),
        ("http://\u{e000}/", None),
        ("http://％ｅ３％８１％８２.com/", None),
    ]);
}

#[test]
fn relative_urls() {
    let base = Some("http://a/b/c/d;p?q");
    let examples = [
        ("g:h", "g:h"),
        ("g", "http://a/b/c/g"),
        ("./g", "http://a/b/c/g"),
        ("g/", "http://a/b/c/g/"),
        ("/g", "http://a/g"),
        ("//g", "http://g/"),
        ("?y", "http://a/b/c/d;p?y"),
        ("g?y", "http://a/b/c/g?y"),
        ("#s", "http://a/b/c/d;p?q#s"),
        ("g#s", "http://a/b/c/g#s"),
        (";x", "http://a/b/c/;x"),
        ("", "http://a/b/c/d;p?q"),
        (".", "http://a/b/c/"),
        ("..", "http://a/b/"),
        ("../g", "http://a/b/g"),
        ("../..", "http://a/"),
        ("../../../g", "http://a/g"),
        ("/./g", "http://a/g"),
        ("g;x=1/../y", "http://a/b/c/y"),
        ("http:g", "http://a/b/c/g"),
        ("https:g", "https://g/"),
        ("\\g", "http://a/g"),
        ("//user@h:1/p", "http://user@h:1/p"),
        ("?", "http://a/b/c/d;p?"),
        ("#", "http://a/b/c/d;p?q#"),
    ];
    hrefs(&examples.map(|(input, expected)| (input, base, Some(expected))));
    hrefs(&[
        ("a", Some("mailto:x"), None),
        ("#f", Some("mailto:x?q"), Some("mailto:x?q#f")),
        ("/x", Some("foo://h/a?q"), Some("foo://h/x")),
        ("x", Some("foo:/a/b"), Some("foo:/a/x")),
        ("..", Some("file:///C:/a"), Some("file:///C:/")),
        ("/x", Some("file:///C:/a"), Some("file:///C:/x")),
        ("D|/x", Some("file:///C:/a"), Some("file:///D:/x")),
        ("//h/x", Some("file:///C:/a"), Some("file://h/x")),
        ("x", Some("file://h/a/b?q"), Some("file://h/a/x")),
        ("a", Some("nonsense"), None),
        ("http://[", Some("http://a"), None),
    ]);
}

#[test]
fn the_parts_of_a_url() {
    let parts = evaluate(
        "const u = new URL('https://us%20er:p%40ss@Example.com:8443/a/b?x=1&y=2#frag');
         return [u.protocol, u.username, u.password, u.host, u.hostname, u.port, u.pathname, u.search, u.hash, u.origin, u.searchParams.get('y'), `${u}`, JSON.stringify({ u })];",
    );

    assert_eq!(
        parts,
        json!([
            "https:",
            "us%20er",
            "p%40ss",
            "example.com:8443",
            "example.com",
            "8443",
            "/a/b",
            "?x=1&y=2",
            "#frag",
            "https://example.com:8443",
            "2",
            "https://us%20er:p%40ss@example.com:8443/a/b?x=1&y=2#frag",
            "{\"u\":\"https://us%20er:p%40ss@example.com:8443/a/b?x=1&y=2#frag\"}",
        ])
    );
    let origins = evaluate(
        "return ['ftp://a', 'file:///a', 'foo://a', 'blob:https://a:8/x', 'blob:foo://a', 'data:x', 'http://a:80'].map((u) => new URL(u).origin);",
    );
    assert_eq!(origins, json!(["ftp://a", "null", "null", "https://a:8", "null", "null", "http://a"]));
    assert_eq!(
        evaluate(
            "return [URL.canParse('a:b'), URL.canParse('x'), URL.canParse('x', 'http://a'), URL.parse('x'), URL.parse('x', 'http://a').href];"
        ),
        json!([true, false, true, null, "http://a/x"])
    );
}

#[test]
fn setters_change_what_may_change() {
    for (url, assignment, expected) in [
        ("https://a/b", "protocol = 'http'", "http://a/b"),
        ("https://a/b", "protocol = 'foo'", "https://a/b"),
        ("https://a/b", "protocol = 'http:zzz'", "http://a/b"),
        ("http://a:443/b", "protocol = 'https'", "https://a/b"),
        ("http://u@a/b", "protocol = 'file'", "http://u@a/b"),
        ("https://a/b", "protocol = '1'", "https://a/b"),
        ("https://a/b", "username = 'ü:@'", "https://%C3%BC%3A%40@a/b"),
        ("file:///b", "username = 'u'", "file:///b"),
        ("https://a/b", "password = 'p/'", "https://:p%2F@a/b"),
        ("https://a:1/b", "host = 'c:2'", "https://c:2/b"),
        ("https://a:1/b", "host = 'c'", "https://c:1/b"),
        ("https://a:1/b", "host = 'c:x'", "https://c:1/b"),
        ("https://a:1/b", "host = ''", "https://a:1/b"),
        ("https://a:1/b", "host = 'x y'", "https://a:1/b"),
        ("https://a/b", "host = 'c/d'", "https://c/b"),
        ("https://a:1/b", "hostname = 'c:2'", "https://a:1/b"),
        ("https://a:1/b", "hostname = '[::1]'", "https://[::1]:1/b"),
        ("foo://a/b", "hostname = ''", "foo:///b"),
        ("https://a/b", "port = '8080'", "https://a:8080/b"),
        ("https://a:1/b", "port = '443'", "https://a/b"),
        ("https://a:1/b", "port = ''", "https://a/b"),
        ("https://a:1/b", "port = '90x'", "https://a:90/b"),
        ("https://a:1/b", "port = 'x'", "https://a:1/b"),
        ("https://a:1/b", "port = '65536'", "https://a:1/b"),
        ("https://a/b", "pathname = 'c d/../e?#'", "https://a/e%3F%23"),
        ("https://a/b", "pathname = ''", "https://a/"),
        ("mailto:x", "pathname = 'y'", "mailto:x"),
        ("foo://a/b", "pathname = ''", "foo://a"),
        ("https://a/b?c", "search = ''", "https://a/b"),
        ("https://a/b?c", "search = '?'", "https://a/b?"),
        ("https://a/b?c", "search = 'd e#f'", "https://a/b?d%20e%23f"),
        ("https://a/b#c", "hash = ''", "https://a/b"),
        ("https://a/b#c", "hash = '#d e'", "https://a/b#d%20e"),
        ("https://a/b#c", "hash = '##'", "https://a/b##"),
        ("https://a/b", "href = 'http://c'", "http://c/"),
    ] {
        let found = evaluate(&format!("const u = new URL({}); u.{assignment}; return u.href;", json!(url)));
        assert_eq!(found, json!(expected), "{url} {assignment}");
    }
    assert_eq!(
        evaluate("const u = new URL('http://a'); try { u.href = 'x'; } catch (e) { return [e.name, u.href]; }"),
        json!(["TypeError", "http://a/"])
    );
}

#[test]
fn search_params_are_read_and_written() {
    for (expression, expected) in [
        ("new URLSearchParams('?a=1&b=2&a=3').getAll('a')", json!(["1", "3"])),
        ("[...new URLSearchParams('a=b+c%20d&&e&=f&g=%zz%41')]", json!([["a", "b c d"], ["e", ""], ["", "f"], ["g", "%zzA"]])),
        (
            "`${new URLSearchParams({ a: 'b c', 'é': '*-._~!\\'()', x: '&=+%' })}`",
            json!("a=b+c&%C3%A9=*-._%7E%21%27%28%29&x=%26%3D%2B%25"),
        ),
        ("`${new URLSearchParams([['a', 1], ['a', 2]])}`", json!("a=1&a=2")),
        ("`${new URLSearchParams(new Map([['m', 'n']]))}`", json!("m=n")),
        ("`${new URLSearchParams(new URLSearchParams('a=1'))}`", json!("a=1")),
        ("new URLSearchParams('a=1').get('b')", json!(null)),
        (
            "(() => { const p = new URLSearchParams('a=1&b=2&a=3'); p.set('a', 9); p.append('c', ''); p.delete('b'); return `${p}`; })()",
            json!("a=9&c="),
        ),
        (
            "(() => { const p = new URLSearchParams('a=1&a=2'); p.delete('a', '1'); return [`${p}`, p.has('a', '2'), p.has('a', '3'), p.has('a'), p.size]; })()",
            json!(["a=2", true, false, true, 1]),
        ),
        (
            "(() => { const p = new URLSearchParams('z=1&\u{FB03}=2&\u{1F308}=3&a=4&z=0'); p.sort(); return [...p.keys()]; })()",
            json!(["a", "z", "z", "\u{1F308}", "\u{FB03}"]),
        ),
        (
            "(() => { const seen = []; new URLSearchParams('a=1').forEach(function (v, k) { seen.push(v, k, this.t); }, { t: 2 }); return seen; })()",
            json!(["1", "a", 2]),
        ),
        ("[...new URLSearchParams('a=1&b=2').values()]", json!(["1", "2"])),
        ("`${new URLSearchParams('a=\\uD800')}`", json!("a=%EF%BF%BD")),
        ("new URLSearchParams('a=%EF%BB%BFb%FF').get('a')", json!("\u{FEFF}b\u{FFFD}")),
        (
            "(() => { const u = new URL('http://h/?a=1'); u.searchParams.append('b', 'x y'); const before = u.href; u.search = '?c=3'; const after = [...u.searchParams]; u.searchParams.delete('c'); return [before, after, u.href]; })()",
            json!(["http://h/?a=1&b=x+y", [["c", "3"]], "http://h/"]),
        ),
        (
            "(() => { const u = new URL('http://h/?a=~'); const same = u.searchParams === u.searchParams; u.searchParams.sort(); return [same, u.href]; })()",
            json!([true, "http://h/?a=%7E"]),
        ),
        ("(() => { try { new URLSearchParams([['a']]); } catch (e) { return e.name; } })()", json!("TypeError")),
        ("(() => { try { new URLSearchParams('a').get(); } catch (e) { return e.name; } })()", json!("TypeError")),
    ] {
        assert_eq!(evaluate(&format!("return {expression};")), expected, "{expression}");
    }
}

/// A space before a URL changes nothing but the way it is read: not the short one, which is for URLs as most are.
#[test]
fn a_plain_url_is_read_the_short_way_as_the_standards_way() {
    let differences = evaluate(
        r##"
        const hosts = ["a", "example.com", "api-1.example.com", "1.example.com", "a.1", "1.2.3.4", "0x7f.1", "a.0x1", "xn--a.com", "xn--nxasmq6b.x", "a..b", "-a", "a-", "a_b", "A.com", "localhost", "a.b.c1", "1a", "a.1a"];
        const ports = ["", ":", ":0", ":80", ":443", ":080", ":8080", ":18999", ":65535", ":65536", ":99999"];
        const paths = ["", "/", "//", "/a", "/a/", "/a//b", "/.", "/..", "/a/./b", "/a/../b", "/.a", "/a/.b", "/a.b", "/a..", "/%2e/b", "/%2E%2e/b", "/%41", "/%", "/~a!$&'()*+,;=:@-_", "/a|b", "/a b", "/a\b"];
        const queries = ["", "?", "?a=b", "?a'b", "?a/b?c", "?%2e", "?a b"];
        const fragments = ["", "#", "#a", "#a'b?/", "#a b"];
        const members = ["href", "protocol", "host", "hostname", "port", "pathname", "search", "hash", "origin"];
        const read = (text, base) => { try { const url = new URL(text, base); return members.map((member) => url[member]).join(" "); } catch (e) { return e.name; } };
        const differences = [];
        const compare = (text) => {
            for (const base of [undefined, "http://base.test/x/y?z"]) {
                if (read(text, base) !== read(" " + text, base)) differences.push([text, read(text, base), read(" " + text, base)]);
            }
        };
        for (const scheme of ["http", "https", "ftp", "HTTP"]) {
            for (const host of hosts) {
                for (const port of ports) compare(`${scheme}://${host}${port}/a`);
                for (const path of paths) compare(`${scheme}://${host}${path}`);
            }
        }
        for (const path of paths) {
            for (const query of queries) {
                for (const fragment of fragments) compare(`https://example.com${path}${query}${fragment}`);
            }
        }
        return differences;
        "##,
    );

    assert_eq!(differences, json!([]));
}
