//! The commands, and what they are about.

use std::collections::HashMap;

use super::wire::{array, bulk, error, integer, number, simple};

/// Strings by their keys.
pub(crate) struct Store {
    values: HashMap<Vec<u8>, Vec<u8>>,
    /// Bytes of all keys and values.
    used: usize,
    limit: usize,
}

/// What becomes of the connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum After {
    Go,
    Close,
    /// Nothing was done: the answer would be longer than there is room for.
    NoRoom,
}

/// What an answer needs beside the value, and any answer that isn't made of values.
pub(crate) const SHORT: usize = 1024;

impl Store {
    pub(crate) fn new(limit: usize) -> Store {
        Store { values: HashMap::new(), used: 0, limit }
    }

    /// Does what a command says, if the answer has at most so many bytes. One without words says nothing, and isn't
    /// answered.
    pub(crate) fn run(&mut self, words: &[&[u8]], room: usize, answers: &mut Vec<u8>) -> After {
        let Some((name, arguments)) = words.split_first() else { return After::Go };
        match (name.to_ascii_uppercase().as_slice(), arguments) {
            (b"PING", []) => simple(answers, "PONG"),
            (b"PING" | b"ECHO", [text]) if text.len() + SHORT > room => return After::NoRoom,
            (b"PING" | b"ECHO", [text]) => bulk(answers, Some(text)),
            (b"GET" | b"MGET", keys) if self.length(keys) + SHORT > room => return After::NoRoom,
            (b"GET", [key]) => bulk(answers, self.get(key)),
            (b"SET", [key, value]) => self.set(&[key, value], answers),
            (b"SET", [_, _, ..]) => error(answers, "ERR syntax error"), // None of its options.
            (b"MSET", pairs) if !pairs.is_empty() && pairs.len() % 2 == 0 => {
                self.set(pairs, answers)
            }
            (b"MGET", keys @ [_, ..]) => {
                array(answers, keys.len());
                keys.iter().for_each(|key| bulk(answers, self.get(key)));
            }
            (b"DEL", keys @ [_, ..]) => {
                let count = keys.iter().filter(|key| self.delete(key)).count();
                integer(answers, count as i64);
            }
            (b"EXISTS", keys @ [_, ..]) => {
                let count = keys.iter().filter(|key| self.get(key).is_some()).count();
                integer(answers, count as i64);
            }
            (b"INCR", [key]) => self.increment(key, answers),
            (b"DBSIZE", []) => integer(answers, self.values.len() as i64),
            (b"FLUSHALL", []) => {
                *self = Store::new(self.limit);
                simple(answers, "OK");
            }
            // Nothing is ever saved.
            (b"CONFIG", [get, key]) if get.eq_ignore_ascii_case(b"GET") => {
                let value = match key.to_ascii_lowercase().as_slice() {
                    b"save" => &b""[..],
                    b"appendonly" => b"no",
                    _ => return no_such_setting(answers),
                };
                array(answers, 2);
                bulk(answers, Some(key));
                bulk(answers, Some(value));
            }
            (b"COMMAND", _) => array(answers, 0),
            (b"QUIT", _) => {
                simple(answers, "OK");
                return After::Close;
            }
            (
                b"PING" | b"ECHO" | b"GET" | b"SET" | b"MSET" | b"MGET" | b"DEL" | b"EXISTS"
                | b"INCR" | b"DBSIZE" | b"FLUSHALL" | b"CONFIG",
                _,
            ) => {
                let name = String::from_utf8_lossy(name).to_ascii_lowercase();
                error(answers, &format!("ERR wrong number of arguments for '{name}' command"));
            }
            _ => error(answers, &format!("ERR unknown command '{}'", shown(name))),
        }
        After::Go
    }

    fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.values.get(key).map(Vec::as_slice)
    }

    /// How long an answer with these values is at most.
    fn length(&self, keys: &[&[u8]]) -> usize {
        const HEADER: usize = 32; // Of each: a number, and two endings.
        keys.iter().map(|key| HEADER + self.get(key).map_or(0, <[u8]>::len)).sum()
    }

    fn delete(&mut self, key: &[u8]) -> bool {
        let removed = self.values.remove(key);
        self.used -= removed.as_ref().map_or(0, |value| key.len() + value.len());
        removed.is_some()
    }

    /// All of them, or none: keys and values in turn.
    fn set(&mut self, pairs: &[&[u8]], answers: &mut Vec<u8>) {
        if self.is_full(pairs.iter().map(|it| it.len()).sum()) {
            return out_of_memory(answers);
        }
        for pair in pairs.chunks_exact(2) {
            self.put(pair[0], pair[1].to_vec());
        }
        simple(answers, "OK");
    }

    fn is_full(&self, more: usize) -> bool {
        self.used.saturating_add(more) > self.limit
    }

    fn put(&mut self, key: &[u8], value: Vec<u8>) {
        self.used += value.len();
        match self.values.get_mut(key) {
            Some(old) => {
                self.used -= old.len();
                *old = value;
            }
            None => {
                self.used += key.len();
                self.values.insert(key.to_vec(), value);
            }
        }
    }

    fn increment(&mut self, key: &[u8], answers: &mut Vec<u8>) {
        const LONGEST: usize = 20; // Of a number, with its sign.

        let Some(before) = self.get(key).map_or(Some(0), number) else {
            return error(answers, "ERR value is not an integer or out of range");
        };
        let Some(after) = before.checked_add(1) else {
            return error(answers, "ERR increment or decrement would overflow");
        };
        if self.is_full(key.len() + LONGEST) {
            return out_of_memory(answers);
        }
        self.put(key, after.to_string().into_bytes());
        integer(answers, after);
    }
}

fn no_such_setting(answers: &mut Vec<u8>) -> After {
    array(answers, 0);
    After::Go
}

fn out_of_memory(answers: &mut Vec<u8>) {
    error(answers, "OOM command not allowed when used memory > 'maxmemory'.");
}

/// As much of a name as an error may repeat.
fn shown(name: &[u8]) -> String {
    name[..name.len().min(128)].escape_ascii().to_string()
}
