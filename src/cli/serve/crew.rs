//! All workers, as seen by the thread that listens to signals: they are stopped together, and asked what they
//! have done.
//!
//! ```text
//!   a scrape, the watchdog, a screen ── ask ──▶ Crew ── Handle::tell ──▶ Reporter of each worker
//!            ▲                                   │ ▲                            │
//!            └────────── a snapshot ─────────────┘ └───── heard: a sample ──────┘
//! ```
//!
//! Nothing is locked, and nobody is asked as long as nobody wants to know. A loop that answers turns; one
//! that doesn't within [`PATIENCE`] is late, and the others are shown without it.

use std::mem;
use std::rc::Rc;
use std::time::Duration;

use echoloop::{Context, Handle, HandleError, Reactor, Service, ServiceId, Stop, TimerId};

use super::counted::Reporter;
use super::offer::Bound;
use super::snapshot::{Sample, Snapshot, State, WorkerView};

/// How long a worker may take to answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// What is done with a snapshot.
type Then = Box<dyn FnOnce(&Rc<Snapshot>, &mut Context<'_>)>;

/// All workers.
pub(crate) struct Crew {
    me: ServiceId<Crew>,
    /// Of the reactor that this is a service of: the way back for the workers.
    here: Handle,
    members: Vec<Member>,
    /// Those who want to know.
    waiting: Vec<Then>,
    /// The end of the round of questions that is under way.
    deadline: Option<TimerId>,
    is_stopping: bool,
    /// Somebody who is told of all of them together.
    told: Option<Box<Told>>,
}

/// What is told of all workers together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Everything is listened on.
    Ready,
    Stopping,
}

type Told = dyn Fn(&mut Context<'_>, News);

/// A worker.
struct Member {
    name: Name,
    answer: Answer,
    sample: Sample,
    bound: Rc<[Bound]>,
}

/// How a worker is reached.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) handle: Handle,
    pub(crate) reporter: ServiceId<Reporter>,
}

/// How a worker stands to the last question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Given,
    /// It will be, when the loop turns again. So it isn't asked once more.
    Owed,
    /// It could not be asked.
    Unasked,
    /// There will be none: it has stopped.
    Final,
}

/// Asks for a snapshot on behalf of a service, which is then told.
pub(crate) fn look<S: Service>(
    cx: &mut Context<'_>,
    crew: ServiceId<Crew>,
    asker: ServiceId<S>,
    then: fn(&mut S, &mut Context<'_>, &Rc<Snapshot>),
) {
    cx.tell(crew, move |crew, cx| {
        crew.ask(cx, move |snapshot, cx| {
            let snapshot = Rc::clone(snapshot);
            cx.tell(asker, move |asker, cx| then(asker, cx, &snapshot));
        });
    });
}

impl Crew {
    pub(crate) fn join(reactor: &mut Reactor) -> ServiceId<Crew> {
        let here = reactor.handle();
        reactor.add_with(|me| Crew {
            me,
            here,
            members: Vec::new(),
            waiting: Vec::new(),
            deadline: None,
            is_stopping: false,
            told: None,
        })
    }

    /// One more worker, and what it listens on.
    pub(crate) fn hire(&mut self, name: Name, bound: Vec<Bound>) {
        let (answer, sample) = (Answer::Given, Sample::default());
        self.members.push(Member { name, answer, sample, bound: bound.into() });
    }

    /// Has somebody told how it goes.
    pub(crate) fn tell(&mut self, told: impl Fn(&mut Context<'_>, News) + 'static) {
        self.told = Some(Box::new(told));
    }

    /// Everything is listened on.
    pub(crate) fn ready(&self, cx: &mut Context<'_>) {
        self.told.iter().for_each(|told| told(cx, News::Ready));
    }

    /// Stops them all: gracefully, the second time at once.
    pub(crate) fn stop(&mut self, cx: &mut Context<'_>) {
        if !mem::replace(&mut self.is_stopping, true) {
            self.told.iter().for_each(|told| told(cx, News::Stopping));
        }
        for member in &self.members {
            member.name.handle.stop(Stop::Gracefully).ok();
        }
    }

    pub(crate) fn log_statistics(&self) {
        for (number, member) in self.members.iter().enumerate() {
            let tell = move |cx: &mut Context<'_>| {
                log::info!("worker {number} statistics\n{}", cx.statistics());
            };
            if let Err(error) = member.name.handle.run(tell) {
                log::info!("worker {number}: {error}");
            }
        }
    }

    /// Asks all workers, and then does this. Who asks meanwhile gets the same answer.
    pub(crate) fn ask(
        &mut self,
        cx: &mut Context<'_>,
        then: impl FnOnce(&Rc<Snapshot>, &mut Context<'_>) + 'static,
    ) {
        self.waiting.push(Box::new(then));
        if self.deadline.is_some() {
            return;
        }
        self.deadline = Some(cx.as_service(self.me).after(PATIENCE));
        for number in 0..self.members.len() {
            self.ask_one(number);
        }
        self.finish_if_whole(cx);
    }

    fn ask_one(&mut self, number: usize) {
        let (here, me) = (self.here.clone(), self.me);
        let member = &mut self.members[number];
        if matches!(member.answer, Answer::Owed | Answer::Final) {
            return;
        }
        let asked = member.name.handle.tell(member.name.reporter, move |reporter, cx| {
            let sample = reporter.sample(cx);
            here.tell(me, move |crew, cx| crew.heard(cx, number, sample)).ok();
        });
        member.answer = match asked {
            Ok(()) | Err(HandleError::Wake(_)) => Answer::Owed,
            Err(HandleError::Stopped) => Answer::Final,
            Err(_) => Answer::Unasked,
        };
    }

    fn heard(&mut self, cx: &mut Context<'_>, number: usize, sample: Sample) {
        let member = &mut self.members[number];
        member.sample = sample;
        if member.answer != Answer::Final {
            member.answer = Answer::Given;
        }
        self.finish_if_whole(cx);
    }

    /// A worker has stopped: the last that it tells.
    pub(crate) fn retired(&mut self, cx: &mut Context<'_>, number: usize, sample: Sample) {
        if let Some(member) = self.members.get_mut(number) {
            member.answer = Answer::Final;
            self.heard(cx, number, sample);
        }
    }

    fn finish_if_whole(&mut self, cx: &mut Context<'_>) {
        let is_there = |member: &Member| matches!(member.answer, Answer::Given | Answer::Final);
        if self.members.iter().all(is_there)
            && let Some(deadline) = self.deadline
        {
            cx.cancel(deadline);
            self.finish(cx);
        }
    }

    fn finish(&mut self, cx: &mut Context<'_>) {
        self.deadline = None;
        let snapshot = Rc::new(self.snapshot(cx));
        for then in mem::take(&mut self.waiting) {
            then(&snapshot, cx);
        }
    }

    fn snapshot(&self, cx: &Context<'_>) -> Snapshot {
        let view = |member: &Member| WorkerView {
            state: match member.answer {
                Answer::Given => State::Turns,
                Answer::Owed | Answer::Unasked => State::Late,
                Answer::Final => State::Stopped,
            },
            sample: member.sample.clone(),
            bound: Rc::clone(&member.bound),
        };
        Snapshot {
            at: cx.now(),
            is_stopping: self.is_stopping,
            workers: self.members.iter().map(view).collect(),
        }
    }
}

impl Service for Crew {
    /// Who has not answered by now is late.
    fn timer(&mut self, cx: &mut Context<'_>, _timer: TimerId) {
        self.finish(cx);
    }
}
