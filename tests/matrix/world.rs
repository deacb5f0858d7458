//! A reactor, who turns it, a source that comes, and its other end.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use echoloop::{Config, Context, Echo, Half, Handle, Id, Reactor, ServiceId, Statistics, Stop};

use crate::fates::{Case, Fate};
use crate::faulty::Swap;
use crate::hosts::Host;
use crate::memory::End;
use crate::moments::{Fire, arm};
use crate::peers::{Got, Stream};
use crate::rows::{Flow, Moment};
use crate::sources::{Coming, Other, coming};
use crate::stage::{Manner, Probe, Shared, Stage};
use crate::support::{DEADLINE, Does, endpoint};

pub(crate) struct World {
    pub(crate) case: Case,
    pub(crate) stage: Shared,
    pub(crate) handle: Handle,
    pub(crate) probe: ServiceId<Probe>,
    pub(crate) peer: Other,
    /// The other end of a connection that nobody means any harm, and that is to notice nothing.
    pub(crate) witness: Stream,
    pub(crate) host: Host,
    fire: Option<Fire>,
    /// Keeps a stopping reactor from having stopped.
    holdout: Option<UnixStream>,
    /// Has the only place.
    occupant: Option<UnixStream>,
    /// All the descriptors that there were.
    hoard: Vec<File>,
    /// What has come out, where it is the peer who has it.
    pub(crate) got: Vec<u8>,
    pub(crate) pieces: usize,
    /// How that has ended.
    pub(crate) end: Option<Got>,
    /// The witness waits for an answer.
    pub(crate) whispered: bool,
    pub(crate) early: Vec<u8>,
    /// What stands in the way of the source, in some worlds.
    _keeps: Vec<OwnedFd>,
    _directory: tempfile::TempDir,
}

/// What goes into the set-up.
struct Props {
    case: Case,
    stage: Shared,
    coming: Coming,
    witness: UnixStream,
    holdout: Option<UnixStream>,
    table: std::path::PathBuf,
}

/// What is different in a world, beside its case.
#[derive(Default)]
pub(crate) struct Setup {
    pub(crate) config: Config,
    /// With its peer already, or with the service, when the source comes.
    pub(crate) early: Vec<u8>,
    pub(crate) manner: Manner,
    /// Something else comes instead.
    pub(crate) swap: Option<Swap>,
    /// Puts something into the directory of its sockets.
    pub(crate) prepare: Option<Prepare>,
}

pub(crate) type Prepare = Box<dyn FnOnce(&Path)>;

impl World {
    /// The source has come, or was refused.
    pub(crate) fn new(case: Case, setup: Setup) -> World {
        let Setup { config, early, manner, swap, prepare } = setup;
        let directory = tempfile::tempdir().unwrap();
        if let Some(prepare) = prepare {
            prepare(directory.path());
        }
        let stage = Stage::new(case);
        let mut coming = coming(&case, &stage, directory.path());
        if let Some(swap) = swap {
            swap(&mut coming, directory.path());
        }
        stage.see().manner = manner;
        stage.set_coming(std::mem::replace(&mut coming.make, Box::new(|_| Ok(None))));
        let peer = coming.peer.clone();
        let keeps = std::mem::take(&mut coming.keeps);
        let (witness, echoed) = UnixStream::pair().unwrap();
        let (holdout, held) = match case.moment.is_in_a_stop() {
            true => UnixStream::pair().map(|(ours, theirs)| (Some(ours), Some(theirs))).unwrap(),
            false => (None, None),
        };
        let table = directory.path().join("table");
        say_early(&case, &stage, &peer, &early);
        let props = Props {
            case,
            stage: Shared::clone(&stage),
            coming,
            witness: echoed,
            holdout: held,
            table,
        };
        let late = Shared::clone(&stage);
        let (host, ready) = Host::start(
            case.driver,
            configured(&case, config),
            &stage,
            move |reactor, probe| props.set_up(reactor, probe),
            move |reactor, probe| {
                if case.moment == Moment::AfterStop {
                    late.perform(&mut reactor.context(probe));
                    reactor.turn(Some(Duration::ZERO)).unwrap();
                }
            },
        );
        let mut world = World {
            case,
            stage,
            handle: ready.handle,
            probe: ready.probe,
            peer,
            witness: Stream::new(witness),
            host,
            fire: ready.made,
            holdout,
            occupant: None,
            hoard: Vec::new(),
            got: Vec::new(),
            pieces: 0,
            end: None,
            whispered: false,
            early,
            _keeps: keeps,
            _directory: directory,
        };
        if case.moment == Moment::FullTable {
            world.occupy();
        }
        world.bring();
        world
    }

    /// Somebody takes the only place.
    fn occupy(&mut self) {
        let path = self._directory.path().join("table");
        self.occupant = Some(UnixStream::connect(path).unwrap());
        self.until("the place is taken", |world| world.statistics().accepted == 1);
    }

    /// The moment comes.
    fn bring(&mut self) {
        let comes_to_the_backlog =
            self.case.comes_by_a_listener() && !self.case.kind.is_in_memory();
        match self.case.moment {
            Moment::BeforeRun => {}
            Moment::BetweenTurns => {
                let probe = self.probe;
                let stage = Shared::clone(&self.stage);
                stage.perform(&mut self.host.reactor().expect("the host has it").context(probe));
            }
            Moment::NoDescriptors => {
                // The loop may still want one for those that came before.
                self.until("all is there", |world| world.witness_is_served());
                self.hoard = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
                self.by_handle();
            }
            Moment::ByHandle | Moment::FullTable => self.by_handle(),
            Moment::Asked if comes_to_the_backlog => {
                let at = self.stage.see().address;
                self.peer.lock().arrive(at);
                assert_eq!(self.peer.lock().write(&self.early), self.early.len());
                self.stage.see().outcome = Some(Ok(()));
                self.handle.stop(Stop::Gracefully).unwrap();
            }
            Moment::Asked => {
                // In one command, since two may be run in different turns.
                let (probe, stage) = (self.probe, Shared::clone(&self.stage));
                let asked = move |cx: &mut Context<'_>| {
                    cx.stop(Stop::Gracefully);
                    stage.perform(&mut cx.as_service(probe));
                };
                self.handle.run(asked).unwrap();
            }
            Moment::Stopping => {
                self.handle.stop(Stop::Gracefully).unwrap();
                self.until("all are told", |world| world.stage.see().is_told);
                self.by_handle();
            }
            Moment::AfterStop => {
                self.handle.stop(Stop::AtOnce).unwrap();
                self.until("it has stopped", |world| world.host.has_stopped());
                let (probe, stage) = (self.probe, Shared::clone(&self.stage));
                if let Some(reactor) = self.host.reactor() {
                    stage.perform(&mut reactor.context(probe));
                    reactor.turn(Some(Duration::ZERO)).unwrap();
                }
            }
            _ => self.fire.take().expect("the moment is armed")(&self.handle),
        }
        self.until("the moment comes", |world| world.stage.see().outcome.is_some());
    }

    fn by_handle(&mut self) {
        let (probe, stage) = (self.probe, Shared::clone(&self.stage));
        self.handle.run(move |cx| stage.perform(&mut cx.as_service(probe))).unwrap();
    }

    /// Lets everybody go on until something holds.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, mut holds: impl FnMut(&mut World) -> bool) {
        let start = Instant::now();
        while !holds(self) {
            if start.elapsed() > DEADLINE {
                let statistics = self.statistics();
                panic!("never: {what}; {}; {statistics}", self.stage.see());
            }
            self.host.go_on();
        }
    }

    /// Waits until the source is there, by whatever stands in its way being taken away.
    #[track_caller]
    pub(crate) fn serve(&mut self, fate: Fate) -> Id {
        if fate == Fate::Waits {
            self.arrive();
            self.rests("it rests while it waits");
            assert_eq!(self.stage.see().id, None, "it is served, and should wait");
        }
        self.give_way();
        self.meet()
    }

    /// Where the peer has to come to the source, it does.
    fn arrive(&mut self) {
        if self.case.kind.is_listener() || self.case.kind.is_datagrams() {
            let at = self.stage.see().address;
            self.peer.lock().arrive(at);
        }
    }

    /// Waits until the source is there, and its peer.
    #[track_caller]
    pub(crate) fn meet(&mut self) -> Id {
        self.arrive();
        self.until("it is there", |world| {
            world.collect(); // A peer that was dialled accepts.
            world.stage.see().id.is_some()
        });
        let seen = self.stage.see();
        assert_eq!(seen.outcome, Some(Ok(())));
        seen.id.expect("it is there")
    }

    /// There is room again, in the table and for descriptors.
    pub(crate) fn give_way(&mut self) {
        self.occupant = None;
        self.hoard.clear();
    }

    /// Nothing keeps a stopping reactor any more.
    pub(crate) fn release(&mut self) {
        self.holdout = None;
    }

    /// Asked while it runs, by whatever way there is.
    #[track_caller]
    pub(crate) fn statistics(&mut self) -> Statistics {
        if let Some(reactor) = self.host.reactor() {
            return reactor.statistics();
        }
        let (sender, receiver) = mpsc::channel();
        match self.handle.run(move |cx| sender.send(cx.statistics()).unwrap()) {
            Ok(()) => receiver.recv_timeout(DEADLINE).expect("the loop turns"),
            Err(_) => Statistics::default(), // It has stopped.
        }
    }

    /// Has something done on the loop, in the name of the service under test, and waits for it.
    #[track_caller]
    pub(crate) fn run<R: Send + 'static>(
        &mut self,
        run: impl FnOnce(&mut Context<'_>) -> R + Send + 'static,
    ) -> R {
        let (sender, receiver) = mpsc::channel();
        let probe = self.probe;
        let run = move |cx: &mut Context<'_>| sender.send(run(&mut cx.as_service(probe))).unwrap();
        self.handle.run(run).unwrap();
        let mut result = None;
        self.until("it is run", |_| {
            result = receiver.try_recv().ok();
            result.is_some()
        });
        result.expect("it was run")
    }
}

/// Nothing has an end but by what happens.
fn configured(case: &Case, config: Config) -> Config {
    Config {
        own_sockets: true,
        linger: Duration::from_secs(3600),
        stop_timeout: Duration::MAX,
        connections: (case.moment == Moment::FullTable).then_some(1),
        ..config
    }
}

/// Before the source comes.
fn say_early(case: &Case, stage: &Shared, peer: &Other, early: &[u8]) {
    if case.kind.flow() == Flow::Out {
        stage.see().early = early.to_vec();
    } else if !early.is_empty() && case.has_its_peer_before() {
        assert_eq!(peer.lock().write(early), early.len());
    }
}

impl Props {
    /// Before the reactor runs.
    fn set_up(self, reactor: &mut Reactor, probe: ServiceId<Probe>) -> Option<Fire> {
        let Props { case, stage, coming, .. } = self;
        if let Some(wire) = &coming.wire {
            let end = reactor.add(End(Arc::clone(wire)));
            wire.connect(reactor.handle(), end);
            if let Some(at) = coming.peer_listens {
                let id = reactor.context(end).listen(&at).unwrap();
                if case.kind.is_datagrams() {
                    wire.lock().id = Some(id);
                }
            }
        }
        if let Some(at) = coming.listens {
            let mut cx = reactor.context(probe);
            let id = cx.listen(&at).unwrap();
            if case.is_background() {
                cx.source(id).unref();
            }
            stage.see().address = cx.source(id).local();
        }
        let echo = reactor.add(Echo);
        reactor.context(echo).adopt(self.witness, Half::Both).unwrap();
        if let Some(held) = self.holdout {
            let told = Shared::clone(&stage);
            let holds = Does::new().stopping(move |_| told.see().is_told = true);
            let holds = reactor.add(holds);
            reactor.context(holds).adopt(held, Half::Both).unwrap();
        }
        match case.moment {
            Moment::BeforeRun => stage.perform(&mut reactor.context(probe)),
            Moment::FullTable => {
                let at = endpoint(&format!("unix://{}", self.table.display()));
                reactor.context(echo).listen(&at).unwrap();
            }
            _ => {}
        }
        arm(reactor, case.moment, &stage, probe)
    }
}

/// Also of a world that has failed: no thread is left behind.
impl Drop for World {
    fn drop(&mut self) {
        self.give_way();
        let _ = self.handle.stop(Stop::AtOnce);
        if std::thread::panicking() {
            self.host.abandon();
        }
    }
}
