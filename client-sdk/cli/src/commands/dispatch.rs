//! Does what the command line says: opens the home, runs the command, closes, also on a signal.

use std::process::ExitCode;
use std::time::Duration;

use martlet_client::{Client, Config, Identity};

use super::{
    change, devices, group, history, join, link, listen, people, presence, register, safety, send,
    status,
};
use crate::args::{Args, Command};
use crate::stop::Stop;
use crate::{chat, home};

/// How long saying goodbye to the server may take.
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// What a signal means to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// It would have ended by itself: the signal cuts it short.
    ByItself,
    /// It goes on until told otherwise: the signal is its normal end.
    WhenTold,
}

/// Does what the command line says.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    // Watched before anything is opened, so that no signal finds the home half open.
    let mut stop = Stop::watch()?;
    let dir = home::locate(args.home)?;
    let config = home::config(args.passphrase_file.as_deref())?;
    match args.command {
        Command::Register(args) => {
            let client = home::open(&dir, register::config(&args, config)).await?;
            let work = register::run(client.clone(), args);
            finish(client, Ends::ByItself, &mut stop, work).await
        }
        Command::Link(args) if args.joins() => {
            let code = join::code(&args)?;
            let client = home::open(&dir, join::config(&args, config)).await?;
            let work = join::run(client.clone(), args, code);
            finish(client, Ends::ByItself, &mut stop, work).await
        }
        Command::Listen(args) => {
            let (client, identity) = home::open_registered(&dir, config).await?;
            let ended = listen::run(client.clone(), identity, args, stop.wait()).await;
            close(client, ended.map(|()| ExitCode::SUCCESS)).await
        }
        command => {
            let config = Config {
                offline: matches!(command, Command::History(_)),
                ..config
            };
            let ends = match command {
                Command::Chat(_) if chat::is_interactive() => Ends::WhenTold,
                _ => Ends::ByItself,
            };
            let (client, identity) = home::open_registered(&dir, config).await?;
            let work = work(client.clone(), identity, command);
            finish(client, ends, &mut stop, work).await
        }
    }
}

/// What a command does in a home that has an account.
async fn work(client: Client, identity: Identity, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Send(args) => send::run(client, identity, args).await,
        Command::React(args) => change::react(client, identity, args).await,
        Command::Edit(args) => change::edit(client, identity, args).await,
        Command::Delete(args) => change::delete(client, identity, args).await,
        Command::Timer(args) => change::timer(client, identity, args).await,
        Command::Presence(args) => presence::run(client, identity, args).await,
        Command::Block(args) => people::block(client, identity, args).await,
        Command::Unblock(args) => people::unblock(client, identity, args).await,
        Command::Accept(args) => people::accept(client, identity, args).await,
        Command::Contacts(args) => people::contacts(client, identity, args).await,
        Command::Settings(args) => people::settings(client, identity, args).await,
        Command::Group(args) => group::run(client, identity, args.what).await,
        Command::History(args) => history::run(client, identity, args).await,
        Command::Status(args) => status::run(client, identity, args).await,
        Command::Chat(args) => chat::run(client, identity, args.name).await,
        Command::Devices(args) => devices::run(client, identity, args).await,
        Command::Link(args) => link::run(client, args).await,
        Command::Revoke(args) => devices::revoke(client, args).await,
        Command::SafetyNumber(args) => safety::show(client, identity, args).await,
        Command::Verify(args) => safety::verify(client, identity, args).await,
        // They open the home in their own way.
        Command::Register(_) | Command::Listen(_) => Ok(()),
    }
}

/// Does the work until it ends or a signal cuts it short, then closes the client either way.
async fn finish(
    client: Client,
    ends: Ends,
    stop: &mut Stop,
    work: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<ExitCode> {
    let ended = tokio::select! {
        ended = work => ended.map(|()| ExitCode::SUCCESS),
        stopped = stop.wait() => Ok(match ends {
            Ends::ByItself => stopped.exit_code(),
            Ends::WhenTold => ExitCode::SUCCESS,
        }),
    };
    close(client, ended).await
}

/// Closes the client, however the work ended.
async fn close(client: Client, ended: anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    let closed = tokio::time::timeout(CLOSE_MAX, client.close()).await;
    let code = ended?;
    // A server that does not answer is no failure: all there is to keep is in the home already.
    if let Ok(closed) = closed {
        closed?;
    }
    Ok(code)
}
