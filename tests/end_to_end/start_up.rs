//! What keeps the program from starting, and what it says then.

use std::process::Output;

use crate::program::Home;

#[test]
fn a_short_or_well_known_admin_key_is_refused() {
    let home = Home::new();
    for key in [
        "",
        "short",
        "changeme",
        "API_KEY_SECURITY",
        "changemechangemechangemechangeme",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ] {
        let refused = home.command("serve").env("TOOLWRIGHT_ADMIN_KEY", key).output().unwrap();

        assert_refused(&refused, &["TOOLWRIGHT_ADMIN_KEY"]);
        if !key.is_empty() {
            assert!(!text(&refused).contains(key) || key == "short", "the key itself is not repeated: {}", text(&refused));
        }
    }
}

#[test]
fn the_production_profile_says_all_that_is_missing_at_once() {
    let home = Home::new();

    let refused = home
        .command("serve")
        .env("TOOLWRIGHT_PROFILE", "production")
        .env_remove("TOOLWRIGHT_ADMIN_KEY")
        .env_remove("TOOLWRIGHT_CACHE_KEY")
        .output()
        .unwrap();

    assert_refused(
        &refused,
        &["TOOLWRIGHT_ADMIN_KEY", "TOOLWRIGHT_CACHE_KEY", "TOOLWRIGHT_MASTER_KEY", "TOOLWRIGHT_PUBLIC_URL", "DATABASE_URL"],
    );
}

#[test]
fn an_unknown_setting_is_refused_with_the_nearest_known_one() {
    let home = Home::new();

    let refused = home.command("serve").env("TOOLWRIGHT_LISTN", "127.0.0.1:0").output().unwrap();

    assert_refused(&refused, &["TOOLWRIGHT_LISTN", "TOOLWRIGHT_LISTEN"]);
}

#[test]
fn check_config_hides_secrets() {
    let home = Home::new();

    let shown = home.command("check-config").output().unwrap();

    assert!(shown.status.success(), "{}", text(&shown));
    assert!(text(&shown).contains(home.path().to_str().unwrap()), "{}", text(&shown));
    assert!(!text(&shown).contains(crate::program::ADMIN_KEY), "{}", text(&shown));
}

#[test]
fn check_config_lists_every_limit_with_where_it_came_from() {
    let home = Home::new();

    let shown = home.command("check-config").env("TOOLWRIGHT_LOGINS_PER_MINUTE_MAX", "7").output().unwrap();

    let text = text(&shown);
    let line =
        |key: &str| text.lines().find(|line| line.starts_with(&format!("limits.{key} "))).unwrap_or_else(|| panic!("{text}"));
    for key in [
        "requests_per_minute_max",
        "failures_per_minute_max",
        "tokens_per_minute_max",
        "registrations_per_hour_max",
        "reads_per_minute_max",
        "writes_per_minute_max",
        "writes_per_day_max",
        "tries_per_minute_max",
        "caller_share_percent",
        "database_away_calls_s",
    ] {
        assert!(line(key).ends_with("# default"), "{}", line(key));
    }
    let logins = line("logins_per_minute_max");
    assert!(logins.contains(" = 7  # ") && logins.contains("TOOLWRIGHT_LOGINS_PER_MINUTE_MAX"), "{logins}");
}

#[test]
fn a_start_that_takes_too_long_is_given_up_and_says_at_what() {
    let home = Home::new();
    // A database that takes the connection and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://app@{}/app", silent.local_addr().unwrap());

    let refused = home
        .command("serve")
        .env("DATABASE_URL", url)
        .env("TOOLWRIGHT_LISTEN", "127.0.0.1:0")
        .env("TOOLWRIGHT_START_TIMEOUT_S", "1")
        .output();

    assert_refused(&refused.unwrap(), &["TOOLWRIGHT_START_TIMEOUT_S", "starting the database"]);
}

#[test]
fn a_port_that_is_in_use_is_told_before_anything_is_started() {
    let home = Home::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();

    let refused = home.command("serve").env("TOOLWRIGHT_LISTEN", &address).output().unwrap();

    assert_refused(&refused, &["cannot listen on", &address]);
    assert!(!home.path().join("postgres").exists());
}

fn assert_refused(output: &Output, words: &[&str]) {
    assert!(!output.status.success(), "{}", text(output));
    for word in words {
        assert!(text(output).contains(word), "`{word}` is missing in: {}", text(output));
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
