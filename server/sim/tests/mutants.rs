//! Servers that are wrong on purpose: each is caught within a few seeds, or the ledger is blind.
#![allow(missing_docs, reason = "a test binary has no public interface")]

use martlet_sim::{Mutant, run_mutant};

/// Seeds that a fault may take to be seen.
const SEEDS: u64 = 160;

/// Everything that the ledger says about a mutant, seed after seed.
fn said_of(mutant: Mutant) -> impl Iterator<Item = String> {
    (0..SEEDS).flat_map(move |seed| run_mutant(seed, mutant).violations)
}

#[test]
fn every_wrong_server_is_caught() {
    let missed: Vec<_> = Mutant::ALL
        .into_iter()
        .filter(|mutant| said_of(*mutant).next().is_none())
        .collect();
    assert!(missed.is_empty(), "not caught in {SEEDS} seeds: {missed:?}");
}

/// Each fault is seen as what it is, not only by an accident elsewhere.
#[test]
fn faults_are_told_by_their_name() {
    for (mutant, words) in [
        // What was told and then taken back is a hole in the chain of its author's messages.
        (Mutant::EffectsBeforeSync, "for no reason: Missing"),
        (Mutant::LastSyncLost, "is lost"),
        (Mutant::ReceiptDropped, "but it was delivered"),
        (Mutant::ReadWithoutReading, "was read by nobody"),
        (Mutant::ItemPushedTwice, "broke the protocol"),
        (Mutant::GapSwallowed, "broke the protocol"),
        (Mutant::SentBeforeCopies, "for no reason: Missing"),
        (Mutant::RetryForgotten, "was placed twice"),
        (Mutant::SendsSwapped, "out of order"),
        (Mutant::EnvelopeChanged, "is changed"),
        (Mutant::PrekeyGivenTwice, "is handed out twice"),
        (Mutant::PrekeysBack, "is handed out twice"),
        (Mutant::RemovedStays, "was removed and has its connection"),
        (Mutant::RemovedInboxKept, "rows wait for it"),
        (Mutant::StalePlaced, "made for an old list"),
        (Mutant::PartsSwapped, "is changed"),
    ] {
        let is_told = said_of(mutant).any(|said| said.contains(words));
        assert!(is_told, "no seed says of {mutant:?} that something {words}");
    }
}
