//! Measures the library's memory, without the memory of the check itself.

/// Counts memory that is allocated and not freed inside [`run`](Meter::run).
#[derive(Default)]
pub(crate) struct Meter {
    held_bytes: i64,
    peak_bytes: i64,
}

impl Meter {
    pub(crate) fn run(&mut self, library: impl FnOnce()) {
        let counted = allocation_counter::measure(library);
        let peak = i64::try_from(counted.bytes_max).unwrap_or(i64::MAX);
        self.peak_bytes = self.peak_bytes.max(self.held_bytes.saturating_add(peak));
        self.held_bytes += counted.bytes_current;
    }

    #[track_caller]
    pub(crate) fn assert_held_at_most(&self, bytes: usize) {
        let most = i64::try_from(bytes).unwrap_or(i64::MAX);
        let held = self.held_bytes;
        assert!(held <= most, "{held} bytes are not freed, over {bytes}");
    }

    #[track_caller]
    pub(crate) fn assert_peak_at_most(&self, bytes: usize) {
        let most = i64::try_from(bytes).unwrap_or(i64::MAX);
        let peak = self.peak_bytes;
        assert!(peak <= most, "the peak is {peak} bytes, over {bytes}");
    }
}
