//! Two nodes with the same code, or the same refresh token: exactly one comes first, however they are interleaved.

use proptest::{
    prelude::{Just, Strategy, prop_oneof},
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use sqlx::PgPool;

use super::*;

#[sqlx::test(migrations = "../../migrations")]
async fn of_two_nodes_with_one_code_exactly_one_gets_tokens(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let there = scene.node().await;

    for _ in 0..40 {
        let code = scene.code("mcp:tools").await;
        let (client, apps) = (&scene.client, [scene.app(), there.app()]);
        let (one, two, three) =
            tokio::join!(redeem(apps[0], client, &code), redeem(apps[1], client, &code), redeem(apps[1], client, &code));

        let winners: Vec<Tokens> = [one, two, three].into_iter().flatten().collect();
        let [winner] = winners.as_slice() else { panic!("{winners:?}") };
        // Those who came second had the code and its verifier: what came of it is ended.
        assert!(within_a_second(async || is_refused(&use_server(apps[0], &winner.access).await)).await);
        assert_eq!(told(refresh(apps[1], client, winner.refresh.as_ref().unwrap()).await), "invalid_grant");
    }
    scene.test.stop().await;
    there.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn of_two_nodes_with_one_refresh_token_both_get_the_same_successor(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let there = scene.node().await;
    let mut token = scene.tokens("mcp:tools").await.refresh.unwrap();

    for turn in 0..40 {
        let client = &scene.client;
        let (here, other) = tokio::join!(refresh(scene.app(), client, &token), refresh(there.app(), client, &token));

        let (here, other) = (here.unwrap().refresh, other.unwrap().refresh);
        assert_eq!(here, other, "the second is a retry");
        token = here.unwrap();
        let generation: i64 = sqlx::query_scalar("SELECT generation FROM authorizations").fetch_one(&pool).await.unwrap();
        assert_eq!(generation, turn + 1, "it was replaced once");
    }
    scene.test.stop().await;
    there.stop().await;
}

/// What somebody does with the tokens of one authorization.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// Shows the newest refresh token, at this node.
    Newest(usize),
    /// Shows the one before it, at this node.
    Before(usize),
    /// Shows the newest at both nodes at once.
    Both,
    /// Shows one that was replaced long ago.
    Old,
    /// Lets seconds pass.
    Wait(i64),
}

/// What must be true of it, followed beside the platform: as the rules of `oauth` say it, but in one place and in order.
#[derive(Debug)]
struct Model {
    tokens: Vec<String>,
    rotated_at: i64,
    now: i64,
    alive: bool,
}

impl Model {
    fn newest(&self) -> String {
        self.tokens.last().unwrap().clone()
    }

    /// What is expected of the token with this number: its successor's number, or nothing.
    fn present(&mut self, number: usize) -> Option<usize> {
        let newest = self.tokens.len() - 1;
        if !self.alive {
            return None;
        }
        if number == newest {
            self.rotated_at = self.now;
            return Some(newest + 1);
        }
        if number + 1 == newest && self.now < self.rotated_at + 30 {
            return Some(newest);
        }
        self.alive = false;
        None
    }

    fn expect(&mut self, number: usize, answer: Result<Tokens, TokenFault>) {
        let expected = self.present(number);
        match (expected, answer) {
            (None, Err(TokenFault::Refused(error))) => assert_eq!(error.code.as_str(), "invalid_grant"),
            (Some(successor), Ok(tokens)) => {
                let refresh = tokens.refresh.unwrap();
                match self.tokens.get(successor) {
                    Some(known) => assert_eq!(*known, refresh),
                    None => self.tokens.push(refresh),
                }
            }
            (expected, answer) => panic!("expected {expected:?}, got {answer:?}"),
        }
    }
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (0..2_usize).prop_map(Act::Newest),
        3 => (0..2_usize).prop_map(Act::Before),
        3 => Just(Act::Both),
        1 => Just(Act::Old),
        3 => (1..45_i64).prop_map(Act::Wait),
    ];
    proptest::collection::vec(act, 1..14)
}

#[sqlx::test(migrations = "../../migrations")]
async fn any_order_of_refreshes_on_two_nodes_keeps_to_the_rules(pool: PgPool) {
    let scene = Scene::set(&pool).await;
    let there = scene.node().await;
    let apps = [scene.app(), there.app()];
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));

    for _ in 0..40 {
        let acts = acts().new_tree(&mut runner).unwrap().current();
        let first = scene.tokens("mcp:tools").await;
        let mut model = Model { tokens: vec![first.refresh.unwrap()], rotated_at: 0, now: 0, alive: true };
        for act in &acts {
            let newest = model.tokens.len() - 1;
            match *act {
                Act::Wait(seconds) => {
                    scene.pass(seconds);
                    model.now += seconds;
                }
                Act::Newest(node) => {
                    let answer = refresh(apps[node], &scene.client, &model.newest()).await;
                    model.expect(newest, answer);
                }
                Act::Before(node) => {
                    let number = newest.saturating_sub(1);
                    let answer = refresh(apps[node], &scene.client, &model.tokens[number].clone()).await;
                    model.expect(number, answer);
                }
                Act::Old => {
                    let answer = refresh(apps[0], &scene.client, &model.tokens[0].clone()).await;
                    model.expect(0, answer);
                }
                Act::Both => {
                    let token = model.newest();
                    let (one, two) =
                        tokio::join!(refresh(apps[0], &scene.client, &token), refresh(apps[1], &scene.client, &token));
                    // Whichever came first rotated, and the other came again.
                    model.expect(newest, one);
                    model.expect(newest, two);
                }
            }
        }
        let alive: bool =
            sqlx::query_scalar("SELECT revoked_at IS NULL FROM authorizations ORDER BY authorization_id DESC LIMIT 1")
                .fetch_one(&pool)
                .await
                .unwrap();
        assert_eq!(alive, model.alive, "{acts:?}");
    }
    scene.test.stop().await;
    there.stop().await;
}
