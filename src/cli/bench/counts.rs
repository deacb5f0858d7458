//! What a server's work comes to in what the processor and the kernel count of it.

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// In user space, as the next but one.
    Instructions,
    KernelInstructions,
    Cycles,
    KernelCycles,
    ContextSwitches,
    SystemCalls,
}

/// All kinds, with their names for machines and for people.
pub(super) const KINDS: [(Kind, &str, &str); 6] = [
    (Kind::Instructions, "instructions_user", "instructions"),
    (Kind::KernelInstructions, "instructions_kernel", "instructions in the kernel"),
    (Kind::Cycles, "cycles_user", "cycles"),
    (Kind::KernelCycles, "cycles_kernel", "cycles in the kernel"),
    (Kind::ContextSwitches, "context_switches", "context switches"),
    (Kind::SystemCalls, "system_calls", "system calls"),
];

/// Why something was not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "each system has its own reasons")]
pub(super) enum Refusal {
    /// There is no such counter.
    Absent,
    /// The kernel doesn't let us.
    Forbidden,
    /// The kernel doesn't show the number of its tracepoint.
    Untraced,
    /// Too many threads for the descriptors that there are.
    Descriptors,
    /// No thread of it could be watched for another reason.
    Failed,
    /// This system has nothing of the kind.
    Elsewhere,
    /// Nobody has asked, or it was not saved.
    Unknown,
}

impl Refusal {
    fn words(self) -> Option<&'static str> {
        Some(match self {
            Refusal::Absent => {
                "this machine has no counters for that, as is usual for a virtual one"
            }
            Refusal::Forbidden => {
                "the kernel doesn't let us (kernel.perf_event_paranoid, CAP_PERFMON, or a container's filter)"
            }
            Refusal::Untraced => {
                "its tracepoint can't be found without /sys/kernel/tracing, which root may read"
            }
            Refusal::Descriptors => {
                "it has too many threads for our limit of file descriptors: see ulimit -n"
            }
            Refusal::Failed => "none of its threads could be watched",
            Refusal::Elsewhere => "that takes perf_event_open(2), which Linux has",
            Refusal::Unknown => return None,
        })
    }
}

/// How often each kind came within the measured time, or why that isn't known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counts([Result<u64, Refusal>; KINDS.len()]);

impl Default for Counts {
    fn default() -> Counts {
        Counts::by(|_| Err(Refusal::Unknown))
    }
}

impl Counts {
    pub(super) fn by(count: impl Fn(Kind) -> Result<u64, Refusal>) -> Counts {
        Counts(KINDS.map(|(kind, ..)| count(kind)))
    }

    pub(super) fn of(&self, kind: Kind) -> Result<u64, Refusal> {
        self.0[kind as usize]
    }

    /// What has come since then.
    pub(super) fn since(&self, before: &Counts) -> Counts {
        Counts::by(|kind| Ok(self.of(kind)?.saturating_sub(before.of(kind)?)))
    }

    /// The instructions of both kinds, if both are known: of one of them alone nothing follows.
    pub(super) fn instructions(&self) -> Option<u64> {
        let kernel = self.of(Kind::KernelInstructions).ok()?;
        Some(self.of(Kind::Instructions).ok()? + kernel)
    }

    /// What could not be counted, and why: a sentence for each reason.
    pub(super) fn refusals(&self) -> Vec<String> {
        let mut reasons: Vec<Refusal> = self.0.iter().filter_map(|it| it.err()).collect();
        let mut seen = Vec::new();
        reasons.retain(|reason| {
            !seen.contains(reason) && {
                seen.push(*reason);
                true
            }
        });
        let sentence = |reason: Refusal| {
            let words = reason.words()?;
            let refused = |kind| self.of(kind) == Err(reason);
            let whole = |own, kernel| refused(own) && refused(kernel);
            let mut names = Vec::new();
            for (kind, _, name) in KINDS {
                let is_told = match kind {
                    Kind::KernelInstructions => whole(Kind::Instructions, kind),
                    Kind::KernelCycles => whole(Kind::Cycles, kind),
                    _ => false,
                };
                if refused(kind) && !is_told {
                    names.push(name);
                }
            }
            let last = names.pop()?;
            let names = if names.is_empty() {
                last.to_owned()
            } else {
                format!("{} and {last}", names.join(", "))
            };
            Some(format!("The server's {names} could not be counted: {words}."))
        };
        reasons.into_iter().filter_map(sentence).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_counted_is_said_once_for_each_reason() {
        let counts = Counts::by(|kind| match kind {
            Kind::ContextSwitches => Ok(7),
            Kind::SystemCalls => Err(Refusal::Untraced),
            _ => Err(Refusal::Absent),
        });
        let sentences = counts.refusals();
        assert_eq!(sentences.len(), 2);
        assert!(
            sentences[0].starts_with("The server's instructions and cycles could not be counted")
        );
        assert!(sentences[1].starts_with("The server's system calls could not"), "{sentences:?}");
        assert_eq!(Counts::default().refusals(), [""; 0]);

        let only_kernel = Counts::by(|kind| match kind {
            Kind::KernelInstructions | Kind::KernelCycles => Err(Refusal::Forbidden),
            _ => Ok(1),
        });
        let sentences = only_kernel.refusals();
        assert!(sentences[0].contains("instructions in the kernel and cycles in the kernel"));
        assert_eq!(only_kernel.instructions(), None);
    }

    #[test]
    fn counts_are_of_the_time_in_between() {
        let before = Counts::by(|kind| Ok(kind as u64));
        let after = Counts::by(|kind| match kind {
            Kind::Cycles => Err(Refusal::Failed),
            _ => Ok(10),
        });
        let counts = after.since(&before);
        assert_eq!(counts.of(Kind::SystemCalls), Ok(5));
        assert_eq!(counts.of(Kind::Cycles), Err(Refusal::Failed));
        assert_eq!(counts.instructions(), Some(19));
    }
}
