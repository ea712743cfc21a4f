//! What a child may use, and how it goes when its parent does.

use std::ffi::OsString;

/// What a child may use. Each bound is set as soft and hard limit, so that the child cannot lift it again; a lower one that is
/// in force already stays. Core dumps are always off: they would write a guest's memory to disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChildLimits {
    /// Bytes of private writable memory (`RLIMIT_DATA`); address space that is only reserved does not count.
    pub data_bytes_max: Option<u64>,
    /// Seconds of CPU time (`RLIMIT_CPU`), after which the kernel kills the child.
    pub cpu_s_max: Option<u64>,
    /// Descriptors (`RLIMIT_NOFILE`).
    pub descriptors_max: Option<u64>,
    /// How much the child gives way to other processes (nice(2)): 0, as its parent does, to 19.
    pub niceness: u8,
    /// What the child gets when its parent dies.
    pub death_signal: DeathSignal,
}

/// What a child gets when its parent dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeathSignal {
    /// `SIGINT`, for a child that has something to put in order.
    Interrupt,
    /// `SIGKILL`, for a child that has nothing to lose.
    Kill,
}

impl DeathSignal {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Interrupt => "interrupt",
            Self::Kill => "kill",
        }
    }

    fn find(word: &str) -> Option<Self> {
        [Self::Interrupt, Self::Kill].into_iter().find(|signal| signal.as_str() == word)
    }
}

/// The command line between `exec-child` and `--`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Orders {
    pub(crate) parent: u32,
    pub(crate) limits: ChildLimits,
}

impl Orders {
    pub(crate) fn to_arguments(&self) -> Vec<String> {
        let limits = &self.limits;
        let mut arguments = vec![
            format!("--parent={}", self.parent),
            format!("--death-signal={}", limits.death_signal.as_str()),
            format!("--niceness={}", limits.niceness),
        ];
        let bounds =
            [("data-bytes", limits.data_bytes_max), ("cpu-s", limits.cpu_s_max), ("descriptors", limits.descriptors_max)];
        arguments.extend(bounds.iter().filter_map(|(name, bound)| bound.map(|bound| format!("--{name}={bound}"))));
        arguments.push("--".to_owned());
        arguments
    }

    /// Reads what [`Orders::to_arguments`] wrote, up to and with `--`; what follows is left in `arguments`.
    pub(crate) fn parse(arguments: &mut impl Iterator<Item = OsString>) -> Option<Self> {
        let mut parent = None;
        let mut death_signal = None;
        let mut niceness = None;
        let (mut data_bytes_max, mut cpu_s_max, mut descriptors_max) = (None, None, None);
        loop {
            let argument = arguments.next()?.into_string().ok()?;
            if argument == "--" {
                break;
            }
            let (name, value) = argument.split_once('=')?;
            match name {
                "--parent" => parent = Some(value.parse().ok()?),
                "--death-signal" => death_signal = Some(DeathSignal::find(value)?),
                "--data-bytes" => data_bytes_max = Some(value.parse().ok()?),
                "--cpu-s" => cpu_s_max = Some(value.parse().ok()?),
                "--niceness" => niceness = Some(value.parse().ok()?),
                "--descriptors" => descriptors_max = Some(value.parse().ok()?),
                _ => return None,
            }
        }
        let limits = ChildLimits { data_bytes_max, cpu_s_max, descriptors_max, niceness: niceness?, death_signal: death_signal? };
        Some(Self { parent: parent?, limits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_read_back_as_they_were_written() {
        let limits = ChildLimits {
            data_bytes_max: Some(1 << 30),
            cpu_s_max: None,
            descriptors_max: Some(64),
            niceness: 19,
            death_signal: DeathSignal::Kill,
        };
        let orders = Orders { parent: 42, limits };

        let mut arguments = orders.to_arguments().into_iter().chain(["--program".to_owned()]).map(OsString::from);

        assert_eq!(Orders::parse(&mut arguments), Some(orders));
        assert_eq!(arguments.next(), Some("--program".into()));
    }

    #[test]
    fn a_wrong_order_is_refused() {
        for wrong in [
            vec![],
            vec!["--parent=1"],
            vec!["--parent=1", "--"],
            vec!["--parent=x", "--death-signal=kill", "--"],
            vec!["--parent=1", "--death-signal=hug", "--"],
            vec!["--parent=1", "--death-signal=kill", "--core=1", "--"],
        ] {
            assert_eq!(Orders::parse(&mut wrong.iter().map(OsString::from)), None, "{wrong:?}");
        }
    }
}
