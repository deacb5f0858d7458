//! Many threads at one handle, under ThreadSanitizer too: `.ci/sanitizers`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use echoloop::{Config, Handle, HandleError, Stop};

use crate::support::*;

const THREADS: usize = 4;
const EACH: usize = 2000;

/// Each turn waits until it is woken: a wake that got lost would be a loop that hangs. What was taken is run once, in
/// the order of each thread, and what was refused isn't.
#[test]
fn what_many_threads_ask_for_is_run_once_and_in_order() {
    // So few that all of it happens: an empty queue, a queue with something in it, and a full one.
    let server = Server::start(Config { commands: 3, ..Config::default() }, |_| ());
    let (sender, ran) = mpsc::channel();
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (handle, sender) = (server.handle.clone(), sender.clone());
            thread::spawn(move || {
                for number in 0..EACH {
                    let sender = sender.clone();
                    persist(&handle, move || sender.send((thread, number)).unwrap());
                }
            })
        })
        .collect();
    drop(sender);
    let mut next = [0; THREADS];
    for _ in 0..THREADS * EACH {
        let (thread, number) = ran.recv_timeout(DEADLINE).expect("a wake was lost");
        assert_eq!(number, next[thread]);
        next[thread] += 1;
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(ran.try_recv().is_err(), "something was run twice");
    server.stop(Stop::Gracefully);
}

/// Asks until there is room.
fn persist(handle: &Handle, run: impl Fn() + Clone + Send + 'static) {
    loop {
        let run = run.clone();
        match handle.run(move |_| run()) {
            Ok(()) => return,
            Err(HandleError::Full) => thread::yield_now(),
            Err(error) => panic!("{error:#}"),
        }
    }
}

/// The reactor stops while threads ask: each of them is either run or refused, and not both.
#[test]
fn what_is_taken_while_the_reactor_stops_is_run() {
    for _ in 0..20 {
        let server = Server::start(Config::default(), |_| ());
        let ran = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (handle, ran) = (server.handle.clone(), Arc::clone(&ran));
                thread::spawn(move || {
                    let mut taken = 0;
                    loop {
                        let ran = Arc::clone(&ran);
                        match handle.run(move |_| _ = ran.fetch_add(1, Ordering::Relaxed)) {
                            Ok(()) => taken += 1,
                            Err(HandleError::Full) => thread::yield_now(),
                            Err(HandleError::Stopped) => return taken,
                            Err(error) => panic!("{error:#}"),
                        }
                    }
                })
            })
            .collect();
        while ran.load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
        server.stop(Stop::Gracefully);
        let taken: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert_eq!(ran.load(Ordering::Relaxed), taken);
    }
}
