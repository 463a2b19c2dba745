//! What happened, line by line: the last forty, or all; and a fingerprint of everything.

use std::collections::VecDeque;

const KEPT: usize = 40;

#[derive(Debug, Default)]
pub(super) struct Trace {
    last: VecDeque<String>,
    all: Option<String>,
    fingerprint: u64,
}

impl Trace {
    pub(super) fn new(traced: bool) -> Self {
        Trace { last: VecDeque::new(), all: traced.then(String::new), fingerprint: 0xcbf2_9ce4_8422_2325 }
    }

    pub(super) fn line(&mut self, line: String) {
        self.mix(line.as_bytes());
        if let Some(all) = &mut self.all {
            all.push_str(&line);
            all.push('\n');
        }
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    /// What is too frequent for a line still counts for the fingerprint.
    pub(super) fn mix(&mut self, bytes: &[u8]) {
        let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        self.fingerprint = bytes.iter().fold(self.fingerprint, mix);
    }

    pub(super) fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    pub(super) fn story(&self) -> String {
        let last = || self.last.iter().map(|line| format!("{line}\n")).collect();
        self.all.clone().unwrap_or_else(last)
    }

    pub(super) fn all(&self) -> String {
        self.all.clone().unwrap_or_default()
    }
}
