//! Does what the command line says: opens the home, runs the command, closes, also on a signal.

use std::process::ExitCode;
use std::time::Duration;

use martlet_client::{Client, Config};

use super::{history, listen, register, send, status};
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
    match args.command {
        Command::Register(args) => {
            let client = Client::open(&dir, register::config(&args)).await?;
            let work = register::run(client.clone(), args);
            finish(client, Ends::ByItself, &mut stop, work).await
        }
        Command::Send(args) => {
            let (client, identity) = home::open_registered(&dir, home::config()).await?;
            let work = send::run(client.clone(), identity, args);
            finish(client, Ends::ByItself, &mut stop, work).await
        }
        Command::Listen(args) => {
            let (client, identity) = home::open_registered(&dir, home::config()).await?;
            let ended = listen::run(client.clone(), identity, args, stop.wait()).await;
            close(client, ended.map(|()| ExitCode::SUCCESS)).await
        }
        Command::History(args) => {
            let config = Config {
                offline: true,
                ..home::config()
            };
            let (client, identity) = home::open_registered(&dir, config).await?;
            let work = history::run(client.clone(), identity, args);
            finish(client, Ends::ByItself, &mut stop, work).await
        }
        Command::Status(args) => {
            let (client, identity) = home::open_registered(&dir, home::config()).await?;
            let work = status::run(client.clone(), identity, args);
            finish(client, Ends::ByItself, &mut stop, work).await
        }
        Command::Chat(args) => {
            let (client, identity) = home::open_registered(&dir, home::config()).await?;
            let ends = if chat::is_interactive() {
                Ends::WhenTold
            } else {
                Ends::ByItself
            };
            let work = chat::run(client.clone(), identity, args.name);
            finish(client, ends, &mut stop, work).await
        }
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
