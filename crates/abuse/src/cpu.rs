//! Time on the processor.

use crate::{
    case::Case,
    guest::{
        Code::{Component, JavaScript},
        End::Limit,
        case, short_of_time, usual,
    },
};

const FUEL: &[&str] = &["fuel_per_call_max"];
const TIME: &[&str] = &["wall_ms_max"];

const LOOPS: &str = r#"(component
  (core module $code (func (export "run") (result i32) (loop $again (br $again)) (unreachable)))
  (core instance $instance (instantiate $code))
  (func (export "run") (result u32) (canon lift (core func $instance "run"))))"#;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case("cpu", "endless loop", "fuel named, charged", JavaScript("for (;;) {}"), usual, Limit(FUEL)).quick(),
        case("cpu", "endless loop with fuel left", "time named, charged", JavaScript("for (;;) {}"), short_of_time, Limit(TIME)),
        case("cpu", "endless loop, a component", "fuel named, charged", Component(LOOPS), usual, Limit(FUEL)).quick(),
    ]
}
