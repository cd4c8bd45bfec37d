//! The checker itself is checked: each sabotage breaks the promise in one way, as the program once did, or as
//! it could, and has to be noticed within a thousand seeds (three, which are rare, within 13,286).

use super::sabotage::Sabotage;
use super::{live, live_as_fleet};
use crate::support::breach::Breach;

/// An outbox that forgets doubts makes posts without look-ups.
#[test]
fn a_forgotten_doubt_is_caught() {
    caught(Sabotage::Breach(Breach::ForgetDoubts), "is posted again over");
}

#[test]
fn a_look_up_believed_too_early_is_caught() {
    caught(Sabotage::ShortDelay, "is posted again over");
}

#[test]
fn a_lost_row_is_caught() {
    caught(Sabotage::Breach(Breach::SkipRecovery), "is left InFlight");
}

#[test]
fn markers_made_of_a_name_are_caught() {
    caught(Sabotage::NamedKeys, "which is not its ticket");
}

#[test]
fn blind_eyes_that_are_believed_are_caught() {
    caught(Sabotage::BelieveTheBlind, "is posted again over");
}

#[test]
fn a_short_text_that_stands_for_a_long_one_is_caught() {
    caught(Sabotage::AnySight, "is posted again over");
}

#[test]
fn markers_compared_byte_by_byte_are_caught() {
    caught(Sabotage::CompareBytes, "is posted again over");
}

#[test]
fn markers_that_are_not_read_as_html_are_caught() {
    caught(Sabotage::CompareEscaped, "is posted again over");
}

#[test]
fn waits_on_a_clock_that_can_be_set_are_caught() {
    caught(Sabotage::SetWaits, "is posted again over");
}

#[test]
fn a_step_of_the_machines_clock_between_two_runs_is_caught_if_no_other_is_asked() {
    caught(Sabotage::OneClock, "is posted again over");
}

#[test]
fn a_step_of_hubsofts_clock_between_two_runs_is_caught_if_no_other_is_asked() {
    caught(Sabotage::HubSoftsClock, "is posted again over");
}

#[test]
fn an_error_that_is_believed_to_be_an_empty_list_is_caught() {
    caught(Sabotage::BelieveErrors, "is posted again over");
}

#[test]
fn tickets_that_tell_nothing_and_are_passed_over_are_caught() {
    caught(Sabotage::BelieveOthers, "is posted again over");
}

#[test]
fn a_full_page_that_is_believed_is_caught() {
    caught(Sabotage::BelieveFullPages, "is posted again over");
}

#[test]
fn an_answer_that_proves_nothing_and_is_taken_for_a_refusal_is_caught() {
    caught(Sabotage::RefuseUnclear, "is left Rejected with 1 tickets");
}

#[test]
fn half_a_success_that_is_taken_for_a_refusal_is_caught() {
    caught(Sabotage::RefuseHalf, "is left Rejected with 1 tickets");
}

#[test]
fn a_server_error_that_is_taken_for_nothing_done_is_caught() {
    caught(Sabotage::ResendErrors, "is posted again over");
}

#[test]
fn a_lost_answer_that_is_taken_for_nothing_sent_is_caught() {
    caught(Sabotage::ResendLost, "is posted again over");
}

#[test]
fn a_ticket_of_somebody_else_that_is_adopted_is_caught() {
    caught(Sabotage::AdoptAny, "which is not its ticket");
}

#[test]
fn one_absence_that_is_believed_is_caught() {
    caught_from(642, Sabotage::Breach(Breach::DoubleAbsences), "is posted again over");
}

#[test]
fn requests_that_leave_too_fast_are_caught() {
    caught(Sabotage::TooFast, "requests in a second");
}

#[test]
fn what_waits_too_long_is_caught() {
    caught(Sabotage::Breach(Breach::PutOff), "seconds until all was at rest");
}

#[test]
fn claims_without_a_need_are_caught() {
    caught(Sabotage::Breach(Breach::BeRestless), "claims, of");
}

#[test]
fn look_ups_without_a_rest_are_caught() {
    caught_from(219, Sabotage::Breach(Breach::Hurry), " requests, of");
}

#[test]
fn attempts_that_nobody_made_are_caught() {
    caught(Sabotage::Breach(Breach::CountTwice), " attempts on ");
}

#[test]
fn a_refusal_that_left_a_ticket_is_caught_at_once() {
    caught(Sabotage::RefuseHalf, "is settled as Rejected, and there is a ticket of it");
}

#[test]
fn a_row_that_is_posted_beside_one_of_its_service_is_caught() {
    caught(Sabotage::Breach(Breach::BlockNothing), "is posted while rows");
}

#[test]
fn rows_that_a_clean_stop_leaves_in_flight_are_caught() {
    caught_in_a_fleet_from(9, Sabotage::Breach(Breach::LoseOutcomes), "a clean stop left rows in flight");
}

#[test]
fn a_world_that_does_not_come_to_rest_is_caught() {
    caught(Sabotage::Breach(Breach::SkipRecovery), "has not come to rest");
}

#[test]
fn slots_given_twice_are_caught() {
    caught_in_a_fleet(Sabotage::SameSlots, "requests in a second");
}

#[test]
fn what_nobody_says_again_after_a_failover_is_caught() {
    caught_in_a_fleet(Sabotage::Breach(Breach::SayNothing), "is posted again over");
}

#[test]
fn slots_given_anew_after_a_step_of_the_databases_clock_are_caught() {
    caught_in_a_fleet(Sabotage::SlotsAnew, "requests in a second");
}

#[test]
fn a_ticket_that_a_set_clock_makes_too_old_is_caught() {
    caught(Sabotage::OldTickets, "is posted again over");
}

#[test]
fn a_look_up_that_was_turned_away_and_is_taken_for_an_absence_is_caught() {
    caught(Sabotage::BelieveRefusals, "is posted again over");
}

#[test]
fn a_claim_that_is_no_doubt_once_pending_is_written_over_it_is_caught() {
    caught(Sabotage::Breach(Breach::ClaimWithoutDoubt), "is posted again over");
}

#[test]
fn a_doubt_that_begins_while_the_answer_is_waited_for_is_caught() {
    caught_from(8874, Sabotage::Breach(Breach::DoubtFromClaim), "is posted again over");
}

#[test]
fn a_conflict_that_is_tried_again_without_its_doubt_is_caught() {
    caught(Sabotage::Breach(Breach::ForgetConflicts), "is posted again over");
}

#[test]
fn a_doubt_that_is_forgotten_by_who_tries_again_is_caught() {
    caught(Sabotage::Breach(Breach::RetryDoubts), "is posted again over");
}

#[test]
fn a_row_in_doubt_that_is_withdrawn_is_caught() {
    caught(Sabotage::Breach(Breach::WithdrawDoubts), "is left Cancelled with 1 tickets");
}

#[test]
fn rows_of_a_service_that_do_not_wait_for_each_other_are_caught() {
    caught(Sabotage::Breach(Breach::BlockNothing), "in flight together");
}

#[test]
fn outcomes_that_were_not_stored_and_are_let_go_are_caught() {
    caught_in_a_fleet_from(126, Sabotage::Breach(Breach::LoseOutcomes), "is posted again over");
}

#[test]
fn claims_before_all_have_spoken_after_a_failover_are_caught() {
    caught_in_a_fleet_from(122, Sabotage::Breach(Breach::WaitForNobody), "is posted again over");
}

#[test]
fn leases_that_a_clock_set_back_makes_longer_are_caught() {
    caught_in_a_fleet_from(831, Sabotage::Breach(Breach::KeepLeases), "seconds until all was at rest");
}

#[test]
fn a_rescue_from_a_worker_whose_lease_lasts_is_caught() {
    caught_in_a_fleet_from(0, Sabotage::Breach(Breach::RescueTheLiving), "whose lease has ended");
}

#[test]
fn an_earlier_claim_that_stands_over_a_later_one_is_caught() {
    caught_in_a_fleet_from(271, Sabotage::Breach(Breach::KeepEarlierClaims), "is posted again over");
}

#[test]
fn a_lost_claim_that_does_not_count_where_the_row_was_done_with_is_caught() {
    caught_in_a_fleet_from(49, Sabotage::Breach(Breach::KeepWhatWasDone), "with 1 tickets");
}

#[test]
fn a_forgotten_worker_that_says_nothing_is_caught() {
    caught_in_a_fleet_from(573, Sabotage::Breach(Breach::ForgetTheForgotten), "is posted again over");
}

#[test]
fn an_earlier_claim_under_the_same_token_that_is_said_again_is_caught() {
    caught_in_a_fleet_from(13285, Sabotage::Breach(Breach::SayOldClaims), "is posted again over");
}

#[test]
fn a_server_that_forgot_a_worker_and_is_told_nothing_is_caught() {
    caught_in_a_fleet_from(6148, Sabotage::Breach(Breach::ForgetWhatWasNotHeard), "is posted again over");
}

/// The table in `docs/guarantees.md` says how many holes there are, and names sabotages that are tried here.
#[test]
fn each_hole_that_is_told_of_is_put_back() {
    let told = include_str!("../../../docs/guarantees.md");
    let (_, table) = told.split_once("| The hole | Put back as |").expect("there is a table");
    let rows = table.lines().skip(2).map_while(|it| it.strip_prefix("| "));
    let holes: Vec<_> = rows.filter_map(|it| it.rsplit_once(" | `")).collect();
    assert!(told.contains(&format!("from outside: {} holes", holes.len())), "there are {}", holes.len());
    for name in holes.iter().flat_map(|(_, names)| names.split('`').step_by(2)) {
        let is_tried = [format!("::{name},"), format!("::{name})")];
        assert!(is_tried.iter().any(|it| include_str!("caught.rs").contains(it)), "nobody tries {name}");
    }
}

/// Within a thousand seeds, or by `first`; those from there on are tried first.
#[track_caller]
fn caught_from(first: u64, sabotage: Sabotage, expected: &str) {
    let mut violations = seeds_from(first).flat_map(|seed| live(seed, sabotage).violations);
    assert!(violations.any(|it| it.contains(expected)), "nobody noticed {sabotage:?}");
}

#[track_caller]
fn caught(sabotage: Sabotage, expected: &str) {
    caught_from(0, sabotage, expected);
}

#[track_caller]
fn caught_in_a_fleet_from(first: u64, sabotage: Sabotage, expected: &str) {
    let mut violations = seeds_from(first).flat_map(|seed| live_as_fleet(seed, sabotage).violations);
    assert!(violations.any(|it| it.contains(expected)), "nobody noticed {sabotage:?}");
}

#[track_caller]
fn caught_in_a_fleet(sabotage: Sabotage, expected: &str) {
    caught_in_a_fleet_from(0, sabotage, expected);
}

fn seeds_from(first: u64) -> impl Iterator<Item = u64> {
    (first..1000.max(first + 1)).chain(0..first)
}
