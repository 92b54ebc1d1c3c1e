//! What a command needs besides its own arguments: where to connect and as whom, and where answers go.
//!
//! Several logins can be stored, and one of them counts: the one that `--profile` names, else DATAGUARDIAN_PROFILE, else the one
//! of `dgctl profile use`. A login that was named on the command line goes before what the environment says of server, authority
//! and token, so that a token in the environment never gets to a server that it was not meant for.

use std::path::PathBuf;

use clap::ArgMatches;
use clap::parser::ValueSource;
use dataguardian_core::secret::Secret;

use crate::ask::{self, SecretSource};
use crate::cli::Cli;
use crate::connect::{Api, Target, Wanted};
use crate::error::{Error, Result};
use crate::output::Output;
use crate::profile::Profile;
use crate::profile::named::{DEFAULT, Folder};

/// The environment's name for a profile.
const PROFILE: &str = "DATAGUARDIAN_PROFILE";

/// What stands on the command line itself, and not in the environment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Given {
    server: bool,
    ca: bool,
}

impl Given {
    /// As the parser has seen it.
    pub(crate) fn of(matches: &ArgMatches) -> Self {
        let typed = |name| matches.value_source(name) == Some(ValueSource::CommandLine);
        Self {
            server: typed("server"),
            ca: typed("ca"),
        }
    }
}

/// What a command needs besides its own arguments.
#[derive(Debug)]
pub(crate) struct Context {
    server: Option<String>,
    ca: Option<PathBuf>,
    token_file: Option<SecretSource>,
    /// From the command line.
    profile: Option<String>,
    given: Given,
    /// Where answers go.
    pub(crate) output: Output,
}

impl Context {
    /// From the global options.
    pub(crate) fn new(cli: &Cli, given: Given) -> Self {
        let filled = |text: &String| !text.is_empty();
        Self {
            server: cli.global.server.clone().filter(filled),
            ca: cli.global.ca.clone().filter(|path| !path.as_os_str().is_empty()),
            token_file: cli.global.token_file.clone(),
            profile: cli.global.profile.clone(),
            given,
            output: Output::new(cli.global.output),
        }
    }

    /// A connection with the caller's token.
    pub(crate) async fn api(&self) -> Result<Api> {
        let target = self.target()?;
        if target.token.is_none() {
            return Err(Error::usage(format!(
                "no token for {} is known: sign in with `dgctl login`, or give --token-file or DATAGUARDIAN_TOKEN",
                target.server
            )));
        }
        target.connect().await
    }

    /// Where to connect, and as whom.
    pub(crate) fn target(&self) -> Result<Target> {
        let stored = self.stored()?;
        let token = match self.profile_goes_first(stored.as_ref()) && self.token_file.is_none() {
            true => None,
            false => self.given_token()?,
        };
        Target::resolve(self.wanted(token, stored.as_ref()), stored.as_ref())
    }

    /// Where to connect, as nobody yet. A login that is to be made need not be there; one that has a name is not replaced by another
    /// server's unless that name is given.
    pub(crate) fn anonymous_target(&self) -> Result<Target> {
        let stored = Profile::load(&self.profile_file()?)?;
        let target = Target::resolve(self.wanted(None, stored.as_ref()), stored.as_ref())?;
        let name = self.profile_name()?;
        if let Some(other) = stored.filter(|stored| stored.server != target.server)
            && name != DEFAULT
            && self.named_profile().is_none()
        {
            return Err(Error::usage(format!(
                "profile {name} is for {}: give the login to {} a name of its own with --profile",
                other.server, target.server
            )));
        }
        Ok(Target {
            token: None,
            ..target
        })
    }

    /// The token from `--token-file`, else from the environment.
    pub(crate) fn given_token(&self) -> Result<Option<Secret>> {
        if let Some(source) = &self.token_file {
            return source.read().map(Some);
        }
        let token = std::env::var("DATAGUARDIAN_TOKEN").ok();
        Ok(token.filter(|token| !token.is_empty()).map(Secret::new))
    }

    /// Whether a token was given as a file.
    pub(crate) fn has_token_file(&self) -> bool {
        self.token_file.is_some()
    }

    /// The name of the login that counts.
    pub(crate) fn profile_name(&self) -> Result<String> {
        match self.named_profile() {
            Some(name) => Ok(name),
            None => Folder::of_user()?.current(),
        }
    }

    /// The file of the login that counts.
    pub(crate) fn profile_file(&self) -> Result<PathBuf> {
        Folder::of_user()?.file(&self.profile_name()?)
    }

    /// Asks whether what can't be undone is meant, and says which server it happens on.
    pub(crate) fn confirm(&self, yes: bool, question: &str) -> Result<()> {
        if yes {
            return Ok(());
        }
        let stored = self.stored()?;
        let target = Target::resolve(self.wanted(None, stored.as_ref()), stored.as_ref())?;
        let profile = self.profile_name()?;
        let named = profile != DEFAULT && stored.is_some_and(|stored| stored.server == target.server);
        let place = match named {
            true => format!("{} (profile {profile})", target.server),
            false => target.server,
        };
        ask::confirm(false, &format!("On {place}: {question}"))
    }

    /// The login that counts. One that somebody has named is there, or it is said that it is not.
    fn stored(&self) -> Result<Option<Profile>> {
        let name = self.profile_name()?;
        let stored = Profile::load(&Folder::of_user()?.file(&name)?)?;
        match stored {
            None if name != DEFAULT => Err(Error::usage(format!(
                "there is no profile {name}: `dgctl login --profile {name}` makes it, `dgctl profile list` shows those that are there"
            ))),
            stored => Ok(stored),
        }
    }

    fn named_profile(&self) -> Option<String> {
        let variable = || std::env::var(PROFILE).ok().filter(|name| !name.is_empty());
        self.profile.clone().or_else(variable)
    }

    /// Whether the login was named on the command line and is there: then the environment has no say.
    fn profile_goes_first(&self, stored: Option<&Profile>) -> bool {
        self.profile.is_some() && stored.is_some()
    }

    fn wanted(&self, token: Option<Secret>, stored: Option<&Profile>) -> Wanted {
        let first = self.profile_goes_first(stored);
        Wanted {
            server: self.server.clone().filter(|_| self.given.server || !first),
            ca: self.ca.clone().filter(|_| self.given.ca || !first),
            token,
        }
    }
}
