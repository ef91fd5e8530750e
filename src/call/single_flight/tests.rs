//! Single flight, by threads as they come and, with the feature `shuttle`, under a scheduler that explores
//! interleavings. The work behind the gate is a refresh against a server that counts how often each token
//! arrives.

use super::*;
use crate::call::hooks::Hooks;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

#[cfg(feature = "shuttle")]
use shuttle::thread;
#[cfg(not(feature = "shuttle"))]
use std::thread;

fn call() -> Call {
    Call::begin(Arc::new(Hooks::default()), Duration::from_secs(60))
}

/// The process as far as it matters here: the token in use, and what the server has seen.
#[derive(Default)]
struct World {
    single_flight: SingleFlight,
    token: AtomicU32,
    arrivals: [AtomicU32; 4],
    failing: AtomicBool,
}

impl World {
    /// As `Client::obtain`: another token than the refused one, by one's own refresh or another's.
    fn another_than(&self, refused: u32) -> Result<u32> {
        let call = call();
        loop {
            match self.single_flight.start_or_join(&call)? {
                Entry::Joined(outcome) => outcome?,
                Entry::Started(flight) if self.token.load(Ordering::SeqCst) == refused => {
                    let outcome = self.refresh(refused);
                    flight.finish(outcome.clone());
                    outcome?;
                }
                Entry::Started(_) => {}
            }
            let token = self.token.load(Ordering::SeqCst);
            if token != refused {
                return Ok(token);
            }
        }
    }

    fn refresh(&self, token: u32) -> Result<()> {
        self.arrivals[token as usize].fetch_add(1, Ordering::SeqCst);
        thread::yield_now();
        if self.failing.load(Ordering::SeqCst) {
            return Err(Error::new(Status::TM_NETWORK, "down"));
        }
        self.token.store(token + 1, Ordering::SeqCst);
        Ok(())
    }

    fn most_arrivals(&self) -> u32 {
        self.arrivals.iter().map(|count| count.load(Ordering::SeqCst)).max().unwrap_or(0)
    }
}

fn together(threads: u32, work: impl Fn(u32) + Send + Sync + 'static) {
    let work = Arc::new(work);
    let spawned: Vec<_> = (0..threads)
        .map(|n| {
            let work = Arc::clone(&work);
            thread::spawn(move || work(n))
        })
        .collect();
    for thread in spawned {
        thread.join().unwrap();
    }
}

/// Thousands of schedules under the exploring scheduler; otherwise as often as threads allow in a moment.
fn explore(scenario: impl Fn() + Send + Sync + 'static) {
    #[cfg(feature = "shuttle")]
    {
        let scenario = Arc::new(scenario);
        let again = Arc::clone(&scenario);
        shuttle::check_random(move || scenario(), 5_000);
        shuttle::check_pct(move || again(), 5_000, 3);
    }
    #[cfg(not(feature = "shuttle"))]
    for _ in 0..500 {
        scenario();
    }
}

#[test]
fn r2_any_number_of_callers_hit_by_one_401_cause_one_refresh() {
    explore(|| {
        let world = Arc::new(World::default());
        let seen = Arc::clone(&world);
        together(3, move |_| {
            let second = world.another_than(0).unwrap();
            world.another_than(second).unwrap();
        });
        assert_eq!(seen.most_arrivals(), 1, "a token was sent twice");
    });
}

#[test]
fn f3_a_failure_is_shared_by_those_who_waited_and_by_nobody_else() {
    explore(|| {
        let world = Arc::new(World::default());
        world.failing.store(true, Ordering::SeqCst);
        let seen = Arc::clone(&world);
        together(3, move |_| {
            assert_eq!(world.another_than(0).unwrap_err().status(), Status::TM_NETWORK);
        });
        seen.failing.store(false, Ordering::SeqCst);
        assert_eq!(seen.another_than(0).unwrap(), 1);
    });
}

#[test]
fn f3_the_outcome_of_a_caller_that_was_interrupted_is_nobodys_but_its_own() {
    explore(|| {
        let world = Arc::new(World::default());
        let leader = Arc::clone(&world);
        together(3, move |n| match n {
            0 => {
                if let Some(flight) = leader.single_flight.try_start(&call()) {
                    thread::yield_now();
                    flight.finish(Err(Error::interrupted("its own affair")));
                }
            }
            _ => assert_eq!(leader.another_than(0).unwrap(), 1),
        });
        assert_eq!(world.most_arrivals(), 1);
    });
}

#[test]
fn a_pass_that_is_dropped_lets_the_next_one_in() {
    explore(|| {
        let world = Arc::new(World::default());
        together(3, move |_| drop(world.single_flight.start(&call()).unwrap()));
    });
}

/// What depends on the real clock and the real stack.
#[cfg(not(feature = "shuttle"))]
mod waits {
    use super::*;

    fn interrupted() -> Call {
        let hooks = Hooks { interrupt: Some(Arc::new(|| true)), ..Hooks::default() };
        Call::begin(Arc::new(hooks), Duration::from_secs(60))
    }

    #[test]
    fn a_waiter_asks_its_own_interrupt_callback() {
        let single_flight = Arc::new(SingleFlight::default());
        let call = call();
        let flight = single_flight.try_start(&call).unwrap();
        let waiter = Arc::clone(&single_flight);
        let ended = thread::spawn(move || waiter.start_or_join(&interrupted()).map(|_| ()).unwrap_err().status());
        assert_eq!(ended.join().unwrap(), Status::TM_CANCELLED);
        drop(flight);
    }

    #[test]
    fn a_waiter_keeps_to_its_own_time() {
        let single_flight = Arc::new(SingleFlight::default());
        let call = call();
        let flight = single_flight.try_start(&call).unwrap();
        let waiter = Arc::clone(&single_flight);
        let ended = thread::spawn(move || {
            let call = Call::begin(Arc::new(Hooks::default()), Duration::from_millis(1));
            waiter.start_or_join(&call).map(|_| ()).unwrap_err().status()
        });
        assert_eq!(ended.join().unwrap(), Status::TM_TIMEOUT);
        drop(flight);
    }

    #[test]
    fn a_holder_that_never_comes_back_is_passed_over_when_its_time_is_over() {
        let single_flight = SingleFlight::default();
        let short = Call::begin(Arc::new(Hooks::default()), Duration::from_millis(1));
        std::mem::forget(single_flight.try_start(&short).unwrap());
        thread::scope(|scope| {
            scope.spawn(|| assert!(single_flight.start_or_join(&call()).is_ok()));
        });
    }

    /// A call that holds the gate, and what is done in a callback of it.
    fn in_callback_of_holder<'a>(single_flight: &'a SingleFlight, callback: impl FnOnce()) -> Flight<'a> {
        let call = call();
        let flight = single_flight.try_start(&call).unwrap();
        call.run_callback(callback);
        flight
    }

    #[test]
    fn a_call_from_inside_the_holders_callback_is_reentrant() {
        let single_flight = SingleFlight::default();
        drop(in_callback_of_holder(&single_flight, || {
            let inner = call();
            assert!(single_flight.try_start(&inner).is_none());
            assert_eq!(single_flight.start_or_join(&inner).map(|_| ()).unwrap_err().status(), Status::TM_REENTRANT);
        }));
        assert!(single_flight.try_start(&call()).is_some());
    }

    /// Leaves a callback without returning. The frames in between have nothing to be dropped.
    #[test]
    fn a_holder_whose_callback_was_left_for_good_is_passed_over_by_its_own_threads_next_call() {
        let single_flight = SingleFlight::default();
        // A panic runs no more of the callback's frame than a longjmp does, and leaves the record as that leaves it.
        let outer = call();
        std::mem::forget(single_flight.try_start(&outer).unwrap());
        let left = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            outer.run_callback(|| std::panic::resume_unwind(Box::new(())))
        }));
        assert!(left.is_err());
        assert!(single_flight.try_start(&call()).is_some());
        std::mem::forget(outer);
    }
}
