//! What is not tried here, and where it is proven instead; `docs/security.md` says the same.

/// What, and the test that proves it or the reason why there is nothing to try.
pub(crate) const ELSEWHERE: &[(&str, &str)] = &[
    (
        "ten thousand deployed tools",
        "a suite of minutes has no time to build them: here are hundreds; make bench (thrash) has all",
    ),
    ("a quota race on two nodes", "needs two nodes: app::limits::two_nodes_that_race_for_the_calls_of_a_month_exceed_it_by_none"),
    ("the database down", "app::outage"),
    ("the disk full", "sandbox::cache::a_disk_that_takes_nothing_does_not_stop_a_tool"),
    (
        "names with mixed or changing addresses",
        "need a name server: egress::addresses::one_special_address_among_public_ones_refuses_the_name",
    ),
    ("a redirect from https to http", "needs TLS: egress::redirects::a_redirect_from_https_to_http_is_not_followed"),
    ("tokens that are rightly signed and wrong", "need the signing key: app::tokens::forgeries"),
    (
        "consent by click-jacking or from another site",
        "web::oauth::consent, web::oauth::attacks::consent_cannot_be_given_from_another_site",
    ),
    ("session fixation", "web::accounts::sign_in::a_sign_in_gets_a_new_token_whatever_the_browser_had_before"),
    ("a secret in a trace", "there are no traces yet"),
    (
        "a wizard's text that widens grants",
        "there is no wizard yet; whatever it writes is built as any source, within the same grants",
    ),
];
