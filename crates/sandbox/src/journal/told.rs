//! What the host's functions answer, as a journal keeps it.

use domain::HostAnswer;

/// The handle of an operation that has ended, and what came of it.
pub(crate) type Waited = (u32, Result<String, String>);

/// An answer of one of the host's functions.
pub(crate) trait Told: Sized {
    /// As it is written down.
    fn to_answer(&self) -> HostAnswer;

    /// As it was written down; none if that is of another sort.
    fn of_answer(answer: HostAnswer) -> Option<Self>;
}

impl Told for u64 {
    fn to_answer(&self) -> HostAnswer {
        HostAnswer::Number(*self)
    }

    fn of_answer(answer: HostAnswer) -> Option<Self> {
        if let HostAnswer::Number(number) = answer { Some(number) } else { None }
    }
}

impl Told for Vec<u8> {
    fn to_answer(&self) -> HostAnswer {
        HostAnswer::Bytes(self.clone())
    }

    fn of_answer(answer: HostAnswer) -> Option<Self> {
        if let HostAnswer::Bytes(bytes) = answer { Some(bytes) } else { None }
    }
}

impl Told for Option<String> {
    fn to_answer(&self) -> HostAnswer {
        self.clone().map_or(HostAnswer::Nothing, HostAnswer::Text)
    }

    fn of_answer(answer: HostAnswer) -> Option<Self> {
        match answer {
            HostAnswer::Nothing => Some(None),
            HostAnswer::Text(text) => Some(Some(text)),
            _ => None,
        }
    }
}

impl Told for Result<String, String> {
    fn to_answer(&self) -> HostAnswer {
        self.clone().map_or_else(HostAnswer::Refused, HostAnswer::Text)
    }

    fn of_answer(answer: HostAnswer) -> Option<Self> {
        match answer {
            HostAnswer::Text(text) => Some(Ok(text)),
            HostAnswer::Refused(reason) => Some(Err(reason)),
            _ => None,
        }
    }
}

impl Told for Result<Vec<u8>, String> {
    fn to_answer(&self) -> HostAnswer {
        self.clone().map_or_else(HostAnswer::Refused, HostAnswer::Bytes)
    }

    fn of_answer(answer: HostAnswer) -> Option<Self> {
        match answer {
            HostAnswer::Bytes(bytes) => Some(Ok(bytes)),
            HostAnswer::Refused(reason) => Some(Err(reason)),
            _ => None,
        }
    }
}

impl Told for Result<u32, String> {
    fn to_answer(&self) -> HostAnswer {
        self.clone().map_or_else(HostAnswer::Refused, HostAnswer::Handle)
    }

    fn of_answer(answer: HostAnswer) -> Option<Self> {
        match answer {
            HostAnswer::Handle(handle) => Some(Ok(handle)),
            HostAnswer::Refused(reason) => Some(Err(reason)),
            _ => None,
        }
    }
}

impl Told for Waited {
    fn to_answer(&self) -> HostAnswer {
        HostAnswer::Ended { operation: self.0, told: self.1.clone() }
    }

    fn of_answer(answer: HostAnswer) -> Option<Self> {
        if let HostAnswer::Ended { operation, told } = answer { Some((operation, told)) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comes_back<T: Told + PartialEq + std::fmt::Debug>(told: &T) {
        assert_eq!(T::of_answer(told.to_answer()).as_ref(), Some(told));
    }

    #[test]
    fn each_answer_comes_back_and_none_for_another() {
        comes_back(&7_u64);
        comes_back(&vec![1_u8]);
        comes_back(&Some("a".to_owned()));
        comes_back(&None::<String>);
        for told in [Ok("a".to_owned()), Err("b".to_owned())] {
            comes_back(&told);
            comes_back(&(3_u32, told));
        }
        for told in [Ok(vec![1_u8]), Err("b".to_owned())] {
            comes_back(&told);
        }
        for told in [Ok(1_u32), Err("b".to_owned())] {
            comes_back(&told);
        }
        assert_eq!(u64::of_answer(HostAnswer::Handle(7)), None);
        assert_eq!(Result::<u32, String>::of_answer(HostAnswer::Number(7)), None);
    }
}
