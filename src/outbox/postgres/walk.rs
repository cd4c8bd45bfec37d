//! How far a worker has come among what is parked.

/// Where the last step came to: the next begins behind it, so that many that cannot go hide none that can.
pub(super) struct Walk {
    pub(super) lote: (String, i64),
    pub(super) service: i64,
}

impl Default for Walk {
    /// Before the first: services are not negative, nor numbers of batches.
    fn default() -> Self {
        Self { lote: (String::new(), -1), service: -1 }
    }
}
