//! Work that falls apart into pieces, on all processors.

use std::collections::BTreeMap;
use std::sync::mpsc::sync_channel;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Does `work` for each number below `count`, and gives `take` what comes of it in the order of the numbers. No more than a few
/// results wait at a time, however uneven the work is. The first error ends it.
pub(crate) fn each<T: Send, E: Send>(
    count: usize,
    work: impl Fn(usize) -> Result<T, E> + Sync,
    mut take: impl FnMut(T) -> Result<(), E>,
) -> Result<(), E> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(count);
    let pace = Pace { count, ahead: 2 * threads, state: Mutex::default(), moved: Condvar::new() };
    thread::scope(|scope| {
        // Whatever ends this ends the workers too.
        let end = End(&pace);
        let (sender, receiver) = sync_channel(threads);
        for _ in 0..threads {
            let (sender, pace, work) = (sender.clone(), &pace, &work);
            scope.spawn(move || {
                // A panic in here must not let the others wait for ever.
                let end = End(pace);
                while let Some(at) = pace.next() {
                    if sender.send((at, work(at))).is_err() {
                        return;
                    }
                }
                std::mem::forget(end);
            });
        }
        drop(sender);
        let (mut waiting, mut taken) = (BTreeMap::new(), 0);
        for (at, done) in receiver {
            waiting.insert(at, done?);
            while let Some(done) = waiting.remove(&taken) {
                taken += 1;
                take(done)?;
                pace.taken();
            }
        }
        drop(end);
        Ok(())
    })
}

/// Who does what next, and how far ahead of what was taken.
struct Pace {
    count: usize,
    ahead: usize,
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Default)]
struct State {
    next: usize,
    taken: usize,
    ended: bool,
}

impl Pace {
    /// The next number, once it is not too far ahead.
    fn next(&self) -> Option<usize> {
        let wait = |state: &mut State| !state.ended && state.next >= state.taken + self.ahead;
        let state = self.moved.wait_while(self.state(), wait);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        let at = state.next;
        state.next += 1;
        (!state.ended && at < self.count).then_some(at)
    }

    fn taken(&self) {
        self.state().taken += 1;
        self.moved.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What is in there is right at every moment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the work when it is dropped.
struct End<'p>(&'p Pace);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.state().ended = true;
        self.0.moved.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_of_it_comes_in_order() {
        let mut taken = Vec::new();
        let done = each(
            100,
            |at| {
                // The first take longest.
                thread::sleep(std::time::Duration::from_micros((100 - at as u64) * 10));
                Ok::<_, ()>(at)
            },
            |at| {
                taken.push(at);
                Ok(())
            },
        );
        assert_eq!((done, taken), (Ok(()), (0..100).collect()));
    }

    #[test]
    fn an_error_ends_it_and_nothing_waits() {
        assert_eq!(each(1000, |at| if at == 3 { Err("work") } else { Ok(()) }, |()| Ok(())), Err("work"));
        assert_eq!(each(1000, Ok, |at| if at == 3 { Err("taking") } else { Ok(()) }), Err("taking"));
        assert_eq!(each(0, Ok::<_, ()>, |_| Ok(())), Ok(()));
    }

    #[test]
    #[should_panic(expected = "a scoped thread panicked")]
    fn a_panic_in_the_work_ends_it() {
        let work = |at| {
            assert!(at != 3, "in the work");
            Ok::<_, ()>(())
        };
        let _ = each(1000, work, Ok);
    }

    #[test]
    #[should_panic(expected = "in the taking")]
    fn a_panic_in_the_taking_ends_it() {
        let take = |at| {
            assert!(at != 3, "in the taking");
            Ok::<_, ()>(())
        };
        let _ = each(1000, Ok, take);
    }
}
