//! How an outbox in memory can break its promises, so that a checker can be seen to notice.

/// One at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Breach {
    #[default]
    None,
    /// What is in doubt is given out to be posted.
    ForgetDoubts,
    /// Any ticket that was seen stands for texts of any length.
    OverstateSights,
    /// What waits is due later than it was to be.
    PutOff,
    /// What waits is due at once.
    Hurry,
    /// An attempt counts as two.
    CountTwice,
    /// It says that something is due.
    BeRestless,
    /// One absence counts as two.
    DoubleAbsences,
    /// What a predecessor left in flight stays so.
    SkipRecovery,
    /// A claim to post leaves no doubt, so that who writes `pending` over the row has it posted.
    ClaimWithoutDoubt,
    /// That doubt begins at the claim, not when nobody waits for the answer any more.
    DoubtFromClaim,
    /// Whoever tries a row in conflict again has it posted.
    ForgetConflicts,
    /// Whoever tries a row again that was in doubt has it posted.
    RetryDoubts,
    /// What is gone from its file is withdrawn though it is in doubt.
    WithdrawDoubts,
    /// Rows of one service do not wait for each other.
    BlockNothing,
    /// Outcomes are said to be stored that are not.
    LoseOutcomes,
    /// After a failover nobody says again what it did.
    SayNothing,
    /// After a failover nobody waits for what the others have to say.
    WaitForNobody,
    /// What a worker holds is taken over by another although its lease lasts.
    RescueTheLiving,
    /// A clock that is set back makes leases longer.
    KeepLeases,
    /// The earlier claim of a row stands though a later one that was lost is said again.
    KeepEarlierClaims,
    /// A claim that was lost does not count where the row was done with before.
    KeepWhatWasDone,
    /// A worker that a failover forgot is taken for one that has nothing to say.
    ForgetTheForgotten,
    /// A server that forgot a worker is taken for one that has heard all that it did.
    ForgetWhatWasNotHeard,
    /// What became of an earlier claim under the same token is said again.
    SayOldClaims,
}
