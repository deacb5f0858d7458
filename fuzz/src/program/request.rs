//! Requests for metrics.

use crate::cli::serve::metrics::answer::Method;
use crate::cli::serve::metrics::request::{Next, next};

/// What a connection brings: requests, one behind the other.
pub fn request(input: &[u8]) {
    let whole = next(input);
    for cut in cuts(input) {
        match (next(&input[..cut]), &whole) {
            // Found earlier: what follows is the next request's.
            (Next::Request(request, length), whole) => {
                assert_eq!(*whole, Next::Request(request, length), "of {cut} bytes");
            }
            (Next::Bad(_), whole) => {
                assert!(
                    matches!(whole, Next::Bad(_)),
                    "refused after {cut} bytes, and taken later"
                );
            }
            (Next::Unfinished, Next::Request(_, length)) => assert!(cut < *length),
            (Next::Unfinished, Next::Unfinished | Next::Bad(_)) => {}
        }
    }
    match whole {
        Next::Unfinished => assert!(input.len() < 8192, "it may have to be kept"),
        Next::Bad(_) => {}
        Next::Request(request, length) => {
            assert!(length <= input.len().min(8192));
            let head = &input[..length];
            assert!(head.ends_with(b"\n\r\n") || head.ends_with(b"\n\n"), "its end");
            assert!(!request.path.contains('?'));
            let line = head.trim_ascii_start();
            let method = [(&b"GET "[..], Method::Get), (b"HEAD ", Method::Head)];
            let method = method.iter().find(|(word, _)| line.starts_with(word));
            assert_eq!(request.method, method.map_or(Method::Other, |(_, method)| *method));
            // One whose end can't be told must be the last one.
            let text = head.to_ascii_lowercase();
            let has = |field: &[u8]| text.windows(field.len()).any(|part| part == field);
            if has(b"\ntransfer-encoding:") {
                assert!(request.is_last);
            }
        }
    }
}

/// All of a short one; of a long one, the places at which something is decided.
fn cuts(input: &[u8]) -> impl Iterator<Item = usize> {
    let length = input.len();
    let around = [4096_usize, 8192].into_iter().flat_map(|at| at - 3..at + 3);
    (0..length.min(600))
        .chain(around)
        .chain(length.saturating_sub(100)..length)
        .filter(move |&cut| cut < length)
}
