//! A circuit breaker: a partner that fails is left alone, and asked again by one request.
//!
//! Closed until at least [`FAILURES`] answers failed within a second and they are at least half
//! of all; then open for a second, twice as long each time it fails again, to half a minute.
//! After that one request goes through as a probe; its answer closes or opens the breaker. The
//! probe's slot is given back when its ticket is dropped without an answer.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Failures within a second that open the breaker.
pub const FAILURES: u32 = 5;

const WINDOW: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The breaker of one partner on one worker.
#[derive(Debug, Default)]
pub struct Breaker {
    state: Cell<State>,
    window: Cell<Window>,
    pause: Cell<Duration>,
    /// Grows with each change of state, so that answers to older requests do not count.
    era: Cell<u32>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    Open {
        until: Instant,
    },
    /// The next request is the probe.
    HalfOpen,
    /// The probe is under way.
    Probing,
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    since: Option<Instant>,
    answers: u32,
    failures: u32,
}

/// Permission for one request, to be settled with its outcome.
#[derive(Debug)]
pub struct Ticket {
    breaker: Rc<Breaker>,
    era: u32,
    settled: bool,
}

impl Breaker {
    /// Asks whether a request may go out at `now`; `None` means no.
    pub fn admit(self: &Rc<Self>, now: Instant) -> Option<Ticket> {
        match self.state.get() {
            State::Closed => {}
            State::HalfOpen => self.enter(State::Probing),
            State::Open { until } if now >= until => self.enter(State::Probing),
            State::Open { .. } | State::Probing => return None,
        }
        Some(Ticket {
            breaker: Rc::clone(self),
            era: self.era.get(),
            settled: false,
        })
    }

    /// Whether requests go through without being a probe.
    pub fn is_closed(&self) -> bool {
        self.state.get() == State::Closed
    }

    /// Whether nothing goes through at `now`.
    pub fn is_open(&self, now: Instant) -> bool {
        match self.state.get() {
            State::Closed | State::HalfOpen => false,
            State::Open { until } => now < until,
            State::Probing => true,
        }
    }

    fn enter(&self, state: State) {
        self.state.set(state);
        self.era.set(self.era.get().wrapping_add(1));
    }

    fn open(&self, now: Instant) {
        let pause = match self.pause.get() {
            Duration::ZERO => FIRST_PAUSE,
            last => (last * 2).min(LONGEST_PAUSE),
        };
        self.pause.set(pause);
        self.window.set(Window::default());
        self.enter(State::Open { until: now + pause });
    }

    fn answered(&self, failed: bool, now: Instant) {
        if self.state.get() == State::Probing {
            if failed {
                self.open(now);
            } else {
                self.pause.set(Duration::ZERO);
                self.window.set(Window::default());
                self.enter(State::Closed);
            }
            return;
        }
        let mut window = self.window.get();
        if window
            .since
            .is_none_or(|since| now.saturating_duration_since(since) > WINDOW)
        {
            window = Window {
                since: Some(now),
                ..Window::default()
            };
        }
        window.answers += 1;
        window.failures += u32::from(failed);
        self.window.set(window);
        if window.failures >= FAILURES && window.failures * 2 >= window.answers {
            self.open(now);
        }
    }
}

impl Ticket {
    /// The partner answered in good order.
    pub fn succeeded(self, now: Instant) {
        self.settle(false, now);
    }

    /// The partner failed.
    pub fn failed(self, now: Instant) {
        self.settle(true, now);
    }

    fn settle(mut self, failed: bool, now: Instant) {
        self.settled = true;
        if self.breaker.era.get() == self.era {
            self.breaker.answered(failed, now);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let breaker = &self.breaker;
        if !self.settled && breaker.era.get() == self.era && breaker.state.get() == State::Probing {
            // Nothing was learnt: the next request is the probe.
            breaker.enter(State::HalfOpen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn opened(breaker: &Rc<Breaker>, now: Instant) {
        for _ in 0..FAILURES {
            breaker.admit(now).unwrap().failed(now);
        }
        assert!(breaker.admit(now).is_none());
    }

    #[test]
    fn a_failing_partner_is_left_alone_and_probed_by_one() {
        let (breaker, now) = (Rc::new(Breaker::default()), start());
        opened(&breaker, now);
        let later = now + FIRST_PAUSE;
        assert!(breaker.admit(now + Duration::from_millis(999)).is_none());
        let probe = breaker.admit(later).unwrap();
        assert!(breaker.admit(later).is_none(), "one probe at a time");
        probe.succeeded(later);
        assert!(breaker.is_closed() && breaker.admit(later).is_some());
    }

    #[test]
    fn a_failed_probe_doubles_the_pause() {
        let (breaker, mut now) = (Rc::new(Breaker::default()), start());
        opened(&breaker, now);
        for pause in [1, 2, 4, 8, 16, 30, 30] {
            let pause = Duration::from_secs(pause);
            assert!(
                breaker
                    .admit(now + pause.saturating_sub(Duration::from_millis(1)))
                    .is_none()
            );
            now += pause;
            breaker.admit(now).unwrap().failed(now);
        }
    }

    #[test]
    fn an_abandoned_probe_gives_its_slot_back() {
        let (breaker, now) = (Rc::new(Breaker::default()), start());
        opened(&breaker, now);
        let later = now + FIRST_PAUSE;
        drop(breaker.admit(later).unwrap());
        let probe = breaker.admit(later).unwrap();
        assert!(breaker.admit(later).is_none());
        probe.failed(later);
        assert!(
            breaker.admit(later + FIRST_PAUSE).is_none(),
            "the pause has doubled"
        );
    }

    #[test]
    fn failures_among_many_answers_do_not_open() {
        let (breaker, now) = (Rc::new(Breaker::default()), start());
        for turn in 0..1_000 {
            let ticket = breaker.admit(now).unwrap();
            if turn % 3 == 2 {
                ticket.failed(now);
            } else {
                ticket.succeeded(now);
            }
        }
        assert!(breaker.is_closed());
    }

    #[test]
    fn answers_from_before_do_not_count() {
        let (breaker, now) = (Rc::new(Breaker::default()), start());
        let old = breaker.admit(now).unwrap();
        opened(&breaker, now);
        let probe = breaker.admit(now + FIRST_PAUSE).unwrap();
        old.succeeded(now + FIRST_PAUSE);
        assert!(!breaker.is_closed());
        probe.succeeded(now + FIRST_PAUSE);
        assert!(breaker.is_closed());
    }
}
