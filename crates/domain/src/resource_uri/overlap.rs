//! Whether two templates can fit one URI.

use super::{Piece, pieces};

/// What a step through a template takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// This byte.
    Byte(u8),
    /// A byte of one part of a path.
    Part,
    /// As many of those as there are.
    Parts,
    /// Any byte.
    Any,
    /// As many as there are.
    Rest,
}

/// Whether some URI fits both templates; `None` if that cannot be found out in `steps_left` steps, which go down by those taken.
pub(super) fn overlap(one: &str, other: &str, steps_left: &mut u32) -> Option<bool> {
    let (one, other) = (steps(one), steps(other));
    let width = other.len() + 1;
    let mut seen = vec![false; (one.len() + 1) * width];
    let mut open = vec![(0, 0)];
    while let Some((at, beside)) = open.pop() {
        let Some(known) = seen.get_mut(at * width + beside).filter(|known| !**known) else { continue };
        *known = true;
        *steps_left = steps_left.checked_sub(1)?;
        let (here, there) = (one.get(at).copied(), other.get(beside).copied());
        if here.is_none() && there.is_none() {
            return Some(true);
        }
        // What repeats may be left.
        if here.is_some_and(Step::repeats) {
            open.push((at + 1, beside));
        }
        if there.is_some_and(Step::repeats) {
            open.push((at, beside + 1));
        }
        if let (Some(here), Some(there)) = (here, there)
            && here.shares_a_byte_with(there)
        {
            open.push((at + usize::from(!here.repeats()), beside + usize::from(!there.repeats())));
        }
    }
    Some(false)
}

fn steps(template: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for piece in pieces(template).unwrap_or_default() {
        match piece {
            Piece::Text(text) => steps.extend(text.bytes().map(Step::Byte)),
            Piece::Part(_) => steps.extend([Step::Part, Step::Parts]),
            Piece::Rest(_) => steps.extend([Step::Any, Step::Rest]),
        }
    }
    steps
}

impl Step {
    const fn repeats(self) -> bool {
        matches!(self, Self::Parts | Self::Rest)
    }

    fn shares_a_byte_with(self, other: Self) -> bool {
        match (self, other) {
            (Self::Byte(one), Self::Byte(other)) => one == other,
            (Self::Byte(byte), Self::Part | Self::Parts) | (Self::Part | Self::Parts, Self::Byte(byte)) => {
                !b"/?#".contains(&byte)
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_that_can_fit_one_uri_are_found() {
        for (one, other, expected) in [
            ("a://x/{id}", "a://x/{name}", true),
            ("a://x/{id}", "a://y/{id}", false),
            ("a://x/{id}", "a://x/{id}/{part}", false),
            ("a://x/{id}", "a://x/{+rest}", true),
            ("a://x/{id}/raw", "a://x/{id}/text", false),
            ("a://x/{id}/raw", "a://x/{+rest}/raw", true),
            ("a://x/{id}.json", "a://x/all-{kind}", true),
            ("a://x/{id}?full", "a://x/{id}", false),
        ] {
            assert_eq!(overlap(one, other, &mut 10_000), Some(expected), "{one} {other}");
            assert_eq!(overlap(other, one, &mut 10_000), Some(expected), "{other} {one}");
        }
    }

    #[test]
    fn the_work_is_bounded() {
        let long = |end: &str| format!("a:{{+a}}{}{{+b}}{end}", "x".repeat(900));
        let mut steps_left = 1000;

        assert_eq!(overlap(&long("y"), &long("z"), &mut steps_left), None);
        assert_eq!(overlap("a:{b}", "c:{d}", &mut 1000), Some(false));
    }
}
