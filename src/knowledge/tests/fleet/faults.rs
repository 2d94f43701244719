//! What the protocol asks for is needed: without it the same course of events ends in wrong counts.

use super::Step::{Count, Crash, Notice, Pause, Produce, Publish, Read, Rebalance, Resume, TakeOver};
use super::fixer::Fault;
use super::{Step, run};

/// Two messages of one group, which fixer 1 owns.
const FIRST: Step = Produce(1);
const SECOND: Step = Produce(9);
/// Fixer 1 is not there, and fixer 2 gets what it had.
const TO_FIXER_2: Step = Rebalance([0, 1]);

fn check(fault: Fault, flush_late: bool, course: &[&[Step]]) {
    let steps = course.concat();
    run(&steps, flush_late, None).unwrap();
    assert!(run(&steps, flush_late, Some(fault)).is_err(), "{fault:?} makes no difference");
}

fn taken_over(fixer: usize) -> [Step; 2] {
    [TakeOver(fixer), TakeOver(fixer)]
}

/// Begun, with records and offsets, committed.
fn published(fixer: usize) -> [Step; 4] {
    [Publish(fixer), Publish(fixer), Publish(fixer), Publish(fixer)]
}

fn read(fixer: usize) -> [Step; 4] {
    [Read(fixer), Read(fixer), Read(fixer), Read(fixer)]
}

#[test]
fn the_barrier_comes_after_the_committed_offset() {
    let begun = [FIRST, Count(1, 1), Publish(1), Publish(1), Pause(1), TO_FIXER_2, TakeOver(2)];
    // Its offsets were accepted in time, and its records leave only now.
    let late = [Resume(1), Publish(1), Publish(1), TakeOver(2)];
    check(Fault::BarrierFirst, true, &[&taken_over(1), &begun, &late]);
}

#[test]
fn there_is_a_barrier() {
    let lost = [Crash(1), TO_FIXER_2];
    check(
        Fault::NoBarrier,
        false,
        &[&taken_over(1), &[FIRST, Count(1, 1)], &published(1), &lost, &taken_over(2)],
    );
}

#[test]
fn offsets_go_with_the_records_that_belong_to_them() {
    let counted_meanwhile = [FIRST, SECOND, Count(1, 1), Publish(1), Count(1, 1)];
    let rest = [Publish(1), Publish(1), Publish(1), Crash(1)];
    check(Fault::LaterOffsets, false, &[&taken_over(1), &counted_meanwhile, &rest]);
}

#[test]
fn whoever_was_fenced_begins_anew() {
    let paused = [FIRST, SECOND, Count(1, 1), Pause(1), TO_FIXER_2];
    // It hears of the second from fixer 2, counts it itself, and is refused.
    let woken = [&[Resume(1)][..], &read(1), &[Count(1, 1)], &published(1)].concat();
    check(
        Fault::NoRebuild,
        false,
        &[&taken_over(1), &paused, &taken_over(2), &[Count(2, 2)], &published(2), &woken],
    );
}

#[test]
fn ids_are_learnt() {
    let again = [FIRST, Count(2, 1)];
    check(
        Fault::NoLearning,
        false,
        &[
            &taken_over(1),
            &[FIRST, Count(1, 1)],
            &published(1),
            &[Crash(1), TO_FIXER_2],
            &taken_over(2),
            &again,
        ],
    );
}

#[test]
fn whoever_believes_to_own_a_partition_hears_what_others_say_of_it() {
    let paused = [Pause(1), TO_FIXER_2];
    let woken = [&[Resume(1)][..], &read(1), &[Notice(1)]].concat();
    check(
        Fault::TrustsOwnership,
        false,
        &[
            &taken_over(1),
            &[FIRST, Count(1, 1)],
            &published(1),
            &paused,
            &taken_over(2),
            &[SECOND, Count(2, 1)],
            &published(2),
            &woken,
        ],
    );
}
