//! The bytes of a talk: what goes out, and whether what comes in is right.

use super::lane::Lane;
use super::partial::end_of;
use super::talk::{Answer, Frame, Sizes, Talk};
use super::wheel::Wheel;

/// What is wrong with what has come in, behind so many right bytes of this piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nobody has asked for it.
    Surplus(usize),
    Wrong(usize),
}

/// The bytes of a talk.
pub(super) struct Script {
    /// What goes out; for an echo it comes back too.
    out: Wheel,
    /// What comes back, if that is known and something else.
    back: Option<Wheel>,
    kind: Kind,
}

enum Kind {
    Echo(Sizes),
    /// Requests and answers of these lengths.
    Fixed {
        request: usize,
        answer: usize,
    },
    Framed {
        request: usize,
        frame: Frame,
    },
}

impl Script {
    pub(super) fn new(talk: &Talk) -> Script {
        match talk {
            Talk::Echo(sizes) => {
                Script { out: Wheel::random(), back: None, kind: Kind::Echo(sizes.clone()) }
            }
            Talk::Request(talk) => {
                let request = talk.bytes.len();
                let (back, kind) = match &talk.answer {
                    Answer::Bytes(answer) => {
                        (Some(Wheel::of(answer)), Kind::Fixed { request, answer: answer.len() })
                    }
                    Answer::Any(frame) => (None, Kind::Framed { request, frame: *frame }),
                };
                Script { out: Wheel::of(&talk.bytes), back, kind }
            }
        }
    }

    /// The lane begins so many messages.
    #[inline]
    pub(super) fn begin(&self, lane: &mut Lane, messages: u64, now: u64) {
        let bytes = match &self.kind {
            Kind::Echo(sizes) => match sizes.single() {
                Some(size) => size as u64 * messages,
                None => {
                    let first = lane.answered + lane.flying;
                    let size = |k| sizes.of(lane.number, k) as u64;
                    (first..first + messages).map(size).sum()
                }
            },
            Kind::Fixed { request, .. } | Kind::Framed { request, .. } => {
                *request as u64 * messages
            }
        };
        lane.begin(messages, bytes, now);
    }

    /// What is to be sent next.
    #[inline]
    pub(super) fn piece(&self, lane: &Lane) -> &[u8] {
        self.out.at(self.out.place(lane.out), usize::try_from(lane.unsent()).unwrap_or(usize::MAX))
    }

    /// What has come in: how many replies are whole now, or what is wrong; then the lane is as it was, and the
    /// right bytes in front can be had on their own.
    #[inline]
    pub(super) fn check(&self, lane: &mut Lane, input: &[u8]) -> Result<u64, Fault> {
        if let Kind::Framed { request, frame } = &self.kind {
            return framed(lane, input, *request as u64, *frame);
        }
        // As much as has been sent can come back; of answers, one for each whole request.
        let owed = match &self.kind {
            Kind::Fixed { request, answer } => {
                (lane.out - lane.start) / *request as u64 * *answer as u64
            }
            _ => lane.out - lane.start,
        };
        let left = owed - (lane.back - lane.start);
        let back = self.back.as_ref().unwrap_or(&self.out);
        if input.len() as u64 > left {
            let asked = &input[..left as usize];
            back.compare(back.place(lane.back), asked).map_err(Fault::Wrong)?;
            return Err(Fault::Surplus(asked.len()));
        }
        back.compare(back.place(lane.back), input).map_err(Fault::Wrong)?;
        lane.back += input.len() as u64;
        lane.arrived += input.len() as u64;
        let size = match &self.kind {
            Kind::Echo(sizes) => match sizes.single() {
                Some(size) => size,
                None => return Ok(several(lane, sizes)),
            },
            Kind::Fixed { answer, .. } | Kind::Framed { request: answer, .. } => *answer,
        } as u64;
        if lane.arrived < size {
            return Ok(0);
        }
        if lane.arrived == size {
            lane.arrived = 0;
            return Ok(1);
        }
        let whole = lane.arrived / size;
        lane.arrived %= size;
        Ok(whole)
    }

    /// Where the bytes of a message of this lane begin on what goes out.
    pub(super) fn start(&self, number: u64) -> u64 {
        match &self.kind {
            Kind::Echo(_) => u64::from(self.out.spread(number)),
            _ => 0,
        }
    }
}

/// Whole replies of different sizes.
fn several(lane: &mut Lane, sizes: &Sizes) -> u64 {
    let mut whole = 0;
    loop {
        let size = sizes.of(lane.number, lane.answered + whole) as u64;
        if lane.arrived < size {
            return whole;
        }
        lane.arrived -= size;
        whole += 1;
    }
}

/// Whole answers that may be anything, by their frames alone.
fn framed(lane: &mut Lane, input: &[u8], request: u64, frame: Frame) -> Result<u64, Fault> {
    let asked = (lane.out - lane.start) / request - lane.whole;
    let (mut whole, mut rest, before) = (0, input, lane.partial);
    while !rest.is_empty() {
        if whole == asked {
            lane.partial = before;
            return Err(Fault::Surplus(input.len() - rest.len()));
        }
        let Some(end) = end_of(&mut lane.partial, rest, frame) else { break };
        whole += 1;
        rest = &rest[end..];
    }
    lane.whole += whole;
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::bench::talk::{Request, Text};

    fn lane(script: &Script) -> Lane {
        Lane::new(7, script.start(7))
    }

    /// Sends all that is begun.
    fn send(script: &Script, lane: &mut Lane) -> Vec<u8> {
        let mut bytes = Vec::new();
        while lane.unsent() > 0 {
            let piece = script.piece(lane);
            bytes.extend_from_slice(piece);
            lane.sent(piece.len());
        }
        bytes
    }

    /// Whatever the cuts, each answer is counted when its last byte is there, and takes its own time.
    #[track_caller]
    fn counts(script: &Script, messages: u64, answers: impl Fn(&[u8]) -> Vec<u8>) {
        for cut in [1, 2, 3, 7, 100_000] {
            let mut lane = lane(script);
            script.begin(&mut lane, messages, 100);
            let back = answers(&send(script, &mut lane));
            let mut whole = 0;
            for piece in back.chunks(cut) {
                let replies = script.check(&mut lane, piece).unwrap();
                whole += replies;
                if replies > 0 {
                    assert_eq!(lane.answer(replies), Some((100, replies)));
                }
            }
            assert_eq!((whole, lane.flying), (messages, 0), "{cut}");
            assert_eq!(script.check(&mut lane, b"x"), Err(Fault::Surplus(0)), "{cut}");
        }
    }

    fn request(request: &str, expect: Option<&str>, frame: Option<Frame>) -> Script {
        let text = |text: &str| text.parse::<Text>().unwrap();
        let expect = expect.map(text);
        let request = Request::new(&text(request), expect.as_ref(), frame).unwrap();
        Script::new(&Talk::Request(request))
    }

    #[test]
    fn answers_are_counted_whatever_the_cuts() {
        counts(&Script::new(&Talk::Echo(Sizes::one(10))), 5, <[u8]>::to_vec);
        counts(&Script::new(&Talk::Echo("3:5,11:5,200:1".parse().unwrap())), 50, <[u8]>::to_vec);
        let redis = request(r"PING\r\n", Some(r"+PONG\r\n"), None);
        counts(&redis, 3, |out| {
            assert_eq!(out, b"PING\r\nPING\r\nPING\r\n");
            b"+PONG\r\n".repeat(3)
        });
        counts(&request("time", None, Some(Frame::Line)), 3, |_| b"now\nthen\n\n".to_vec());
        counts(&request("get", None, Some(Frame::Length(2))), 3, |out| {
            assert!(out.starts_with(b"\0\x03get\0\x03get"));
            b"\0\0\0\x05hello\0\x01x".to_vec()
        });
    }

    #[test]
    fn a_wrong_answer_is_found() {
        let redis = request(r"PING\r\n", Some(r"+PONG\r\n"), None);
        let mut lane = lane(&redis);
        redis.begin(&mut lane, 1, 100);
        assert_eq!(redis.check(&mut lane, b"+"), Err(Fault::Surplus(0)), "before it was asked");
        send(&redis, &mut lane);
        assert_eq!(redis.check(&mut lane, b"+PO"), Ok(0));
        assert_eq!(redis.check(&mut lane, b"NK"), Err(Fault::Wrong(1)));
        assert_eq!(redis.check(&mut lane, b"N"), Ok(0), "what is in front of it is right");
        assert_eq!(lane.arrived, 4);
    }

    /// What comes behind a whole answer is wrong, and the answer is not.
    #[test]
    fn an_answer_with_more_behind_it_is_whole() {
        let scripts = [
            (request("ping", Some("pong"), None), b"pong!".to_vec(), 4),
            (request("ping", None, Some(Frame::Line)), b"any\nmore".to_vec(), 4),
            (request("ping", None, Some(Frame::Length(2))), b"\0\x01x\0".to_vec(), 3),
            (Script::new(&Talk::Echo(Sizes::one(4))), Vec::new(), 4),
        ];
        for (script, answer, right) in scripts {
            for cut in 0..right {
                let mut lane = lane(&script);
                script.begin(&mut lane, 1, 100);
                let sent = send(&script, &mut lane);
                let answer = match answer.is_empty() {
                    true => [&sent[..], b"more"].concat(),
                    false => answer.clone(),
                };
                assert_eq!(script.check(&mut lane, &answer[..cut]), Ok(0));
                let rest = right - cut;
                assert_eq!(script.check(&mut lane, &answer[cut..]), Err(Fault::Surplus(rest)));
                assert_eq!(script.check(&mut lane, &answer[cut..right]), Ok(1), "{cut}");
            }
        }
        // Nor is one whole that differs, however much comes behind it.
        let ping = request("ping", Some("pong"), None);
        let mut lane = lane(&ping);
        ping.begin(&mut lane, 1, 100);
        send(&ping, &mut lane);
        assert_eq!(ping.check(&mut lane, b"pony and more"), Err(Fault::Wrong(3)));
    }
}
