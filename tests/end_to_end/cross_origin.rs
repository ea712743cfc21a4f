//! Pages of other origins in a real browser, against the real program.

use std::process::Command;

use crate::{
    api::adder,
    clients::{check, output_of, set_up},
    program::{Home, free_address},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_listed_calls_and_one_that_is_not_gets_nothing() {
    let home = Home::new();
    let listed = free_address().port();
    let program = home.serve_with(|command| _ = command.env("TOOLWRIGHT_ORIGINS", format!("http://localhost:{listed}"))).await;
    let owner = program.customer("pro").await;
    owner.create_server("sums").await;
    owner.put_tool("sums", "add", &adder("add", 40)).await;
    owner.release("sums").await;
    let clients = set_up();

    let mut browser = Command::new(clients.join("node/node"));
    browser.arg(clients.join("browser/cross_origin.mjs"));
    browser.args(["--url", &owner.base, "--listed", &listed.to_string(), "--server", "sums", "--key", &owner.key]);

    check("the browser", 11, &output_of(browser).await);
}
