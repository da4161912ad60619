//! What conversations are found to be: recorded ones of real programs, written ones of every dialect, and hostile ones.

mod conversation;
mod evasion;
mod invariance;
mod mining;
mod recorded;
mod written;
