//! Options that other programs have for what ours do too, and that mean something else here or nothing: each
//! is answered with the name of ours.

use std::ffi::OsStr;
use std::marker::PhantomData;

use clap::builder::TypedValueParser;
use clap::error::{Error, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command};

/// What users of other programs would try.
pub(crate) trait Known {
    /// The option, and what to say.
    const OPTIONS: &'static [(&'static str, &'static str)];
}

/// Takes those options, hidden from the help, and ends with their answer.
#[derive(Debug)]
pub(crate) struct Foreign<K>(PhantomData<K>);

impl<K: Known> clap::FromArgMatches for Foreign<K> {
    fn from_arg_matches(_matches: &ArgMatches) -> Result<Foreign<K>, Error> {
        Ok(Foreign(PhantomData))
    }

    fn update_from_arg_matches(&mut self, _matches: &ArgMatches) -> Result<(), Error> {
        Ok(())
    }
}

impl<K: Known> clap::Args for Foreign<K> {
    fn augment_args(command: Command) -> Command {
        K::OPTIONS.iter().fold(command, |command, &(name, words)| {
            let arg = Arg::new(name).hide(true).num_args(0..=1).action(ArgAction::Append);
            let arg = arg.default_missing_value("").value_parser(Answer(words));
            command.arg(match name.strip_prefix("--") {
                Some(long) => arg.long(long),
                None => arg.short(name.chars().nth(1)),
            })
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Foreign::<K>::augment_args(command)
    }
}

/// Any value is answered so, as soon as it is read: perhaps it was meant to be the endpoint, and nobody
/// should be told that there is none.
#[derive(Clone, Debug)]
struct Answer(&'static str);

impl TypedValueParser for Answer {
    type Value = ();

    fn parse_ref(
        &self,
        command: &Command,
        _arg: Option<&Arg>,
        _value: &OsStr,
    ) -> Result<(), Error> {
        Err(command.clone().error(ErrorKind::UnknownArgument, self.0))
    }
}
