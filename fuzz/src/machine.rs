//! The connection machine, between a kernel and a service that do as they like.

use std::cell::RefCell;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;

use echoloop::Config;
use echoloop::internals::{Did, Kernel, Machine};

use crate::dice::Dice;

/// What may be kept of input, or of output, beyond what all may keep together.
const RESERVE: usize = 4096;

/// More steps than any machine takes from one event, beyond those that move a byte.
const ENDLESS: usize = 1000;

/// Most bytes that the peer sends in all.
const MOST: usize = 40_000;

/// The first bytes are the limits; the rest is what the kernel answers, what the service does, and when.
pub fn machine(input: &[u8]) {
    let mut dice = Dice::new(input);
    let config = Config {
        output_limit: 1 + dice.pick(&[0, 7, 99, 5_000, 70_000]),
        input_limit: 1 + dice.pick(&[0, 9, 300, 9_000, 70_000]),
        buffer_limit: dice.pick(&[0, 50, 4_000, 20_000, 1 << 20]),
        read_buffer: 4096,
        ..Config::default()
    };
    let flags = dice.byte();
    let kernel = Rc::new(RefCell::new(Script {
        has_end: flags & 1 == 0,
        drains: flags & 2 == 0,
        ..Script::default()
    }));
    let machine = Machine::new(Stream(Rc::clone(&kernel)), config.clone());
    let mut life = Life { machine, kernel, config, service: Service::default(), is_over: false };
    while !dice.is_empty() && !life.is_over {
        life.happen(&mut dice);
    }
    life.end();
}

/// The kernel's end.
#[derive(Default)]
struct Script {
    /// What the peer has sent and nobody has read, and how much of it an event has told of.
    arrived: Vec<u8>,
    /// All that it has ever sent.
    given: usize,
    has_ended: bool,
    /// What the next read fails with.
    fault: Option<ErrorKind>,
    /// How much the next writes take.
    room: usize,
    write_fault: Option<ErrorKind>,
    interrupts: u8,
    /// Most bytes of one read.
    piece: usize,
    /// How much was written in all.
    written: usize,
    has_end: bool,
    drains: bool,
    is_shut: bool,
}

impl Script {
    fn give(&mut self, length: usize) {
        if !self.has_ended && self.given + length <= MOST {
            self.arrived.extend((self.given..self.given + length).map(pattern));
            self.given += length;
        }
    }

    fn interrupted(&mut self) -> io::Result<()> {
        let is_interrupted = self.interrupts > 0;
        self.interrupts = self.interrupts.saturating_sub(1);
        if is_interrupted { Err(ErrorKind::Interrupted.into()) } else { Ok(()) }
    }
}

/// Recognizable bytes: no two neighbours are alike, and the period is no power of two.
fn pattern(at: usize) -> u8 {
    (at % 251) as u8
}

struct Stream(Rc<RefCell<Script>>);

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        assert!(!buffer.is_empty(), "a read of nothing looks like the end");
        let mut script = self.0.borrow_mut();
        script.interrupted()?;
        if script.arrived.is_empty() {
            return match (script.fault, script.has_ended) {
                (Some(fault), _) => Err(fault.into()),
                (None, true) => Ok(0),
                (None, false) => Err(ErrorKind::WouldBlock.into()),
            };
        }
        // A short read that isn't the last one would say that there is no more.
        let most = if script.drains { usize::MAX } else { script.piece.max(1) };
        let read = script.arrived.len().min(buffer.len()).min(most);
        let bytes: Vec<u8> = script.arrived.drain(..read).collect();
        buffer[..read].copy_from_slice(&bytes);
        Ok(read)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut script = self.0.borrow_mut();
        assert!(!script.is_shut, "written to after its end");
        script.interrupted()?;
        if let Some(fault) = script.write_fault {
            return Err(fault.into());
        }
        let taken = script.room.min(bytes.len());
        if taken == 0 && !bytes.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        script.room -= taken;
        let expected = (script.written..script.written + taken).map(pattern);
        assert!(bytes[..taken].iter().copied().eq(expected), "lost, invented or out of order");
        script.written += taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Kernel for Stream {
    fn shut_write(&mut self) -> io::Result<bool> {
        let mut script = self.0.borrow_mut();
        script.is_shut = script.has_end;
        Ok(script.has_end)
    }

    fn short_read_drains(&self) -> bool {
        self.0.borrow().drains
    }
}

/// What the service has seen and done.
#[derive(Default)]
struct Service {
    /// Bytes of the peer's stream that it has taken.
    taken: usize,
    /// Bytes that were taken from it to be sent: the same pattern, from the beginning.
    sent: usize,
    has_ended: bool,
    has_closed: bool,
}

struct Life {
    machine: Machine<Stream>,
    kernel: Rc<RefCell<Script>>,
    config: Config,
    service: Service,
    is_over: bool,
}

impl Life {
    /// One thing, as the next byte says; then an event, and all that follows from it.
    fn happen(&mut self, dice: &mut Dice<'_>) {
        let mut kernel = self.kernel.borrow_mut();
        match dice.below(16) {
            0..=3 => kernel.give(dice.below(300)),
            4 => kernel.give(40 * dice.below(256)),
            5..=7 => kernel.room += dice.below(300),
            8 => kernel.room += 40 * dice.below(256),
            9 => kernel.interrupts = dice.byte() % 4,
            10 => kernel.piece = dice.below(100),
            11 => kernel.has_ended = dice.byte().is_multiple_of(4),
            12 if dice.byte().is_multiple_of(8) => {
                kernel.fault = Some(ErrorKind::ConnectionReset);
                kernel.has_ended = true;
            }
            12 if dice.byte().is_multiple_of(8) => kernel.write_fault = Some(ErrorKind::BrokenPipe),
            13 if dice.byte().is_multiple_of(8) => {
                drop(kernel);
                self.machine.hang_up(dice.byte().is_multiple_of(2));
                return self.event(dice);
            }
            14 => {
                drop(kernel);
                self.act(dice);
                return self.event(dice);
            }
            _ => {}
        }
        drop(kernel);
        self.event(dice);
    }

    /// The service does something without being called.
    fn act(&mut self, dice: &mut Dice<'_>) {
        match dice.below(8) {
            0..=2 => self.machine.resume(),
            3 => self.machine.pause(),
            4 => drop(self.send(dice.below(3000))),
            5 => self.send_all(dice.below(3000)),
            6 if dice.byte().is_multiple_of(4) => self.machine.finish(),
            7 if dice.byte().is_multiple_of(4) => {
                self.service.has_closed = true;
                self.machine.close();
            }
            _ => {}
        }
    }

    fn send(&mut self, length: usize) -> usize {
        let bytes: Vec<u8> = (self.service.sent..self.service.sent + length).map(pattern).collect();
        let sent = self.machine.send(&bytes);
        assert!(sent <= length);
        self.service.sent += sent;
        sent
    }

    fn send_all(&mut self, length: usize) {
        let bytes: Vec<u8> = (self.service.sent..self.service.sent + length).map(pattern).collect();
        if self.machine.send_all(&bytes) {
            self.service.sent += length;
        }
    }

    /// What the kernel would tell, and all steps until it wants to hear of the kernel again.
    fn event(&mut self, dice: &mut Dice<'_>) {
        let kernel = self.kernel.borrow();
        let readable = !kernel.arrived.is_empty() || kernel.has_ended;
        let writable = kernel.room > 0 || kernel.write_fault.is_some();
        let read_on = kernel.has_ended;
        drop(kernel);
        self.machine.event(readable, writable, read_on);
        for _ in 0..ENDLESS + 2 * MOST {
            match self.machine.advance() {
                Did::Shows(bytes) => self.shown(&bytes, dice),
                Did::Discards(bytes) => assert!(bytes > 0),
                Did::Writable => {}
                Did::Ended(rest) => self.ended(&rest),
                Did::Waits => return self.look(),
                Did::Gone(why) => return self.gone(&why),
            }
            self.look();
        }
        panic!("it spins");
    }

    /// What is shown goes on where the service has stopped taking.
    fn shown(&mut self, bytes: &[u8], dice: &mut Dice<'_>) {
        assert!(!bytes.is_empty() && !self.service.has_ended && !self.service.has_closed);
        self.is_next(bytes);
        let choice = dice.below(8);
        let part = if choice.is_multiple_of(2) { bytes.len() } else { dice.below(bytes.len() + 1) };
        let taken = match choice {
            // An echo, of all or of a part.
            0..=3 => self.send(part),
            // It takes what it likes, and answers nothing.
            4 | 5 => part,
            6 => {
                self.machine.pause();
                part
            }
            _ => {
                self.act(dice);
                part
            }
        };
        self.service.taken += taken;
        self.machine.take(taken);
    }

    fn is_next(&self, bytes: &[u8]) {
        let expected = (self.service.taken..self.service.taken + bytes.len()).map(pattern);
        assert!(bytes.iter().copied().eq(expected), "lost, invented or out of order");
        assert!(self.service.taken + bytes.len() <= self.kernel.borrow().given);
    }

    fn ended(&mut self, rest: &[u8]) {
        assert!(!self.service.has_ended, "told twice");
        self.is_next(rest);
        let kernel = self.kernel.borrow();
        assert!(kernel.has_ended && kernel.fault.is_none());
        assert_eq!(self.service.taken + rest.len(), kernel.given, "the rest was not shown");
        drop(kernel);
        self.service.has_ended = true;
        self.service.has_closed = true;
        self.machine.close();
    }

    /// What holds at any moment.
    fn look(&self) {
        let (queued, unread, kept) = self.machine.waiting();
        assert_eq!(queued + unread, kept, "the account has lost count");
        assert!(queued <= self.config.output_limit.max(1));
        assert!(kept <= self.config.buffer_limit + 2 * RESERVE, "{kept} bytes are kept");
        let kernel = self.kernel.borrow();
        assert!(kernel.written + queued <= self.service.sent);
        if kernel.write_fault.is_none() && kernel.fault.is_none() && queued > 0 {
            assert_eq!(kernel.written + queued, self.service.sent, "bytes were lost");
        }
    }

    fn gone(&mut self, why: &str) {
        self.is_over = true;
        let (queued, unread, kept) = self.machine.waiting();
        assert_eq!((queued, unread, kept), (0, 0, 0), "what it kept was not given back");
        let kernel = self.kernel.borrow();
        // In order: then all that was taken to be sent has gone out.
        if ["ended by the peer", "closed by the service"].contains(&why) {
            assert!(kernel.written == self.service.sent || kernel.write_fault.is_some(), "{why}");
        }
    }

    /// Both sides want it to end, and nothing goes wrong any more: so it does.
    fn end(&mut self) {
        for _ in 0..1000 {
            if self.is_over {
                return;
            }
            let mut kernel = self.kernel.borrow_mut();
            kernel.has_ended = true;
            kernel.room = usize::MAX / 2;
            drop(kernel);
            self.machine.resume();
            let all = [0; 64]; // An echo of everything.
            self.event(&mut Dice::new(&all));
        }
        panic!("it does not come to an end");
    }
}
