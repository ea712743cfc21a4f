//! Passkeys in a real browser, against the real program.

use std::process::Command;

use crate::{
    clients::{check, output_of, set_up},
    program::Home,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_adds_a_passkey_and_signs_in_with_it() {
    let home = Home::new();
    let program = home
        .serve_with(|command| {
            // Browsers keep passkeys for names, not for addresses.
            let listens = command.get_envs().find(|(name, _)| *name == "TOOLWRIGHT_LISTEN");
            let listens = listens.and_then(|(_, address)| address).unwrap().to_str().unwrap().to_owned();
            command.env("TOOLWRIGHT_PUBLIC_URL", listens.replace("127.0.0.1", "http://localhost"));
        })
        .await;
    let clients = set_up();

    let mut browser = Command::new(clients.join("node/node"));
    browser.arg(clients.join("browser/passkeys.mjs"));
    browser.arg("--url").arg(format!("http://localhost:{}", program.address.port()));

    check("the browser", 8, &output_of(browser).await);
}
