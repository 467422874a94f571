//! The life of the process: start everything, wait for a signal, stop everything.

use std::fs;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::process;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use martlet_shard::Topology;
use martlet_store::rocks::{Committer, Durable, Engine, Options, Readers};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::admission::Admission;
use crate::args::{CheckConfigArgs, ServeArgs};
use crate::clock::Monotonic;
use crate::config::{Config, File, Flags, Registration, Transport};
use crate::error::StartError;
use crate::gateway::tls;
use crate::mailbox::Mailbox;
use crate::reactor::Mail;
use crate::shared::{Rates, Shared};
use crate::token::Verifier;
use crate::{logging, random, reactor};

/// `martletd serve`: runs until a signal ends it.
///
/// # Errors
/// When the server cannot start, or a reactor fails.
pub fn serve(args: &ServeArgs) -> Result<(), StartError> {
    let mut config = match &args.config {
        Some(path) => Config::build(File::read(path)?, &args.flags())?,
        None => Config::development(&args.flags())?,
    };
    logging::start(&config.log)?;
    logging::abort_on_panic();
    let given = raise_descriptor_limit();
    let for_clients = given.saturating_sub(DESCRIPTORS_RESERVED);
    if for_clients == 0 {
        let least = DESCRIPTORS_RESERVED + 1;
        return Err(StartError::DescriptorsMissing { given, least });
    }
    config.limits.connections_max = config.limits.connections_max.min(for_clients);
    let signals = runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(StartError::Runtime)?;
    let mut server = Server::start(config)?;
    signals.block_on(server.run_until_signal())?;
    server.stop()
}

/// Takes as many descriptors as the system gives, and returns how many: each connection needs one,
/// and the usual soft limit of 1,024 is there for programs that use `select`.
fn raise_descriptor_limit() -> u32 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    if current < maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::warn!(event = "descriptor_limit_kept", ?current, ?maximum, %error);
    }
    let limit = getrlimit(Resource::Nofile).current;
    limit.map_or(u32::MAX, |limit| u32::try_from(limit).unwrap_or(u32::MAX))
}

/// `martletd check-config`: complains about a file, and about the files it names.
///
/// # Errors
/// What is wrong.
pub fn check_config(args: &CheckConfigArgs) -> Result<(), StartError> {
    let config = Config::build(File::read(&args.config)?, &Flags::default())?;
    logging::check(&config.log)?;
    read_named_files(&config)?;
    // When standard output is closed, the exit code still tells.
    let _ = writeln!(io::stdout(), "{}: good", args.config.display());
    Ok(())
}

/// What the configuration only names.
struct NamedFiles {
    tls: Option<Arc<rustls::ServerConfig>>,
    tokens: Option<Verifier>,
}

fn read_named_files(config: &Config) -> Result<NamedFiles, StartError> {
    let tls = match &config.transport {
        Transport::Plain => None,
        Transport::Tls {
            certificate_file,
            key_file,
        } => Some(tls::settings(certificate_file, key_file)?),
    };
    let tokens = match &config.registration {
        Registration::Closed | Registration::Open => None,
        Registration::Token {
            jwks_file,
            audience,
        } => Some(Verifier::read(jwks_file, audience)?),
    };
    Ok(NamedFiles { tls, tokens })
}

/// A running server.
struct Server {
    shared: Arc<Shared>,
    mailboxes: Vec<Arc<Mailbox<Mail>>>,
    address: SocketAddr,
    reactors: Vec<JoinHandle<io::Result<()>>>,
    /// A message for each reactor that has ended.
    ended: tokio::sync::mpsc::UnboundedReceiver<()>,
}

impl Server {
    fn start(config: Config) -> Result<Self, StartError> {
        let files = read_named_files(&config)?;
        fs::create_dir_all(&config.data_dir).map_err(|source| StartError::DataDir {
            path: config.data_dir.clone(),
            source,
        })?;
        // Before the store is opened: a wrong address must not cost a recovery.
        let reactors = usize::from(config.reactors);
        let listeners =
            reactor::listen(config.listen, reactors).map_err(|source| StartError::Listen {
                address: config.listen,
                source,
            })?;
        let address = listeners[0].local_addr().map_err(StartError::Runtime)?;
        let mailboxes: Vec<_> = (0..reactors).map(|_| Arc::default()).collect();
        let shared = Arc::new(open(config, files, &mailboxes)?);
        let (sender, ended) = tokio::sync::mpsc::unbounded_channel();
        let reactors = start_reactors(&shared, &mailboxes, listeners, &sender)?;
        Ok(Self {
            shared,
            mailboxes,
            address,
            reactors,
            ended,
        })
    }

    /// The line that scripts and people wait for.
    fn announce(&self) {
        let config = &self.shared.config;
        let transport = match config.transport {
            Transport::Plain => "plain TCP",
            Transport::Tls { .. } => "TLS 1.3",
        };
        let data_dir = fs::canonicalize(&config.data_dir);
        let data_dir = data_dir.as_ref().unwrap_or(&config.data_dir);
        let mut out = io::stdout();
        // When standard output is closed, nobody waits for the line.
        let _ = writeln!(
            out,
            "martletd ready: listening on {} ({transport}), data in {}, {} reactor{}",
            self.address,
            data_dir.display(),
            config.reactors,
            if config.reactors == 1 { "" } else { "s" },
        );
        let _ = out.flush();
        let connections_max = config.limits.connections_max;
        tracing::info!(event = "ready", address = %self.address, transport, connections_max);
    }

    /// Says that it is ready, waits for the first signal, and then until the reactors have drained.
    async fn run_until_signal(&mut self) -> Result<(), StartError> {
        let mut terminate = listen_for(SignalKind::terminate())?;
        let mut interrupt = listen_for(SignalKind::interrupt())?;
        // Only now: whoever waits for the line may send a signal at once, and it must not kill.
        self.announce();
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(event = "draining", signal = name);
        for mailbox in &self.mailboxes {
            mailbox.post_one(Mail::Drain);
        }
        let mut left = self.reactors.len();
        while left > 0 {
            tokio::select! {
                _ = self.ended.recv() => left -= 1,
                _ = interrupt.recv() => {
                    tracing::warn!(event = "stopped_at_once", signal = "SIGINT");
                    process::exit(EXIT_INTERRUPTED);
                }
            }
        }
        Ok(())
    }

    /// Waits for the threads; the store closes with the last of them.
    fn stop(self) -> Result<(), StartError> {
        for reactor in self.reactors {
            // A panic has ended the process already.
            if let Ok(result) = reactor.join() {
                result.map_err(StartError::Runtime)?;
            }
        }
        tracing::info!(event = "stopped");
        Ok(())
    }
}

fn listen_for(kind: SignalKind) -> Result<Signal, StartError> {
    signal(kind).map_err(StartError::Runtime)
}

/// Opens the store and makes what the reactors share.
fn open(
    config: Config,
    files: NamedFiles,
    mailboxes: &[Arc<Mailbox<Mail>>],
) -> Result<Shared, StartError> {
    let options = Options::new(config.store.shards, random::number());
    let engine = Arc::new(Engine::open(&config.data_dir, &options)?);
    let told = mailboxes.to_vec();
    let wake = move |durable: Durable| told[durable.reactor].durable(durable.ticket);
    let committer = Committer::spawn(Arc::clone(&engine), mailboxes.len(), Box::new(wake))
        .map_err(StartError::Runtime)?;
    let readers = Readers::spawn(&engine, READER_THREADS, READER_REQUESTS_MAX)
        .map_err(StartError::Runtime)?;
    Ok(Shared {
        topology: Topology {
            shards: engine.shards(),
            seed: engine.seed(),
        },
        admission: Arc::new(Admission::new(&config.limits)),
        rates: Rates::new(&config.limits),
        tokens: files.tokens,
        tls: files.tls,
        engine,
        committer,
        readers,
        reactors: mailboxes.len(),
        clock: Monotonic::start(),
        config,
    })
}

/// Starts the threads and waits until each has recovered its shards and accepts.
fn start_reactors(
    shared: &Arc<Shared>,
    mailboxes: &[Arc<Mailbox<Mail>>],
    listeners: Vec<TcpListener>,
    ended: &tokio::sync::mpsc::UnboundedSender<()>,
) -> Result<Vec<JoinHandle<io::Result<()>>>, StartError> {
    let (ready, is_ready) = mpsc::channel();
    let mut threads = Vec::new();
    for (index, listener) in listeners.into_iter().enumerate() {
        let shared = Arc::clone(shared);
        let mailboxes = mailboxes.to_vec();
        let ready = ready.clone();
        let ended = ended.clone();
        let thread = thread::Builder::new()
            .name(format!("reactor-{index}"))
            .spawn(move || {
                let result = reactor::run(index, shared, mailboxes, listener, || {
                    // The receiver is gone only when another reactor has failed to start.
                    let _ = ready.send(Ok(()));
                });
                if let Err(error) = &result {
                    tracing::error!(event = "reactor_failed", index, %error);
                    // As above; and it is gone when the reactor had been ready.
                    let _ = ready.send(Err(io::Error::from(error.kind())));
                }
                // The receiver is gone when the server has already stopped waiting.
                let _ = ended.send(());
                result
            })
            .map_err(StartError::Runtime)?;
        threads.push(thread);
    }
    for result in is_ready.iter().take(threads.len()) {
        result.map_err(StartError::Runtime)?;
    }
    Ok(threads)
}

/// Descriptors that connections never take: the store must be able to open its files, or a crowd
/// of strangers could stop it.
const DESCRIPTORS_RESERVED: u32 = 256;

/// Threads that read backlogs: they wait for the disk, not for a core.
const READER_THREADS: usize = 2;

/// Pages that may wait to be read, one per draining device. What finds no room asks again.
const READER_REQUESTS_MAX: usize = 65_536;

/// What a shell reports for a process that SIGINT ended.
const EXIT_INTERRUPTED: i32 = 130;
