//! What goes wrong around a process.

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Link {
    HubSoft,
    Database,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trouble {
    /// `kill -9`.
    Kill,
    /// SIGTERM.
    Stop,
    /// SIGSTOP, for a while.
    Freeze,
    /// The first worker, until its rows have been taken over.
    FreezePastTheLease,
    /// Nothing passes, and nobody is told.
    Stall(Link),
    /// Connections end, also new ones.
    Cut(Link),
    DatabaseFalls,
    /// A standby takes over, without the last commits.
    DatabaseFailsOver,
    /// For everybody on this machine, by up to three hours, ahead or back; it stays so.
    ClockIsSet,
    DiskIsFull,
}
