use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;

use cidr::{AccessList, Cidr, Verdict};
use event_loop::Peer;
use signal_hook::consts::SIGHUP;
use signal_hook::iterator::Signals;
use socket_server::Server;

use crate::memory::Memory;

/// Whom a server serves, by address.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct AccessOptions {
    /// Serve this network, and no other that is not allowed too (may be repeated). Of several rules about an
    /// address the narrowest decides, and of equal ones that which denies. Who comes by a Unix socket has no
    /// address: there are no rules for that
    #[arg(long, value_name = "CIDR")]
    allow: Vec<Cidr>,
    /// Do not serve this network (may be repeated)
    #[arg(long, value_name = "CIDR")]
    deny: Vec<Cidr>,
    /// More rules, one a line: "allow 10.0.0.0/8", "deny all", "otherwise deny", "# a comment". On SIGHUP the
    /// file is read again; if there is an error in it, the rules stay as they are
    #[arg(long, value_name = "PATH")]
    access_file: Option<PathBuf>,
}

/// Who may come in. All clones go by the same rules, which change when their file is read again; who is in
/// stays in.
#[derive(Clone, Debug, Default)]
pub struct Access(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    given: AccessOptions,
    /// The text of the file, of which the worker processes make their rules.
    text: Option<Memory>,
    rules: RwLock<Rules>,
}

#[derive(Debug, Default)]
struct Rules {
    list: AccessList,
    /// How many of them are from the file.
    from_file: usize,
    /// How often the file was read: 1 at first.
    generation: u64,
}

impl AccessOptions {
    /// Reads the rules, and those in the file again whenever SIGHUP comes from now on. Call it once, in worker
    /// processes, too: these have the rules that the process has which they were started by.
    ///
    /// # Errors
    ///
    /// What is wrong with the file, and in which line; what the system says to reading it or to watching for
    /// the signal.
    pub fn load(&self) -> Result<Access, Box<dyn Error>> {
        let Some(path) = &self.access_file else {
            let list = self.complete(AccessList::longest_match());
            return Ok(Access(Arc::new(Shared {
                rules: RwLock::new(Rules {
                    list,
                    ..Rules::default()
                }),
                ..Shared::default()
            })));
        };
        let access = Access(Arc::new(Shared {
            given: self.clone(),
            text: Some(Memory::shared(NAME)?),
            rules: RwLock::default(),
        }));
        if socket_server::is_worker() {
            // The one that has started this process reads the file.
            signal_hook::flag::register(SIGHUP, Arc::new(AtomicBool::new(false)))?;
            access.0.inherit()?;
            return Ok(access);
        }
        let mut signals = Signals::new([SIGHUP])?;
        let rules = access.0.read(path)?;
        tracing::info!("{}: {rules}", path.display());
        let shared = Arc::clone(&access.0);
        let thread = thread::Builder::new().name("access".to_owned());
        thread.spawn(move || {
            for _ in signals.forever() {
                shared.read_again();
            }
        })?;
        Ok(access)
    }

    /// Adds the rules of the command line to those of the file.
    fn complete(&self, list: AccessList) -> AccessList {
        let list = list.allow(self.allow.iter().copied());
        list.deny(self.deny.iter().copied())
    }
}

impl Access {
    /// Has a server ask here who may come in.
    pub fn guard(&self, server: Server) -> Server {
        let access = self.clone();
        server.verify(move |peer| access.lets_in(peer.ip()))
    }

    /// Has a server of datagrams ask here which to answer.
    pub fn guard_datagrams(&self, server: Server) -> Server {
        let access = self.clone();
        server.verify(move |peer| peer.ip().is_none_or(|address| access.answers(address)))
    }

    /// Has an event loop ask here who may come in, before `accept` is called for those who may.
    pub fn guard_accept<H>(
        &self,
        mut accept: impl FnMut(Peer) -> H + 'static,
    ) -> impl FnMut(Peer) -> Option<H> + 'static {
        let access = self.clone();
        move |peer| {
            let address = match peer {
                Peer::Tcp(address) => Some(address.ip()),
                _ => None,
            };
            access.lets_in(address).then(|| accept(peer))
        }
    }

    /// Whether a peer may come in. Who may not is logged, with the rule that says so. The client of a Unix
    /// socket, who has no address, may.
    #[must_use]
    pub fn lets_in(&self, address: Option<IpAddr>) -> bool {
        let denied = address.and_then(|address| self.0.denies(address));
        denied
            .inspect(|verdict| tracing::warn!("{verdict}"))
            .is_none()
    }

    /// Whether to answer a datagram from there. As anybody can send any number with any address, only `-v`
    /// logs it.
    #[must_use]
    pub fn answers(&self, address: IpAddr) -> bool {
        let denied = self.0.denies(address);
        denied
            .inspect(|verdict| tracing::debug!("{verdict}"))
            .is_none()
    }
}

impl Shared {
    fn denies(&self, address: IpAddr) -> Option<Verdict> {
        if socket_server::is_worker() {
            self.follow();
        }
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        let verdict = rules.list.check(address);
        Some(verdict).filter(|verdict| !verdict.is_allowed())
    }

    /// Reads the file. Returns how many rules are in it.
    fn read(&self, path: &Path) -> Result<Count, Box<dyn Error>> {
        let in_file = |error: &dyn fmt::Display| format!("{}: {error}", path.display());
        let text = text_of(path).map_err(|error| in_file(&error))?;
        let list: AccessList = text.parse().map_err(|error| in_file(&error))?;
        let generation = self.rules().generation + 1;
        if let Some(memory) = &self.text {
            memory.store(&[&generation.to_le_bytes(), text.as_bytes()].concat())?;
        }
        Ok(self.replace(list, generation))
    }

    fn read_again(&self) {
        let Some(path) = &self.given.access_file else {
            return;
        };
        let before = Count(self.rules().from_file);
        match self.read(path) {
            Ok(rules) => tracing::info!("{}: {rules}, {before} before", path.display()),
            Err(error) => tracing::error!("{error}; the {before} from before stay"),
        }
    }

    /// In a worker process: takes the rules that the one before it has read last.
    fn follow(&self) {
        let Some(memory) = &self.text else {
            return;
        };
        if self.rules().generation.to_le_bytes() != memory.peek()
            && let Err(error) = self.inherit()
        {
            tracing::error!("the rules from before stay: {error}");
        }
    }

    fn inherit(&self) -> Result<(), Box<dyn Error>> {
        let memory = self.text.as_ref().ok_or("there is no file of rules")?;
        let contents = memory.load()?;
        let (generation, text) = contents.split_first_chunk().ok_or("no rules are left")?;
        let list = str::from_utf8(text)?.parse()?;
        self.replace(list, u64::from_le_bytes(*generation));
        Ok(())
    }

    fn replace(&self, from_file: AccessList, generation: u64) -> Count {
        let count = from_file.rules().len();
        let rules = Rules {
            list: self.given.complete(from_file),
            from_file: count,
            generation,
        };
        let mut current = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *current, rules);
        // Nobody waits until they are taken to pieces.
        drop(current);
        drop(before);
        Count(count)
    }

    fn rules(&self) -> std::sync::RwLockReadGuard<'_, Rules> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn text_of(path: &Path) -> Result<String, Box<dyn Error>> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    file.take(MAX_FILE_LEN + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_LEN {
        return Err(format!("longer than {MAX_FILE_LEN} bytes").into());
    }
    Ok(String::from_utf8(bytes)?)
}

/// So many rules.
struct Count(usize);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("1 rule"),
            count => write!(f, "{count} rules"),
        }
    }
}

/// What worker processes find the text by.
const NAME: &str = "access";
/// Room for half a million rules.
const MAX_FILE_LEN: u64 = 16 << 20;
