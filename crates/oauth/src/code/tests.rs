use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::*;

const LIFETIME_S: i64 = 60;
const CALLBACK: &str = "https://app.test/callback";
const OWN: ClientId = ClientId::Registered(uuid::Uuid::from_u128(1));
const OTHER: ClientId = ClientId::Registered(uuid::Uuid::from_u128(2));

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn verifier(letter: char) -> Verifier {
    Verifier::parse(&letter.to_string().repeat(43)).unwrap()
}

fn demo() -> Resource {
    Resource::Server("demo".parse().unwrap())
}

/// A code that is given out at 0 and asked for with the verifier `rrr..`.
fn code() -> Code {
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest("r".repeat(43)));
    Code {
        client: OWN,
        challenge: Challenge::parse(&challenge).unwrap(),
        redirect_uri: CALLBACK.parse().unwrap(),
        resource: demo(),
        expires_at: at(LIFETIME_S),
        state: CodeState::Fresh,
    }
}

fn shown<'a>(client: &'a ClientId, verifier: &'a Verifier) -> Redemption<'a> {
    Redemption { client, verifier, redirect_uri: None, resource: None }
}

fn refused(refusal: CodeRefusal) -> CodeOutcome {
    CodeOutcome::Refused(refusal)
}

#[test]
fn rfc_6749_section_4_1_2_a_code_is_used_once_and_a_replay_revokes() {
    let (mut code, right, wrong) = (code(), verifier('r'), verifier('w'));

    assert_eq!(code.redeem(&shown(&OWN, &right), at(0)), CodeOutcome::Redeemed);
    assert_eq!(code.redeem(&shown(&OWN, &wrong), at(1)), refused(CodeRefusal::Used));
    assert_eq!(code.redeem(&shown(&OTHER, &right), at(1)), refused(CodeRefusal::OtherClient));
    assert_eq!(code.redeem(&shown(&OWN, &right), at(1)), CodeOutcome::Replayed);
    assert_eq!(code.redeem(&shown(&OWN, &right), at(LIFETIME_S + 1)), CodeOutcome::Replayed);
}

#[test]
fn rfc_7636_section_4_6_a_wrong_verifier_burns_the_code() {
    let (mut code, right, wrong) = (code(), verifier('r'), verifier('w'));

    assert_eq!(code.redeem(&shown(&OWN, &wrong), at(0)), refused(CodeRefusal::Verifier));
    assert_eq!(code.redeem(&shown(&OWN, &right), at(0)), refused(CodeRefusal::Used));
}

#[test]
fn rfc_6749_section_4_1_2_a_code_expires() {
    let right = verifier('r');

    assert_eq!(code().redeem(&shown(&OWN, &right), at(LIFETIME_S - 1)), CodeOutcome::Redeemed);
    assert_eq!(code().redeem(&shown(&OWN, &right), at(LIFETIME_S)), refused(CodeRefusal::Expired));
}

#[test]
fn rfc_6749_section_10_5_another_client_cannot_use_a_code_nor_spoil_it() {
    let (mut code, right, wrong) = (code(), verifier('r'), verifier('w'));

    for verifier in [&right, &wrong] {
        assert_eq!(code.redeem(&shown(&OTHER, verifier), at(0)), refused(CodeRefusal::OtherClient));
    }
    assert_eq!(code.redeem(&shown(&OWN, &right), at(0)), CodeOutcome::Redeemed);
}

#[test]
fn rfc_6749_section_4_1_3_the_address_is_that_of_the_request_if_it_is_said() {
    let right = verifier('r');
    let redeem = |redirect_uri| {
        let mut code = code();
        let outcome = code.redeem(&Redemption { redirect_uri, ..shown(&OWN, &right) }, at(0));
        (outcome, code.state)
    };

    assert_eq!(redeem(Some(CALLBACK)), (CodeOutcome::Redeemed, CodeState::Redeemed));
    for other in ["https://app.test/callback/", "https://evil.test/callback", ""] {
        assert_eq!(redeem(Some(other)), (refused(CodeRefusal::RedirectUri), CodeState::Burnt), "{other}");
    }
}

#[test]
fn rfc_8707_section_2_2_the_resource_is_that_of_the_request_if_it_is_said() {
    let (mut code, right) = (code(), verifier('r'));
    let other = Resource::Server("other".parse().unwrap());

    for resource in [&other, &Resource::Management] {
        let shown = Redemption { resource: Some(resource), ..shown(&OWN, &right) };
        assert_eq!(code.redeem(&shown, at(0)), refused(CodeRefusal::Resource));
    }
    assert_eq!(code.redeem(&Redemption { resource: Some(&demo()), ..shown(&OWN, &right) }, at(0)), CodeOutcome::Redeemed);
}

/// What somebody does with a code that two know.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// The honest client shows it.
    Honest,
    /// A thief shows it as the honest client, without knowing the verifier.
    ThiefGuesses,
    /// A thief shows it as another client.
    ThiefAsOther,
    /// A thief shows it as the honest client and has its verifier as well.
    ThiefWithVerifier,
    /// A thief shows it with the verifier, and wants the code's token for another resource.
    ThiefForOtherResource,
    /// Time goes by.
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Honest),
        2 => Just(Step::ThiefGuesses),
        2 => Just(Step::ThiefAsOther),
        2 => Just(Step::ThiefWithVerifier),
        1 => Just(Step::ThiefForOtherResource),
        2 => (0..40_i64).prop_map(Step::Wait),
    ]
}

/// One authorization, as whoever keeps it would treat it.
#[derive(Debug, Default)]
struct Given {
    times: u32,
    revoked: bool,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rfc_6749_section_10_5_however_two_holders_take_turns_a_code_gives_tokens_once(steps in prop::collection::vec(step(), 0..24)) {
        let (mut code, right, wrong) = (code(), verifier('r'), verifier('w'));
        let management = Resource::Management;
        let (mut given, mut now_s) = (Given::default(), 0);

        for step in steps {
            let before = code.clone();
            let redemption = match step {
                Step::Wait(seconds) => {
                    now_s += seconds;
                    continue;
                }
                Step::Honest | Step::ThiefWithVerifier => shown(&OWN, &right),
                Step::ThiefGuesses => shown(&OWN, &wrong),
                Step::ThiefAsOther => shown(&OTHER, &right),
                Step::ThiefForOtherResource => Redemption { resource: Some(&management), ..shown(&OWN, &right) },
            };
            let proven = !matches!(step, Step::ThiefGuesses | Step::ThiefAsOther);
            match code.redeem(&redemption, at(now_s)) {
                CodeOutcome::Redeemed => {
                    prop_assert!(proven && now_s < LIFETIME_S && !given.revoked);
                    given.times += 1;
                }
                CodeOutcome::Replayed => {
                    prop_assert!(proven && given.times == 1, "only whoever can prove it may revoke");
                    given.revoked = true;
                }
                CodeOutcome::Refused(CodeRefusal::OtherClient) => prop_assert_eq!(&code, &before),
                CodeOutcome::Refused(_) => {}
            }
            prop_assert!(given.times <= 1, "tokens are given once");
            prop_assert_eq!(given.times == 1, code.state == CodeState::Redeemed);
            if proven && before.state == CodeState::Redeemed {
                prop_assert!(given.revoked, "whoever shows it again ends what came of it");
            }
        }
    }
}
