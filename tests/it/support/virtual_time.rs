//! Time as a test has it. (`simulation` has its own, by the same name.)

/// Runs `test` on one thread under virtual time: whenever all wait, the next timer is due at once.
pub fn in_virtual_time<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O can be built")
        .block_on(test)
}
