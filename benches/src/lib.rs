//! Measuring Martlet: the bare limit program, the load generator and what they share.
//!
//! Every published figure is a ratio of two programs measured in turns in one run: see
//! `ratio --help`. The parts: [`relay`] is the limit program, [`load`] the generator; [`flight`]
//! knows when a message is complete, [`schedule`] when one is meant to leave, [`tally`] and
//! [`report`] what is told of a run; [`sys`] and [`proc`] hold what is Linux.

pub mod account;
pub mod clock;
pub mod credit;
pub mod fanout;
pub mod flight;
pub mod hall;
pub mod idle;
pub mod link;
pub mod load;
pub mod mark;
pub mod output;
pub mod proc;
pub mod progress;
pub mod ratio;
pub mod relay;
pub mod report;
pub mod roster;
pub mod schedule;
pub mod sys;
pub mod tally;
pub mod watch;
