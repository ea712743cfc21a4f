//! The pages for people, in a real browser that runs no script, light and dark, on a desktop and on a phone.

use std::process::Command;

use crate::{
    clients::{output_of, set_up},
    program::{ADMIN_KEY, Home},
};

/// It signs up, lets clients in, looks at who has access, and takes it back; a page that is wider than its window, that a browser complains about or
/// that can be framed is a failure.
#[tokio::test(flavor = "multi_thread")]
async fn every_page_works_without_scripts_and_fits_its_window() {
    let home = Home::new();
    let program = home.serve().await;
    let clients = set_up();
    let pictures = tempfile::tempdir().unwrap();

    let mut browser = Command::new(clients.join("node/node"));
    browser.arg(clients.join("browser/flow.mjs")).arg(format!("http://{}", program.address)).arg(pictures.path());
    browser.env("TOOLWRIGHT_ADMIN_KEY", ADMIN_KEY);
    let output = output_of(browser).await;

    assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
}
