//! Faults on our side, outside the promise, that show whether the checker sees. Each has a test.

use crate::support::breach::Breach;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    None,
    /// Absences are believed long before a slow server has had its time.
    ShortDelay,
    /// The outbox gives the same slots to all workers.
    SameSlots,
    /// Two batches of one name make the same markers.
    NamedKeys,
    /// A user who sees nothing is believed absences.
    BelieveTheBlind,
    /// A short text that was seen stands for a long one, and HubSoft cuts long ones.
    AnySight,
    /// A marker in capitals is not known again.
    CompareBytes,
    /// Texts are not read as HTML.
    CompareEscaped,
    /// Waits are measured on a clock that can be set.
    SetWaits,
    /// Of the time before a run, only the machine's clock is asked.
    OneClock,
    /// Of that only HubSoft's is.
    HubSoftsClock,
    /// When its clock is set back, the outbox gives slots anew that it gave before.
    SlotsAnew,
    /// An error as the answer to a look-up stands for an empty list.
    BelieveErrors,
    /// So do tickets without a text, and those of another service.
    BelieveOthers,
    /// A page that is cut is taken for all there is.
    BelieveFullPages,
    /// What is no clear success is a refusal.
    RefuseUnclear,
    /// An error that names a ticket is a refusal.
    RefuseHalf,
    /// A 5xx is taken for "not carried out".
    ResendErrors,
    /// A lost answer is taken for "not sent".
    ResendLost,
    /// Any ticket of the service is taken for the row's.
    AdoptAny,
    /// Requests leave twice as fast as they should.
    TooFast,
    /// A ticket that looks older than an hour is none of ours.
    OldTickets,
    /// A look-up that was turned away stands for an empty list.
    BelieveRefusals,
    /// The outbox does so.
    Breach(Breach),
}

impl Sabotage {
    /// Whether its fleets are to live through failovers, or none; `None`: either.
    pub fn of_failovers(self) -> Option<bool> {
        let Self::Breach(breach) = self else { return None };
        match breach {
            Breach::SayNothing
            | Breach::WaitForNobody
            | Breach::KeepEarlierClaims
            | Breach::KeepWhatWasDone
            | Breach::ForgetTheForgotten
            | Breach::ForgetWhatWasNotHeard
            | Breach::SayOldClaims => Some(true),
            Breach::RescueTheLiving | Breach::KeepLeases => Some(false),
            _ => None,
        }
    }
}
