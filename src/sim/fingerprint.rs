//! A fingerprint of a conversation: equal for equal ones, and cheap.

/// A hash of everything that was delivered, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Fingerprint(u64);

impl Fingerprint {
    pub(super) fn add(&mut self, at_nanos: u64, line: &[u8]) {
        self.mix(at_nanos);
        let mut words = line.chunks_exact(8);
        for word in &mut words {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(word);
            self.mix(u64::from_le_bytes(bytes));
        }
        for &byte in words.remainder() {
            self.mix(u64::from(byte));
        }
    }

    /// Not for secrets: one multiplication a word, as FxHash does it.
    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517C_C1B7_2722_0A95);
    }

    pub(super) fn number(self) -> u64 {
        self.0
    }
}
